// Time for deadlines and durations: unlike the wall clock it is never set back or forth.
#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace mailstead::smtp {

// Only differences mean something.
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace mailstead::smtp
