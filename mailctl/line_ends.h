// Makes the line ends of a file those of mail: CRLF. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead::ctl {

// Feed the bytes in pieces of any size. A LF without CR becomes CRLF; CRLF stays. As smtpd does, it refuses
// what mail cannot carry (RFC 5321 section 2.3.8, RFC 5322 section 2.3): a CR without LF, and NUL.
class LineEnds {
 public:
  // Appends the converted bytes to `out`. InvalidArgument names the line.
  absl::Status Convert(absl::string_view bytes, std::string* out);
  // After the last piece. InvalidArgument when it ended with a CR alone.
  absl::Status Finish();

 private:
  absl::Status BareCr() const;

  bool after_cr_ = false;
  uint64_t line_ = 1;
};

}  // namespace mailstead::ctl
