// Writes notices: the whole message and the envelope that it goes by (RFC 3461 section 6, RFC 3464, RFC 6522, RFC
// 6533). Pure.
#pragma once

#include <string>

#include "common/mail/dsn/notice.h"
#include "common/mail/envelope.h"

namespace mailstead::dsn {

struct WrittenNotice {
  // To the sender of the original, with the null reverse-path and NOTIFY=NEVER (RFC 3461 section 6.1). Its
  // delivery_id is left to the caller. With REQUIRETLS when the original had it (RFC 8689 section 5); SMTPUTF8 and
  // 8BITMIME only where the notice needs them.
  Envelope envelope;
  // Lines of at most 998 bytes that end in CRLF, of ASCII only, unless the address of the sender, or ours, is not
  // ASCII: then it needs SMTPUTF8 anyhow, and is in the form of RFC 6533. A sender whose own address is ASCII is told
  // in ASCII, whatever his message and its recipients have, so that no host on the way back need know SMTPUTF8.
  std::string content;
};

WrittenNotice Write(const Notice& notice);

}  // namespace mailstead::dsn
