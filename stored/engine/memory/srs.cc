// Secrets and senders of SRS.
#include "stored/rules/srs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {

Task<absl::StatusOr<std::vector<SrsSecret>>> MemorySrs::ListSecrets() {
  std::vector<SrsSecret> secrets;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (const auto& [number, secret] : state.srs_secrets) secrets.push_back(secret);
  }
  co_await shared_.End();
  co_return secrets;
}

Task<absl::Status> MemorySrs::SetSecrets(std::vector<SrsSecret> secrets, int64_t newest) {
  absl::Status result;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    std::map<int64_t, SrsSecret>& kept = state.srs_secrets;
    result = rules::CheckNewestSrsSecret(kept.empty() ? 0 : kept.rbegin()->first, newest);
    if (result.ok()) {
      kept.clear();
      for (SrsSecret& secret : secrets) {
        const int64_t number = secret.number;
        kept.insert_or_assign(number, std::move(secret));
      }
    }
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::Status> MemorySrs::KeepSender(SrsSender sender) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    state.srs_senders.try_emplace({sender.day, sender.name}, sender.address);
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<SrsSender>> MemorySrs::FindSender(int64_t day, std::string name) {
  SrsSender sender{day, std::move(name), ""};
  bool found = false;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto it = state.srs_senders.find({sender.day, sender.name});
    found = it != state.srs_senders.end();
    if (found) sender.address = it->second;
  }
  co_await shared_.End();
  if (!found) co_return absl::NotFoundError(absl::StrCat("no sender is kept under ", sender.name));
  co_return sender;
}

Task<absl::StatusOr<size_t>> MemorySrs::ForgetSenders(int64_t day, size_t limit) {
  size_t count = 0;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    auto it = state.srs_senders.begin();
    while (it != state.srs_senders.end() && it->first.first < day && count < limit) {
      it = state.srs_senders.erase(it);
      ++count;
    }
  }
  co_await shared_.End();
  co_return count;
}

}  // namespace mailstead::engine
