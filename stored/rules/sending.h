// What an account may send to other hosts in an hour and in a day, and what shows that somebody has got hold of its password.
// Pure.
//
// Counted is by slots, of a minute for the hour and of half an hour for the day. A window slides: a slot counts as long as any
// part of it is within the last hour, or day. So never more than a limit leaves in any hour or day, wherever it begins; a slot's
// count is given back up to one slot late.
//
// Whom an account has written to is remembered in two Bloom filters. The newer one takes 1,500 addresses, then the older one
// is forgotten and the newer takes its place: between 1,500 and 3,000 of the last new addresses are known. Of new ones up to 2 in
// 100 are taken for known; a known one is never taken for new before it is forgotten.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/sending.h"

namespace mailstead::rules {

inline constexpr absl::Duration kHourSlot = absl::Minutes(1);
inline constexpr absl::Duration kDaySlot = absl::Minutes(30);

// The limits that hold for an account; 0: none.
struct SendingBounds {
  int64_t hourly_messages = 0;
  int64_t daily_messages = 0;
  int64_t hourly_recipients = 0;
  int64_t daily_recipients = 0;
};
// Differs where the limits do; positive.
int64_t VersionOf(const engine::SendingLimits& limits);
SendingBounds BoundsOf(const engine::SendingLimits& limits, const SendingBounds& defaults);

// The number of the slot that it is.
int64_t HourSlotOf(absl::Time time);
int64_t DaySlotOf(absl::Time time);

// All slots that count now, added up.
engine::SendingSlot InHour(const engine::SendingUse& use, absl::Time now);
engine::SendingSlot InDay(const engine::SendingUse& use, absl::Time now);

// Counts what `more` has, but for its number, and forgets the slots that count no more.
void Count(engine::SendingUse& use, const engine::SendingSlot& more, absl::Time now);
// The opposite, for what was counted at `time` and did not come about.
void Uncount(engine::SendingUse& use, const engine::SendingSlot& less, absl::Time time);

struct SendingRefusal {
  // "500 recipients at other hosts in an hour"
  std::string limit;
  // When it would be taken, if nothing else is sent; InfiniteFuture: never, it is more than the limit by itself.
  absl::Time when;
};
// Whether a message to so many recipients is over a limit: of several the one that holds longest.
std::optional<SendingRefusal> OverLimit(const engine::SendingUse& use, const SendingBounds& bounds,
                                        int64_t recipients, absl::Time now);

// When sending is paused; 0: never for that.
struct PauseThresholds {
  // Of an hour.
  int64_t new_recipients = 0;
  // Of a day, where they are this share of all outcomes too.
  int64_t refusals = 0;
  int64_t refusal_percent = 0;
};
engine::SendingPause::Why WhyToPause(const engine::SendingUse& use, const PauseThresholds& thresholds,
                                     absl::Time now);
// Begins anew to count what leads to a pause.
void ForgetSigns(engine::SendingUse& use);

// ---- Whom it has written to

// Of an address: 16 bytes that are as good as random.
bool IsKnown(absl::string_view known, absl::string_view digest);
void Remember(std::string& known, absl::string_view digest);

}  // namespace mailstead::rules
