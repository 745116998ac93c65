// Percent-encoding of URLs (RFC 3986 section 2.1).
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::web {

// In queries '+' is a blank, as forms write it; in paths it is itself.
enum class PlusSign { kItself, kBlank };

// nullopt: a percent sign has no two hex digits behind it.
std::optional<std::string> PercentDecoded(absl::string_view text, PlusSign plus);

// All but letters, digits and "-._~" as %XX.
std::string PercentEncoded(absl::string_view text);

}  // namespace mailstead::web
