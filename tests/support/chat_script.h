// A golden dialog as a list of lines, and back to the file it came from. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::test {

struct ChatLine {
  enum class Kind { kComment, kSend, kSendRaw, kExpect, kExpectPattern, kDirective };
  Kind kind = Kind::kComment;
  // Without the mark at the beginning; comments as they stand in the file.
  std::string text;
  // In the file, from 1.
  int number = 0;

  bool is_send() const { return kind == Kind::kSend || kind == Kind::kSendRaw; }
  bool is_expect() const { return kind == Kind::kExpect || kind == Kind::kExpectPattern; }
  // What goes over the wire, for the two kinds that send.
  std::string WireBytes() const;
};

// InvalidArgument names the line that is none of the kinds above.
absl::StatusOr<std::vector<ChatLine>> ParseChat(absl::string_view text);
// The file again.
std::string FormatChat(const std::vector<ChatLine>& lines);
// With every "! repeat N" ... "! end" written out. InvalidArgument when they do not pair.
absl::StatusOr<std::vector<ChatLine>> ExpandRepeats(const std::vector<ChatLine>& lines);

}  // namespace mailstead::test
