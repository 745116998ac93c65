// The version of Mailstead that this program was built from.
#pragma once

#include "absl/strings/string_view.h"

namespace mailstead::config {

// "0.1.0".
absl::string_view Version();

}  // namespace mailstead::config
