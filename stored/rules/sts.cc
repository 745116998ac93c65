#include "stored/rules/sts.h"

#include <algorithm>
#include <utility>

namespace mailstead::rules {
namespace {

absl::Duration Left(absl::Time until, absl::Time now) { return std::max(absl::ZeroDuration(), until - now); }

}  // namespace

engine::StsPolicy KeepStsFetch(std::optional<engine::StsPolicy> before, engine::StsFetch fetch) {
  engine::StsPolicy kept = before.has_value() ? *std::move(before) : engine::StsPolicy();
  kept.domain = std::move(fetch.domain);
  if (fetch.policy_id.empty()) {
    kept.failure_time = fetch.time;
    return kept;
  }
  kept.policy_id = std::move(fetch.policy_id);
  kept.file = std::move(fetch.file);
  kept.fetch_time = fetch.time;
  kept.failure_time = absl::InfinitePast();
  return kept;
}

absl::Time StsOrder(const engine::StsPolicy& policy) {
  return std::max(policy.fetch_time, policy.failure_time);
}

StsTimes StsTimesOf(const engine::StsPolicy& policy, absl::Duration max_age, absl::Time now) {
  StsTimes times;
  if (!policy.policy_id.empty()) {
    times.valid_for = Left(policy.fetch_time + max_age, now);
    times.fresh_for = Left(policy.fetch_time + std::min(max_age * kStsFreshPart, kMaxStsFresh), now);
  }
  times.retry_after = Left(policy.failure_time + kStsRetryPause, now);
  return times;
}

}  // namespace mailstead::rules
