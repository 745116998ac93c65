// What a notice says to a person: its first part (RFC 6522 section 3, RFC 3464 section 2). Pure.
#pragma once

#include <string>

#include "common/mail/dsn/notice.h"
#include "common/mail/dsn/returned.h"

namespace mailstead::dsn {

// The subject of the notice, in ASCII.
absl::string_view NoticeSubject(NoticeKind kind);

// In printable UTF-8, lines of at most 78 bytes where they can be broken, each with its CRLF. Recipients of whom the
// same is to be said stand together, in the order of the first of them; what another host said is quoted as it said
// it.
std::string NoticeText(const Notice& notice, const Returned& returned);

}  // namespace mailstead::dsn
