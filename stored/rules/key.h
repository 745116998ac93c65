// What holds for API keys in every engine. Pure.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace mailstead::rules {

// Whether a key of this version may take the place of the one that is kept (0: none is). Aborted with kReasonEtagMismatch.
absl::Status CheckKeyVersion(int64_t kept, int64_t version);

}  // namespace mailstead::rules
