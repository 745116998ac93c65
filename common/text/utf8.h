// UTF-8 as RFC 3629 defines it. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

bool IsAscii(absl::string_view text);

// True when all of `text` is well-formed: no overlong form, no surrogate, nothing above U+10FFFF, nothing cut
// off. ASCII is well-formed, NUL and other controls included.
bool IsValidUtf8(absl::string_view text);

// At most the first `max_bytes` of `text`, not cut inside a character where `text` is well-formed.
absl::string_view Utf8Prefix(absl::string_view text, size_t max_bytes);

// The UTF-8 of a text in ISO 8859-1, in which each byte is a character.
std::string Utf8FromLatin1(absl::string_view text);

}  // namespace mailstead
