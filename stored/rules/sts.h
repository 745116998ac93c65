// What is kept of another domain's MTA-STS policy, and for how long (RFC 8461). Pure.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "stored/engine/sts.h"

namespace mailstead::rules {

// A policy is fetched anew when so much of its max_age is over, and at the latest after a day (RFC 8461 section 10.2 names a
// day); so it does not end while it can be fetched.
inline constexpr double kStsFreshPart = 0.5;
inline constexpr absl::Duration kMaxStsFresh = absl::Hours(24);
// After a fetch that failed (RFC 8461 section 3.3: five minutes or longer).
inline constexpr absl::Duration kStsRetryPause = absl::Minutes(5);

// What is kept after `fetch`. One that failed takes nothing away (RFC 8461 section 5.1). `before`: what is kept now; absent:
// nothing.
engine::StsPolicy KeepStsFetch(std::optional<engine::StsPolicy> before, engine::StsFetch fetch);

// The time by which the policies are in order: of the one that is dropped first the last fetch is the longest ago.
absl::Time StsOrder(const engine::StsPolicy& policy);

// How long from now on a policy holds (RFC 8461 section 3.2, "max_age"), is not fetched anew though its id is the same, and how
// long nothing is fetched because a fetch has failed. Zero: not.
struct StsTimes {
  absl::Duration valid_for;
  absl::Duration fresh_for;
  absl::Duration retry_after;
};
StsTimes StsTimesOf(const engine::StsPolicy& policy, absl::Duration max_age, absl::Time now);

}  // namespace mailstead::rules
