// Sizes of the grammar. Each with the section that sets it, or the reason.
#pragma once

#include <cstddef>

namespace mailstead::smtp {

// RFC 4954 section 4: a line of an authentication exchange. With the CRLF.
inline constexpr size_t kMaxAuthLineBytes = 12288;
// RFC 5321 section 4.5.3.1.5: one line of a reply, with the CRLF.
inline constexpr size_t kMaxReplyLineBytes = 512;
// RFC 3461 section 4.4: ENVID as xtext.
inline constexpr size_t kMaxEnvidBytes = 100;
// RFC 3461 section 4.2: ORCPT as xtext, with its type.
inline constexpr size_t kMaxOrcptBytes = 500;
// RFC 1870 section 3: digits of SIZE.
inline constexpr size_t kMaxSizeDigits = 20;
// Parameters on one MAIL or RCPT; there are seven that we know.
inline constexpr size_t kMaxParameters = 16;
// RFC 4422 section 3.1: the name of a mechanism.
inline constexpr size_t kMaxMechanismBytes = 20;

}  // namespace mailstead::smtp
