// API keys.
#include <utility>

#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/key.h"

namespace mailstead::engine {
namespace {

// The page behind `after`.
template <typename T>
std::vector<T> PageOf(const std::map<std::string, T>& items, const std::string& after, size_t limit) {
  std::vector<T> page;
  for (auto it = items.upper_bound(after); it != items.end() && page.size() < limit; ++it)
    page.push_back(it->second);
  return page;
}

}  // namespace

Task<absl::StatusOr<std::vector<Key>>> MemoryKeys::List(std::string after, size_t limit) {
  std::vector<Key> page;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    page = PageOf(state.keys, after, limit);
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<std::vector<KeyUse>>> MemoryKeys::ListUses(std::string after, size_t limit) {
  std::vector<KeyUse> page;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    page = PageOf(state.key_uses, after, limit);
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::Status> MemoryKeys::Put(Key key) {
  absl::Status result;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto kept = state.keys.find(key.id);
    result = rules::CheckKeyVersion(kept == state.keys.end() ? 0 : kept->second.version, key.version);
    if (result.ok()) {
      std::string id = key.id;
      state.keys.insert_or_assign(std::move(id), std::move(key));
    }
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::Status> MemoryKeys::Delete(std::string id) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.keys.erase(id);
    state.key_uses.erase(id);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::Status> MemoryKeys::NoteUses(std::vector<KeyUse> uses) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (KeyUse& use : uses) {
      if (!state.keys.contains(use.id)) continue;
      std::string id = use.id;
      state.key_uses.insert_or_assign(std::move(id), std::move(use));
    }
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

}  // namespace mailstead::engine
