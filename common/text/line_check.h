// What no message may hold, looked for as its bytes come by: a CR or LF that is not part of a CRLF (RFC 5321 section
// 2.3.8, RFC 5322 section 2.3), and NUL. smtpd and the store hold every message to it, whoever brings it. Pure; any split
// of the bytes gives the same.
#pragma once

#include "absl/strings/string_view.h"

namespace mailstead {

class LineCheck {
 public:
  // Bytes of the message, in order.
  void Feed(absl::string_view bytes);
  // The message has ended: a CR at its very end stays alone.
  void Finish();

  // True once a bare CR or LF was seen; of a CR at the end of what was fed the next byte decides.
  bool saw_bare_line_end() const { return saw_bare_line_end_; }
  // True once a NUL byte was seen.
  bool saw_nul() const { return saw_nul_; }
  // True while what was fed ends in LF or is empty: no line is unfinished.
  bool at_line_start() const { return at_line_start_; }

 private:
  void Look(bool after_cr, char c);

  // Set when the last byte is a CR.
  bool after_cr_ = false;
  bool at_line_start_ = true;
  // Set by the first of their kind, never cleared.
  bool saw_bare_line_end_ = false;
  bool saw_nul_ = false;
};

}  // namespace mailstead
