#include "stored/rules/destination.h"

#include <algorithm>
#include <string>

#include "stored/rules/times.h"

namespace mailstead::rules {
namespace {

constexpr int32_t kStep = 1000;

// One part of as many as the window is wide: that many of them make a step (of windows up to 31; of wider ones one less may).
int32_t PartOf(int32_t window) { return (kStep + window - 1) / window; }

}  // namespace

int32_t WindowOf(const Destination& destination, const QueuePolicy& policy) {
  const int32_t most = std::max(1, policy.max_window);
  return std::clamp(destination.window == 0 ? policy.initial_window : destination.window, 1, most);
}

bool IsAway(const Destination& destination) { return destination.missed >= kStep; }

int32_t FreeAttempts(const Destination& destination, const QueuePolicy& policy, absl::Time now) {
  if (IsAway(destination)) return destination.in_flight_count == 0 && now >= destination.paused_until ? 1 : 0;
  return std::max(0, WindowOf(destination, policy) - destination.in_flight_count);
}

void Begin(Destination& destination, absl::Time now) {
  ++destination.in_flight_count;
  // So that one of which nothing is ever heard costs a pause, too.
  if (IsAway(destination)) destination.paused_until = Kept(now + destination.pause);
}

void End(Destination& destination, engine::QueueReport::Sign sign, const QueuePolicy& policy,
         absl::Time now) {
  --destination.in_flight_count;
  const int32_t window = WindowOf(destination, policy);
  switch (sign) {
    case engine::QueueReport::Sign::kNone:
      return;
    case engine::QueueReport::Sign::kAnswered:
      destination.missed = 0;
      destination.paused_until = absl::InfinitePast();
      destination.pause = absl::ZeroDuration();
      destination.gained += PartOf(window);
      destination.window = window;
      if (destination.gained < kStep) return;
      destination.gained = 0;
      destination.window = std::min(window + 1, std::max(1, policy.max_window));
      return;
    case engine::QueueReport::Sign::kUnreachable:
      break;
  }
  if (IsAway(destination)) {
    // One that began before it was away says nothing new.
    if (destination.in_flight_count > 0) return;
    destination.pause = Kept(std::min(2 * destination.pause, policy.longest_pause));
    destination.paused_until = Kept(now + destination.pause);
    return;
  }
  destination.window = window;
  destination.missed += PartOf(window);
  destination.lost += PartOf(window);
  if (destination.lost >= kStep) {
    destination.lost = 0;
    destination.window = std::max(1, window - 1);
  }
  if (!IsAway(destination)) return;
  destination.pause = Kept(std::min(policy.first_pause, policy.longest_pause));
  destination.paused_until = Kept(now + destination.pause);
}

absl::Time DueTime(const Destination& destination, const QueuePolicy& policy) {
  if (!IsAway(destination)) {
    return destination.in_flight_count < WindowOf(destination, policy) ? destination.waiting_since
                                                                       : absl::InfiniteFuture();
  }
  if (destination.in_flight_count > 0) return absl::InfiniteFuture();
  return std::max(destination.waiting_since, destination.paused_until);
}

void AddWaiting(Destination& destination, absl::Time next_attempt_time) {
  destination.waiting_since = std::min(destination.waiting_since, next_attempt_time);
}

void Wake(Destination& destination) { destination.paused_until = absl::InfinitePast(); }

engine::QueueDestination QueueDestinationOf(absl::string_view name, const Destination& destination,
                                            const QueuePolicy& policy) {
  return {std::string(name), destination.recipient_count, destination.in_flight_count,
          WindowOf(destination, policy), destination.paused_until};
}

uint64_t LaneOf(absl::string_view lane) {
  // FNV-1a: kept on disk, so it is the same in every program.
  uint64_t hash = 14695981039346656037U;
  for (const char c : lane) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

}  // namespace mailstead::rules
