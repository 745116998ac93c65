// Where mail for other hosts goes, as the queue sees it: how many attempts it takes at a time, and whether it answers. Pure.
//
// The window grows by 1 after as many answers as it is wide, and shrinks by 1 after as many failures to reach the
// destination (1/N feedback). Failures of a whole window, without an answer in between, mean that it is away: from then on
// one attempt at a time looks whether it is back, with growing pauses, and all else under it waits without being touched.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"
#include "stored/rules/queue.h"

namespace mailstead::rules {

// What is kept of a destination.
struct Destination {
  int32_t window = 0;  // 0: as the policy begins
  // Parts of a step of the window, in thousandths.
  int32_t gained = 0;
  int32_t lost = 0;
  // Failures since the last answer, in thousandths of the window they met; 1000 and more: it is away.
  int32_t missed = 0;
  // When it is tried again while it is away, and how long it was given last.
  absl::Time paused_until = absl::InfinitePast();
  absl::Duration pause;
  int64_t recipient_count = 0;
  int32_t in_flight_count = 0;  // attempts
  // Where lanes took their last turn.
  uint64_t last_lane = 0;
  // Since when one of its recipients could go out, or from when on one can; InfiniteFuture: all are held or in flight. It may
  // be too early, until an attempt was to begin.
  absl::Time waiting_since = absl::InfiniteFuture();
  bool operator==(const Destination&) const = default;
};

int32_t WindowOf(const Destination& destination, const QueuePolicy& policy);
bool IsAway(const Destination& destination);
// How many attempts may begin now.
int32_t FreeAttempts(const Destination& destination, const QueuePolicy& policy, absl::Time now);
// An attempt begins; one ended with this sign, or its lease did (kNone).
void Begin(Destination& destination, absl::Time now);
void End(Destination& destination, engine::QueueReport::Sign sign, const QueuePolicy& policy, absl::Time now);
// From when on an attempt may begin; InfiniteFuture: not by time alone.
absl::Time DueTime(const Destination& destination, const QueuePolicy& policy);
// One of its recipients is neither held nor in flight any more, and due at this time.
void AddWaiting(Destination& destination, absl::Time next_attempt_time);
// An operator wants it tried now.
void Wake(Destination& destination);

engine::QueueDestination QueueDestinationOf(absl::string_view name, const Destination& destination,
                                            const QueuePolicy& policy);

// The lane of a sender's mail: the same for the same text.
uint64_t LaneOf(absl::string_view lane);

}  // namespace mailstead::rules
