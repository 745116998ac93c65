// Leases of front-ends: heartbeats, and what the locks under them are worth. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace mailstead::rules {

// What is kept of a lease.
struct Lease {
  std::string holder;
  absl::Duration ttl;
  // Differs for each lease ever made, also under one id: the locks of a lease that was ended do not come back with a new
  // one of its name.
  int64_t number = 0;
  bool operator==(const Lease&) const = default;
};

enum class LeaseState {
  // Its time is not over.
  kLive,
  // Its time is over. Its locks may be taken over; one that nobody took over still commits.
  kOverdue,
  // It was ended, or was forgotten after it had been overdue for long. Its locks are void.
  kGone,
};

// A session cannot last without the heartbeat of its front-end for anything like this long: an overdue lease is forgotten
// then.
inline constexpr absl::Duration kForgetLeaseAfter = absl::Hours(1);

// Of the lease that has `number`: `lease` is the one of its id, null when there is none, and ends at `deadline`.
LeaseState StateOf(const Lease* lease, absl::Time deadline, int64_t number, absl::Time now);

// Whether it is to be forgotten.
bool IsForgotten(absl::Time deadline, absl::Time now);

// What is kept when a lease is renewed: with another ttl or holder it is still the same lease, and its locks stay.
// `before` is null when there is none: it gets `new_number`.
Lease Renewed(const Lease* before, std::string holder, absl::Duration ttl, int64_t new_number);

}  // namespace mailstead::rules
