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
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/types.h"

namespace mailstead::store {

class LeaseTable {
 public:
  enum class State {
    kLive,
    // Its time is over. Its locks may be taken over; one that nobody took over still commits.
    kOverdue,
    // It was ended, or has been overdue for long. Its locks are void.
    kGone,
  };

  explicit LeaseTable(const Clock& clock) : clock_(clock) {}

  // With its whole ttl from now.
  void Add(absl::string_view lease_id, const LeaseRecord& lease);
  // False when there is none, or it has another ttl or holder: it is then to be written and added.
  bool Prolong(absl::string_view lease_id, absl::string_view holder, absl::Duration ttl);
  void Remove(absl::string_view lease_id, uint64_t number);

  // The number of the live lease with this id, or 0.
  uint64_t LiveNumber(absl::string_view lease_id) const;
  // Of a lease whether live or not, or 0.
  uint64_t NumberOf(absl::string_view lease_id) const;
  State StateOf(absl::string_view lease_id, uint64_t number) const;

  std::vector<LeaseInfo> LiveLeases() const;
  // Overdue for so long that their front-ends are gone for good.
  std::vector<std::pair<std::string, uint64_t>> ForgottenLeases() const;

 private:
  struct Lease {
    LeaseRecord record;
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

}  // namespace mailstead::store
