// Looks at a message's header as it comes by, for what receipt must know. Pure; any split of the bytes gives
// the same.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::smtp {

class HeaderScan {
 public:
  // Bytes of the message in order, lines ending in CRLF.
  void Feed(absl::string_view bytes);

  // The blank line, or a line that is no header field, has been seen.
  bool ended() const { return state_ == State::kEnded; }
  // RFC 5321 section 6.3: hops so far.
  size_t received_count() const { return received_count_; }
  bool has_date() const { return has_date_; }
  bool has_message_id() const { return has_message_id_; }

 private:
  enum class State { kLineStart, kName, kAfterName, kRest, kRestCr, kBlankCr, kEnded };
  void Next(char c);
  void Classify();

  State state_ = State::kLineStart;
  // The field name so far; names longer than any we look for are cut.
  std::string name_;
  size_t received_count_ = 0;
  bool has_date_ = false;
  bool has_message_id_ = false;
  // A continuation line needs a field before it.
  bool in_field_ = false;
};

}  // namespace mailstead::smtp
