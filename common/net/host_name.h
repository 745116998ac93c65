// Our own name, where nobody has given one.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::net {

// The machine's name; "localhost" where it has none.
std::string MachineName();

// Whether a name may stand in replies, header fields and a certificate: of at most 255 letters of host names.
bool IsHostName(absl::string_view name);

}  // namespace mailstead::net
