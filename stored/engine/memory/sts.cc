// MTA-STS policies of other domains.
#include "stored/rules/sts.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {

Task<absl::StatusOr<StsPolicy>> MemorySts::Find(std::string domain) {
  absl::StatusOr<StsPolicy> found = absl::NotFoundError(absl::StrCat("nothing is known of ", domain));
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto it = state.sts_policies.find(domain);
    if (it != state.sts_policies.end()) found = it->second;
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<StsPolicy>> MemorySts::Keep(StsFetch fetch, int64_t limit) {
  StsPolicy kept;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    auto& policies = state.sts_policies;
    const std::string domain = fetch.domain;
    const auto before = policies.find(domain);
    kept = rules::KeepStsFetch(
        before == policies.end() ? std::nullopt : std::optional<StsPolicy>(before->second), std::move(fetch));
    policies[domain] = kept;
    while (static_cast<int64_t>(policies.size()) > limit) {
      const auto oldest = std::min_element(
          policies.begin(), policies.end(),
          [](const auto& a, const auto& b) { return rules::StsOrder(a.second) < rules::StsOrder(b.second); });
      policies.erase(oldest);
    }
  }
  co_await shared_.End();
  co_return kept;
}

}  // namespace mailstead::engine
