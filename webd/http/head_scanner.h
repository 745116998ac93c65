// Finds where the head of a request ends, in what has come of it, and refuses beforehand what servers have been found to read in
// different ways.
//
//   head = [CRLF] 1*(line CRLF) CRLF
//
// SECURITY: a proxy and we must see the same requests in the same bytes (request smuggling). A bare CR or LF, a folded line
// (RFC 9112 section 5.2), and NUL are refused here; lengths that contradict each other where they are parsed
// (request_reader.h).
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace mailstead::web {

class HeadScanner {
 public:
  enum class Verdict { kNeedMore, kComplete, kMalformed, kTooLarge };

  // `bytes` is all that has come since the head's begin, and grows from call to call: what was looked at is not looked at
  // again.
  Verdict Scan(absl::string_view bytes);
  // Of a complete head, with its last line end.
  size_t size_bytes() const { return at_; }
  // Of them, an empty line in front, which some clients send behind a body (RFC 9112 section 2.2).
  size_t blank_bytes() const { return blank_; }

 private:
  // Looked at so far; and where the line begins that is being looked at.
  size_t at_ = 0;
  size_t line_ = 0;
  size_t blank_ = 0;
};

}  // namespace mailstead::web
