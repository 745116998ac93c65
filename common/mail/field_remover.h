// Takes fields out of the header of a message as it comes by; everything else stays byte for byte as it is. Pure;
// bounded; any split of the bytes gives the same result. What is a field, and where the header ends, is what
// HeaderReader says.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead {

class FieldRemover {
 public:
  // Names in any case of letters.
  explicit FieldRemover(std::initializer_list<absl::string_view> names);

  // Appends what remains of the next bytes of the message to `out`. It holds back the beginning of a line that may be
  // one of these fields: at most kMaxHeldBytes, blanks in front of the colon (RFC 5322 section 4.5) included. A line
  // in which there are more of them stays.
  void Filter(absl::string_view bytes, std::string& out);
  // The message has ended: appends what was held back.
  void Finish(std::string& out);
  // The header has ended: what comes is no field.
  bool ended() const { return state_ == State::kEnded; }

  static constexpr size_t kMaxHeldBytes = 998;  // a line (RFC 5322 section 2.1.1)

 private:
  // "Removed" is what is taken out; of kName and kAfterName that is open, or known but for the colon.
  enum class State {
    kLineStart,
    kName,
    kAfterName,
    kKeptName,
    kKeptAfterName,
    kKeptValue,
    kKeptCr,
    kRemovedValue,
    kRemovedCr,
    kEmptyLineCr,
    kEnded
  };

  // Looks at the byte at `at`, and perhaps at some behind it; gives the place of the next one.
  size_t Next(absl::string_view bytes, size_t at, std::string& out);
  size_t BeginLine(char c, std::string& out);
  // The line is no field of these: gives out what was held.
  void Keep(State next, std::string& out);
  // Whether one of the names begins with what is held, or is that.
  bool MayBeRemoved() const;
  bool IsRemoved() const;

  const std::vector<std::string> names_;
  State state_ = State::kLineStart;
  // Set behind a field that is kept, or removed: a line that begins with a blank goes with it.
  bool in_kept_ = false;
  bool in_removed_ = false;
  // The beginning of a line, in kName and kAfterName.
  std::string held_;
};

// Takes out what a submission server must (RFC 5322 section 3.6.3): else each recipient sees who was to be hidden.
inline FieldRemover BlindCopyRemover() { return FieldRemover({"Bcc", "Resent-Bcc"}); }

}  // namespace mailstead
