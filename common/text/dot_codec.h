// Transparency by dots: taking it off (SMTP DATA, RFC 5321 section 4.5.2) and putting it on (POP3, RFC 1939
// section 3). Pure; any split of the bytes gives the same result.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

// What to do with a CR or LF that is not part of CRLF: refuse the message (whose bytes stay as they are, for
// LineCheck to see), or make it a CRLF. CR CR LF, which text files get that were made CRLF twice, is one line end.
enum class BareLineEnds { kRefuse, kNormalize };

// Takes the bytes after DATA's 354.
// SECURITY: only <CRLF>.<CRLF> ends the message. A bare CR or LF around a dot never does (SMTP smuggling).
class DotDecoder {
 public:
  explicit DotDecoder(BareLineEnds bare_line_ends) : bare_line_ends_(bare_line_ends) {}

  struct Result {
    // How much of the input was used. All of it unless `done`.
    size_t consumed = 0;
    // The end was reached; what follows is the next command. The decoder must not be used again.
    bool done = false;
  };
  // Appends decoded bytes to `out`: at most two for each byte of input.
  Result Decode(absl::string_view in, std::string& out);

 private:
  // The "bare" states follow a line end that was made a CRLF: its dots are taken off, but it cannot begin the
  // end. After kCrCr the first CR is in the output, and what follows decides what the second one is.
  enum class State { kLineStart, kDot, kDotCr, kText, kCr, kCrCr, kBareLineStart, kBareDot };
  class Run;

  const BareLineEnds bare_line_ends_;
  State state_ = State::kLineStart;
};

// Prepares a message for a POP3 multi-line response. Lines begin after every LF, also a bare one.
class DotEncoder {
 public:
  // Appends encoded bytes to `out`: at most two for each byte of input.
  void Encode(absl::string_view in, std::string& out);
  // Appends the end: a CRLF if the last line lacks one, and ".CRLF".
  void Finish(std::string& out);

 private:
  // Set when the next byte begins a line, also at the very beginning.
  bool at_line_start_ = true;
  // Set when what was encoded so far ends in CRLF, or is empty.
  bool ends_in_crlf_ = true;
  // Set when its last byte is a CR.
  bool after_cr_ = false;
};

}  // namespace mailstead
