// What accounts send to other hosts.
#include <utility>

#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {

Task<absl::StatusOr<Sending>> MemorySending::Find(AccountId account) {
  Sending sending;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const auto it = state.sending.find(account); it != state.sending.end()) sending = it->second;
  }
  co_await shared_.End();
  co_return sending;
}

Task<absl::Status> MemorySending::SetSettings(AccountId account, SendingSettings settings) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.sending[account].settings = settings;
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::Status> MemorySending::KeepUse(AccountId account, SendingUse use) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.sending[account].use = std::move(use);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::Status> MemorySending::KeepKnown(AccountId account, std::string known) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.sending[account].known = std::move(known);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::Status> MemorySending::Forget(AccountId account) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.sending.erase(account);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

}  // namespace mailstead::engine
