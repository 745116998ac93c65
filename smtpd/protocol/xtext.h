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

// The same where octets over 127 are encoded, too: what they give is valid UTF-8, or it is kBadParameter.
Parsed<std::string> DecodeXtextOfUtf8(absl::string_view text);

// The other way: what DecodeXtext gives `text` for, in as few characters as can be. Any bytes can be encoded.
std::string EncodeXtext(absl::string_view text);

// The address of "utf-8;address" in ORCPT: "\x{E9}" for a character, or the UTF-8 itself.
Parsed<std::string> DecodeUtf8Address(absl::string_view text);

// utf-8-addr-xtext of RFC 6533 section 3: ASCII only, so that it may be sent with and without SMTPUTF8. `address` is
// valid UTF-8 without controls.
std::string EncodeUtf8Address(absl::string_view address);

}  // namespace mailstead::smtp
