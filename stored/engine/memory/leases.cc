// Leases of front-ends.
#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {

Task<absl::Status> MemoryLeases::Renew(std::string lease_id, std::string holder, absl::Duration ttl) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    shared_.ForgetLeases();
    const auto it = state.leases.find(lease_id);
    const rules::Lease* before = it == state.leases.end() ? nullptr : &it->second;
    const rules::Lease renewed = rules::Renewed(before, std::move(holder), ttl, state.next_number);
    if (before == nullptr) ++state.next_number;
    state.leases[lease_id] = renewed;
    shared_.SetDeadline(lease_id);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::Status> MemoryLeases::End(std::string lease_id) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.leases.erase(lease_id);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

bool MemoryLeases::IsLive(absl::string_view lease_id) const {
  absl::MutexLock lock(&shared_.state().mutex);
  return shared_.LiveNumber(std::string(lease_id)) != 0;
}

std::string MemoryLeases::HolderOf(absl::string_view lease_id) const {
  const std::string id(lease_id);
  MemoryStore::State& state = shared_.state();
  absl::MutexLock lock(&state.mutex);
  return shared_.LiveNumber(id) != 0 ? state.leases.at(id).holder : "";
}

}  // namespace mailstead::engine
