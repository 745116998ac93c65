// Character sets in which each byte is a character, and ASCII up to 0x7f. Pure.
#pragma once

#include <array>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

// The characters of the bytes from 0x80 on.
using SingleByteTable = std::array<char16_t, 128>;

// Null when there is none of that name. charset.cc says what is normalized.
const SingleByteTable* FindSingleByteTable(absl::string_view normalized_name);

}  // namespace mailstead::mime
