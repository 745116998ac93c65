// Base64 as SASL uses it (RFC 4648 section 4, RFC 4954 section 4, RFC 5034 section 4): one line, padded.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

// DecodeBase64 is strict: nullopt for white space, a missing or misplaced '=', or non-zero bits behind the
// last byte. Empty is empty.
std::optional<std::string> DecodeBase64(absl::string_view text);

}  // namespace mailstead
