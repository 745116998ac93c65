// What the store says of itself, and what this machine says of its clock, judged.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mailctl/dns_check/domain_check.h"

namespace mailstead::store::v1 {
class GetQueueStatusResponse;
class GetStatusResponse;
}  // namespace mailstead::store::v1

namespace mailstead::ctl {

// Health, disk, front-ends.
std::vector<CheckLine> JudgeStore(const store::v1::GetStatusResponse& status);

// Whether mail for other hosts moves.
CheckLine JudgeQueue(const store::v1::GetQueueStatusResponse& queue, absl::Time now);

// `synchronized`: whether something keeps the machine's clock right; absent where the kernel does not say. `started`: when
// the store started, by its own clock.
CheckLine JudgeClock(std::optional<bool> synchronized, absl::Time started, absl::Time now);

// Of this machine (adjtimex(2)).
std::optional<bool> IsClockSynchronized();

// `answers`: to a question for the root; `knows_dnssec`: it validates, and is trusted.
CheckLine JudgeResolver(std::string servers, bool answers, bool knows_dnssec);

}  // namespace mailstead::ctl
