// How long the lines of a message are: RFC 5321 section 4.5.3.1.6 lets a host break or refuse longer ones, and a line that is
// broken on the way breaks signatures. Pure; any split of the bytes gives the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead {

// Without its CRLF; 1000 with it.
inline constexpr size_t kMaxMessageLineBytes = 998;

class LineLengthCheck {
 public:
  // Bytes of the message, in order. Its lines end with CRLF (line_check.h).
  void Feed(absl::string_view bytes);

  // The number of the first line that is longer, from 1; 0: none was so far.
  uint64_t long_line() const { return long_line_; }

 private:
  uint64_t line_ = 1;
  // Of the line that is under way, and whether the last of them is a CR.
  size_t size_bytes_ = 0;
  bool after_cr_ = false;
  uint64_t long_line_ = 0;
};

}  // namespace mailstead
