// Quoted-printable of RFC 2045 section 6.7: text that stays readable, in lines of 76 characters of ASCII at most. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

// CRLF is the end of a line; a CR or LF elsewhere is a byte like others.
std::string EncodeQuotedPrintable(absl::string_view text);

}  // namespace mailstead
