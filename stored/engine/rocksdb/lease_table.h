// The leases of the front-ends, in memory: a heartbeat costs no write. What must outlive a restart (that a
// lease was made, and its ttl) is in family lease. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "stored/engine/types.h"
#include "stored/rules/lease.h"

namespace mailstead::engine {

class LeaseTable {
 public:
  explicit LeaseTable(const Clock& clock) : clock_(clock) {}

  // With its whole ttl from now.
  void Add(absl::string_view lease_id, const rules::Lease& lease);
  // False when there is none, or it has another ttl or holder: it is then to be written and added.
  bool Prolong(absl::string_view lease_id, absl::string_view holder, absl::Duration ttl);
  void Remove(absl::string_view lease_id, int64_t number);
  // Takes the lease away unless it was prolonged since ForgottenLeases found it: from then on a heartbeat makes a new one.
  // Whether it did.
  bool Forget(absl::string_view lease_id, int64_t number);

  // The number of the live lease with this id, or 0.
  int64_t LiveNumber(absl::string_view lease_id) const;
  // Of the live lease with this id, or empty.
  std::string HolderOf(absl::string_view lease_id) const;
  // Of a lease whether live or not, or 0.
  int64_t NumberOf(absl::string_view lease_id) const;
  rules::LeaseState StateOf(absl::string_view lease_id, int64_t number) const;

  std::vector<LeaseInfo> LiveLeases() const;
  // Overdue for so long that their front-ends are gone for good.
  std::vector<std::pair<std::string, int64_t>> ForgottenLeases() const;

 private:
  struct Lease {
    rules::Lease record;
    absl::Time deadline;
  };

  const Clock& clock_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Lease> leases_ ABSL_GUARDED_BY(mutex_);
};

// A clock for leases: it goes on evenly when the machine's date is changed.
class SteadyClock : public Clock {
 public:
  absl::Time Now() const override;
};

}  // namespace mailstead::engine
