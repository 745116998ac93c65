// The precision of what is kept.
#pragma once

#include "absl/time/time.h"

namespace mailstead::rules {

// Times are kept in whole microseconds, and a verb answers with what is kept. Infinite times stay as they are.
inline absl::Time Kept(absl::Time time) {
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return time;
  return absl::FromUnixMicros(absl::ToUnixMicros(time));
}
inline absl::Duration Kept(absl::Duration duration) {
  return absl::Microseconds(absl::ToInt64Microseconds(duration));
}

}  // namespace mailstead::rules
