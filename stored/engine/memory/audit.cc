// The audit.
#include <utility>

#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {

Task<absl::Status> MemoryAudit::Append(std::vector<AuditEntry> entries) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (AuditEntry& entry : entries) {
      entry.number = ++state.newest_audit[entry.kind];
      state.audit[entry.kind].insert_or_assign(entry.number, std::move(entry));
    }
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::vector<AuditEntry>>> MemoryAudit::List(AuditKind kind, int64_t before,
                                                                size_t limit) {
  std::vector<AuditEntry> page;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const std::map<int64_t, AuditEntry>& entries = state.audit[kind];
    for (auto it = entries.lower_bound(before); it != entries.begin() && page.size() < limit;) {
      --it;
      page.push_back(it->second);
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<size_t>> MemoryAudit::Forget(AuditKind kind, absl::Time time, int64_t count,
                                                 size_t limit) {
  size_t forgotten = 0;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    std::map<int64_t, AuditEntry>& entries = state.audit[kind];
    while (forgotten < limit && !entries.empty()) {
      const auto oldest = entries.begin();
      if (oldest->second.time >= time && static_cast<int64_t>(entries.size()) <= count) break;
      entries.erase(oldest);
      ++forgotten;
    }
  }
  co_await shared_.End();
  co_return forgotten;
}

}  // namespace mailstead::engine
