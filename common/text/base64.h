// Base64 (RFC 4648 section 4), padded: as SASL uses it, in one line (RFC 4954 section 4, RFC 5034 section 4), and as
// mail does, in many (RFC 2045 section 6.8).
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

// DecodeBase64 is strict: nullopt for white space, a missing or misplaced '=', or non-zero bits behind the
// last byte. Empty is empty.
std::optional<std::string> DecodeBase64(absl::string_view text);

// In lines of 76 characters at most, each with its CRLF. Empty is empty.
std::string EncodeBase64Lines(absl::string_view bytes);

}  // namespace mailstead
