// Keys that sign mail.
#include "stored/rules/dkim.h"

#include "absl/strings/ascii.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/directory.h"

namespace mailstead::engine {

template <typename Change>
absl::Status MemoryDkim::Apply(const std::string& domain, Change change) {
  MemoryStore::State& state = shared_.state();
  absl::MutexLock lock(&state.mutex);
  const auto found = state.dkim_keys.find(domain);
  std::vector<DkimKey> keys = found == state.dkim_keys.end() ? std::vector<DkimKey>() : found->second;
  const absl::Status changed = change(state, keys);
  if (!changed.ok()) return changed;
  if (keys.empty()) {
    state.dkim_keys.erase(domain);
  } else {
    state.dkim_keys.insert_or_assign(domain, std::move(keys));
  }
  ++state.directory_version;
  return changed;
}

Task<absl::StatusOr<std::vector<DkimKey>>> MemoryDkim::Find(std::string domain) {
  std::vector<DkimKey> keys;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto found = state.dkim_keys.find(domain);
    if (found != state.dkim_keys.end()) keys = found->second;
  }
  co_await shared_.End();
  co_return keys;
}

Task<absl::StatusOr<std::vector<DkimDomain>>> MemoryDkim::List(std::string after, size_t limit,
                                                               bool only_pending) {
  std::vector<DkimDomain> page;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (auto it = state.dkim_keys.upper_bound(after); it != state.dkim_keys.end() && page.size() < limit;
         ++it) {
      if (only_pending && !rules::HasPendingDkimKey(it->second)) continue;
      page.push_back({it->first, it->second});
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::Status> MemoryDkim::Create(std::string domain, DkimKey key) {
  const absl::Status created = Apply(domain, [&](MemoryStore::State& state, std::vector<DkimKey>& keys) {
    state.mutex.AssertHeld();
    if (!state.domains.contains(domain)) return rules::NoDkimDomain(domain);
    return rules::AddDkimKey(keys, domain, std::move(key));
  });
  co_await shared_.End();
  co_return created;
}

Task<absl::Status> MemoryDkim::Activate(std::string domain, std::string selector, int64_t expected_version,
                                        absl::Time time) {
  const absl::Status activated = Apply(domain, [&](MemoryStore::State&, std::vector<DkimKey>& keys) {
    return rules::ActivateDkimKey(keys, domain, selector, expected_version, time);
  });
  co_await shared_.End();
  co_return activated;
}

Task<absl::Status> MemoryDkim::Delete(std::string domain, std::string selector, int64_t expected_version,
                                      bool even_active) {
  const absl::Status deleted = Apply(domain, [&](MemoryStore::State&, std::vector<DkimKey>& keys) {
    return rules::DeleteDkimKey(keys, domain, selector, expected_version, even_active);
  });
  co_await shared_.End();
  co_return deleted;
}

}  // namespace mailstead::engine
