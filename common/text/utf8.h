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

// What a stranger wrote, as one line that is safe to show, log and quote: valid UTF-8 of at most `max_bytes`, cut
// between characters. A tab is a blank; "?" stands for each byte that is no UTF-8 and for each character that would act
// on who shows it: controls (C0, DEL, C1), ends of lines (U+2028, U+2029) and turns of direction (U+200E, U+200F,
// U+202A to U+202E, U+2066 to U+2069).
std::string PrintableUtf8(absl::string_view text, size_t max_bytes);

}  // namespace mailstead
