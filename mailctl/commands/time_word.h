// Times as people write them on a command line.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::ctl {

// "30s", "1h30m", "90d". More than zero. Usage error that names the option.
absl::StatusOr<absl::Duration> ParseDurationWord(absl::string_view option, absl::string_view word);

// A duration as above, from `now` on or before it; a day in UTC, "2027-01-31"; or RFC 3339, "2027-01-31T12:00:00Z".
enum class TimeWord { kFuture, kPast };
absl::StatusOr<absl::Time> ParseTimeWord(absl::string_view option, absl::string_view word, absl::Time now,
                                         TimeWord where);

}  // namespace mailstead::ctl
