// xtext of RFC 3461 section 4 and the UTF-8 forms of RFC 6533 section 3. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "smtpd/protocol/parsed.h"

namespace mailstead::smtp {

// "a+3Db" is "a=b". kBadParameter for characters that xtext cannot have.
// SECURITY: an encoded control character is refused; decoded, it could start a header line of its own in a
// bounce.
Parsed<std::string> DecodeXtext(absl::string_view text);

// The address of "utf-8;address" in ORCPT: "\x{E9}" for a character, or the UTF-8 itself.
Parsed<std::string> DecodeUtf8Address(absl::string_view text);

}  // namespace mailstead::smtp
