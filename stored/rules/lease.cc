#include "stored/rules/lease.h"

#include <utility>

#include "stored/rules/times.h"

namespace mailstead::rules {

LeaseState StateOf(const Lease* lease, absl::Time deadline, int64_t number, absl::Time now) {
  if (lease == nullptr || lease->number != number) return LeaseState::kGone;
  return now < deadline ? LeaseState::kLive : LeaseState::kOverdue;
}

bool IsForgotten(absl::Time deadline, absl::Time now) { return now >= deadline + kForgetLeaseAfter; }

Lease Renewed(const Lease* before, std::string holder, absl::Duration ttl, int64_t new_number) {
  return {std::move(holder), Kept(ttl), before != nullptr ? before->number : new_number};
}

}  // namespace mailstead::rules
