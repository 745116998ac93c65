#include "stored/core/key_traffic.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

// Until one of its calls may have ended; nobody knows when.
constexpr absl::Duration kConcurrencyDelay = absl::Seconds(1);

}  // namespace

absl::Status KeyTraffic::Begin(const std::string& id, const engine::KeyLimits& limits,
                               const std::string& address, absl::Time now) {
  State& state = states_[id];
  if (limits.concurrent_calls > 0 && state.running >= limits.concurrent_calls) {
    return WithRetryDelay(
        WithReason(absl::ResourceExhaustedError(absl::StrCat("this key may have ", limits.concurrent_calls,
                                                             " calls at the same time")),
                   kReasonConcurrencyLimit),
        kConcurrencyDelay);
  }
  if (limits.calls_per_second > 0) {
    const double rate = static_cast<double>(limits.calls_per_second);
    const double most = static_cast<double>(limits.burst > 0 ? limits.burst : limits.calls_per_second);
    // A clock that was set back gives nothing.
    if (state.filled == absl::InfinitePast()) {
      state.tokens = most;
    } else if (now > state.filled) {
      state.tokens += absl::ToDoubleSeconds(now - state.filled) * rate;
    }
    state.tokens = std::min(state.tokens, most);
    state.filled = now;
    if (state.tokens < 1) {
      return WithRetryDelay(WithReason(absl::ResourceExhaustedError(absl::StrCat(
                                           "this key may make ", limits.calls_per_second, " calls a second")),
                                       kReasonRateLimit),
                            absl::Seconds((1 - state.tokens) / rate));
    }
    state.tokens -= 1;
  }
  ++state.running;
  state.use = {id, now, address};
  state.is_new = true;
  return absl::OkStatus();
}

void KeyTraffic::Ended(const std::string& id) {
  // It may have been forgotten.
  const auto found = states_.find(id);
  if (found != states_.end() && found->second.running > 0) --found->second.running;
}

std::vector<engine::KeyUse> KeyTraffic::TakeUses(size_t limit) {
  std::vector<engine::KeyUse> uses;
  for (auto& [id, state] : states_) {
    if (uses.size() >= limit) break;
    if (!state.is_new) continue;
    state.is_new = false;
    uses.push_back(state.use);
  }
  return uses;
}

const engine::KeyUse* KeyTraffic::UseOf(const std::string& id) const {
  const auto found = states_.find(id);
  return found == states_.end() || found->second.use.id.empty() ? nullptr : &found->second.use;
}

void KeyTraffic::Forget(const std::string& id) { states_.erase(id); }

}  // namespace mailstead::stored
