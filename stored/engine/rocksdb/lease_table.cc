#include "stored/engine/rocksdb/lease_table.h"

#include <chrono>
#include <utility>

namespace mailstead::engine {
void LeaseTable::Add(absl::string_view lease_id, const rules::Lease& lease) {
  absl::MutexLock lock(&mutex_);
  leases_[lease_id] = Lease{lease, clock_.Now() + lease.ttl};
}

bool LeaseTable::Prolong(absl::string_view lease_id, absl::string_view holder, absl::Duration ttl) {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  if (it == leases_.end() || it->second.record.ttl != ttl || it->second.record.holder != holder) return false;
  it->second.deadline = clock_.Now() + ttl;
  return true;
}

void LeaseTable::Remove(absl::string_view lease_id, int64_t number) {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  if (it != leases_.end() && it->second.record.number == number) leases_.erase(it);
}

bool LeaseTable::Forget(absl::string_view lease_id, int64_t number) {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  if (it == leases_.end() || it->second.record.number != number) return false;
  if (!rules::IsForgotten(it->second.deadline, clock_.Now())) return false;
  leases_.erase(it);
  return true;
}

int64_t LeaseTable::LiveNumber(absl::string_view lease_id) const {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  return it != leases_.end() && clock_.Now() < it->second.deadline ? it->second.record.number : 0;
}

std::string LeaseTable::HolderOf(absl::string_view lease_id) const {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  return it != leases_.end() && clock_.Now() < it->second.deadline ? it->second.record.holder : "";
}

int64_t LeaseTable::NumberOf(absl::string_view lease_id) const {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  return it != leases_.end() ? it->second.record.number : 0;
}

rules::LeaseState LeaseTable::StateOf(absl::string_view lease_id, int64_t number) const {
  absl::MutexLock lock(&mutex_);
  const auto it = leases_.find(lease_id);
  if (it == leases_.end()) return rules::LeaseState::kGone;
  return rules::StateOf(&it->second.record, it->second.deadline, number, clock_.Now());
}

std::vector<LeaseInfo> LeaseTable::LiveLeases() const {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_.Now();
  std::vector<LeaseInfo> live;
  for (const auto& [lease_id, lease] : leases_) {
    if (now < lease.deadline) live.push_back({lease_id, lease.record.holder, lease.deadline - now});
  }
  return live;
}

std::vector<std::pair<std::string, int64_t>> LeaseTable::ForgottenLeases() const {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_.Now();
  std::vector<std::pair<std::string, int64_t>> forgotten;
  for (const auto& [lease_id, lease] : leases_) {
    if (rules::IsForgotten(lease.deadline, now)) forgotten.emplace_back(lease_id, lease.record.number);
  }
  return forgotten;
}

absl::Time SteadyClock::Now() const {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace mailstead::engine
