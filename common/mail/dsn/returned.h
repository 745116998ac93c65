// What of a message goes back with a notice: the third part of multipart/report (RFC 3461 section 6.2, RFC 6522
// section 3). Pure.
#pragma once

#include <optional>
#include <string>

#include "common/mail/dsn/notice.h"

namespace mailstead::dsn {

struct ReturnedPart {
  // "message/rfc822".
  std::string type;
  // "7bit", "8bit", "quoted-printable" or "base64": what `body` is in.
  std::string encoding;
  std::string body;
  // All of the message; else its header.
  bool whole = false;
};

// What a notice says of the message, out of its header; each empty where the header does not have it, or has it broken.
struct OriginalFields {
  // msg-id of RFC 5322 section 3.6.4, with its angle brackets, in ASCII.
  std::string message_id;
  // In printable UTF-8, at most kMaxSubjectBytes of it; never encoded words (RFC 2047), which nobody reads.
  std::string subject;
};
inline constexpr size_t kMaxSubjectBytes = 200;

struct Returned {
  // Absent: there is no header to return.
  std::optional<ReturnedPart> part;
  OriginalFields fields;
};

// The whole message only with a notice of failure (RFC 3461 section 4.3) unless RET=HDRS was given, and never of one
// that came with REQUIRETLS (RFC 8689 section 5); of at most kMaxReturnedBytes; and where it may be written. How that
// is:
//
//   in the message          all of it                          its header
//   ASCII, good lines       message/rfc822, 7bit               text/rfc822-headers, 7bit
//   other octets            not: message/rfc822 is never       text/rfc822-headers, quoted-printable
//                           encoded (RFC 2046 section 5.2.1)   (RFC 6522 section 4)
//   UTF-8, with SMTPUTF8    message/global, base64             message/global-headers, quoted-printable
//                           (RFC 6532 section 3.7)             (RFC 6533 section 4.3)
//   the same, and `utf8`    message/global, 8bit               message/global-headers, 8bit
//
// `utf8`: the notice itself is sent with SMTPUTF8. Lines that are too long, or have what no line may have, are
// encoded, too, or the message is not returned whole.
Returned Return(const Notice& notice, bool utf8);

}  // namespace mailstead::dsn
