// Times as mail writes them. Pure.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace mailstead {

// date-time of RFC 5322 section 3.3, in UTC: "Tue, 14 Nov 2023 22:13:20 +0000".
std::string DateTime(absl::Time time);

}  // namespace mailstead
