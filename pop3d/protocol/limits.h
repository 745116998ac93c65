// The sizes of the grammar; those that an operator or we may choose are in pop3d/limits.h. Full means a
// polite -ERR, never growth.
#pragma once

#include <cstddef>

namespace mailstead::pop3 {

// A command with its CRLF (RFC 2449 section 4). AUTH with an initial response obeys it too (RFC 5034 section
// 4).
inline constexpr size_t kMaxCommandLineBytes = 255;
// A client's response within AUTH, with its CRLF: the size RFC 4954 section 4 names for SMTP, which shares
// mechanisms.
inline constexpr size_t kMaxAuthLineBytes = 12288;
// The first line of a response, with its CRLF (RFC 2449 section 4).
inline constexpr size_t kMaxReplyLineBytes = 512;

// RFC 1939 section 7: a unique-id has 1 to 70 characters.
inline constexpr size_t kMaxUniqueIdBytes = 70;

}  // namespace mailstead::pop3
