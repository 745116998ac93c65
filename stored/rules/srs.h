// What holds for the secrets of SRS in every engine. Pure.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace mailstead::rules {

// Aborted: the newest secret is not the one that who changes them has seen.
absl::Status CheckNewestSrsSecret(int64_t newest, int64_t seen);

}  // namespace mailstead::rules
