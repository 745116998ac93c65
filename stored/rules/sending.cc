#include "stored/rules/sending.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "stored/rules/directory.h"

namespace mailstead::rules {
namespace {

using engine::SendingSlot;
using engine::SendingUse;

constexpr absl::Duration kHour = absl::Hours(1);
constexpr absl::Duration kDay = absl::Hours(24);

int64_t SlotOf(absl::Time time, absl::Duration slot) {
  return absl::ToUnixSeconds(time) / absl::ToInt64Seconds(slot);
}

// From when on a slot counts no more.
absl::Time EndOf(const SendingSlot& counted, absl::Duration slot, absl::Duration window) {
  return absl::FromUnixSeconds((counted.number + 1) * absl::ToInt64Seconds(slot)) + window;
}

void Add(SendingSlot& to, const SendingSlot& more) {
  to.messages += more.messages;
  to.recipients += more.recipients;
  to.new_recipients += more.new_recipients;
  to.delivered += more.delivered;
  to.refused += more.refused;
}

SendingSlot Sum(const std::vector<SendingSlot>& slots, absl::Duration slot, absl::Duration window,
                absl::Time now) {
  SendingSlot sum;
  for (const SendingSlot& counted : slots) {
    if (EndOf(counted, slot, window) > now) Add(sum, counted);
  }
  return sum;
}

void CountIn(std::vector<SendingSlot>& slots, const SendingSlot& more, absl::Duration slot,
             absl::Duration window, absl::Time now) {
  std::erase_if(slots, [&](const SendingSlot& counted) { return EndOf(counted, slot, window) <= now; });
  const int64_t number = SlotOf(now, slot);
  // A clock that went back counts where it was: slots ascend.
  if (slots.empty() || slots.back().number < number) slots.push_back({.number = number});
  Add(slots.back(), more);
}

void UncountIn(std::vector<SendingSlot>& slots, const SendingSlot& less, int64_t number) {
  for (SendingSlot& counted : slots) {
    if (counted.number != number) continue;
    const auto take = [](int64_t& count, int64_t by) { count = std::max<int64_t>(0, count - by); };
    take(counted.messages, less.messages);
    take(counted.recipients, less.recipients);
    take(counted.new_recipients, less.new_recipients);
  }
}

// When `more` fits under `limit`; InfinitePast: now.
absl::Time RoomFor(const std::vector<SendingSlot>& slots, int64_t SendingSlot::*count, int64_t more,
                   int64_t limit, absl::Duration slot, absl::Duration window, absl::Time now) {
  if (limit == 0 || more == 0) return absl::InfinitePast();
  if (more > limit) return absl::InfiniteFuture();
  int64_t over = Sum(slots, slot, window, now).*count + more - limit;
  absl::Time when = absl::InfinitePast();
  for (const SendingSlot& counted : slots) {
    if (over <= 0) break;
    if (EndOf(counted, slot, window) <= now) continue;
    over -= counted.*count;
    when = EndOf(counted, slot, window);
  }
  return when;
}

void ForgetSignsIn(std::vector<SendingSlot>& slots) {
  for (SendingSlot& counted : slots) counted.new_recipients = counted.delivered = counted.refused = 0;
}

// ---- Bloom filters: the count of the newer one, it, the older one

constexpr size_t kFilterBytes = 2048;
constexpr uint32_t kFilterBits = kFilterBytes * 8;
constexpr size_t kFilterAddresses = 1500;
constexpr size_t kCountBytes = 2;
constexpr size_t kKnownBytes = kCountBytes + 2 * kFilterBytes;
constexpr size_t kBitsOfAddress = 4;

std::array<uint32_t, kBitsOfAddress> BitsOf(absl::string_view digest) {
  std::array<uint32_t, kBitsOfAddress> bits{};
  for (size_t i = 0; i < kBitsOfAddress; ++i) {
    for (size_t j = 0; j < 4; ++j) bits[i] = bits[i] << 8 | static_cast<unsigned char>(digest[4 * i + j]);
    bits[i] %= kFilterBits;
  }
  return bits;
}

bool HasAll(absl::string_view filter, const std::array<uint32_t, kBitsOfAddress>& bits) {
  return std::all_of(bits.begin(), bits.end(), [&](uint32_t bit) {
    return (static_cast<unsigned char>(filter[bit / 8]) >> (bit % 8) & 1) != 0;
  });
}

}  // namespace

int64_t VersionOf(const engine::SendingLimits& limits) {
  const auto text = [](const std::optional<int64_t>& limit) {
    return limit.has_value() ? absl::StrCat(*limit) : std::string("-");
  };
  return VersionOfContent(absl::StrCat(text(limits.hourly_messages), " ", text(limits.daily_messages), " ",
                                       text(limits.hourly_recipients), " ", text(limits.daily_recipients),
                                       " ", limits.trusted ? 1 : 0));
}

SendingBounds BoundsOf(const engine::SendingLimits& limits, const SendingBounds& defaults) {
  return {limits.hourly_messages.value_or(defaults.hourly_messages),
          limits.daily_messages.value_or(defaults.daily_messages),
          limits.hourly_recipients.value_or(defaults.hourly_recipients),
          limits.daily_recipients.value_or(defaults.daily_recipients)};
}

int64_t HourSlotOf(absl::Time time) { return SlotOf(time, kHourSlot); }
int64_t DaySlotOf(absl::Time time) { return SlotOf(time, kDaySlot); }

SendingSlot InHour(const SendingUse& use, absl::Time now) { return Sum(use.hour, kHourSlot, kHour, now); }
SendingSlot InDay(const SendingUse& use, absl::Time now) { return Sum(use.day, kDaySlot, kDay, now); }

void Count(SendingUse& use, const SendingSlot& more, absl::Time now) {
  CountIn(use.hour, more, kHourSlot, kHour, now);
  CountIn(use.day, more, kDaySlot, kDay, now);
}

void Uncount(SendingUse& use, const SendingSlot& less, absl::Time time) {
  UncountIn(use.hour, less, HourSlotOf(time));
  UncountIn(use.day, less, DaySlotOf(time));
}

std::optional<SendingRefusal> OverLimit(const SendingUse& use, const SendingBounds& bounds,
                                        int64_t recipients, absl::Time now) {
  const auto hour = [&](int64_t SendingSlot::*count, int64_t more, int64_t limit) {
    return RoomFor(use.hour, count, more, limit, kHourSlot, kHour, now);
  };
  const auto day = [&](int64_t SendingSlot::*count, int64_t more, int64_t limit) {
    return RoomFor(use.day, count, more, limit, kDaySlot, kDay, now);
  };
  const std::pair<absl::Time, std::string> rooms[] = {
      {hour(&SendingSlot::messages, 1, bounds.hourly_messages),
       absl::StrCat(bounds.hourly_messages, " messages to other hosts in an hour")},
      {day(&SendingSlot::messages, 1, bounds.daily_messages),
       absl::StrCat(bounds.daily_messages, " messages to other hosts in a day")},
      {hour(&SendingSlot::recipients, recipients, bounds.hourly_recipients),
       absl::StrCat(bounds.hourly_recipients, " recipients at other hosts in an hour")},
      {day(&SendingSlot::recipients, recipients, bounds.daily_recipients),
       absl::StrCat(bounds.daily_recipients, " recipients at other hosts in a day")}};
  const auto latest = std::max_element(std::begin(rooms), std::end(rooms),
                                       [](const auto& a, const auto& b) { return a.first < b.first; });
  if (latest->first == absl::InfinitePast()) return std::nullopt;
  return SendingRefusal{latest->second, latest->first};
}

engine::SendingPause::Why WhyToPause(const SendingUse& use, const PauseThresholds& thresholds,
                                     absl::Time now) {
  using Why = engine::SendingPause::Why;
  if (thresholds.new_recipients != 0 && InHour(use, now).new_recipients >= thresholds.new_recipients) {
    return Why::kNewRecipients;
  }
  const SendingSlot day = InDay(use, now);
  const bool many = thresholds.refusals != 0 && day.refused >= thresholds.refusals;
  if (many && day.refused * 100 >= thresholds.refusal_percent * (day.refused + day.delivered))
    return Why::kRefusals;
  return Why::kNone;
}

void ForgetSigns(SendingUse& use) {
  ForgetSignsIn(use.hour);
  ForgetSignsIn(use.day);
}

bool IsKnown(absl::string_view known, absl::string_view digest) {
  if (known.size() != kKnownBytes) return false;
  const auto bits = BitsOf(digest);
  return HasAll(known.substr(kCountBytes, kFilterBytes), bits) ||
         HasAll(known.substr(kCountBytes + kFilterBytes), bits);
}

void Remember(std::string& known, absl::string_view digest) {
  // Bytes that are none of ours are as none.
  if (known.size() != kKnownBytes) known.assign(kKnownBytes, '\0');
  size_t count =
      static_cast<size_t>(static_cast<unsigned char>(known[0])) << 8 | static_cast<unsigned char>(known[1]);
  if (count >= kFilterAddresses) {
    known.replace(kCountBytes + kFilterBytes, kFilterBytes, known.substr(kCountBytes, kFilterBytes));
    known.replace(kCountBytes, kFilterBytes, std::string(kFilterBytes, '\0'));
    count = 0;
  }
  ++count;
  known[0] = static_cast<char>(count >> 8);
  known[1] = static_cast<char>(count);
  for (const uint32_t bit : BitsOf(digest)) {
    char& byte = known[kCountBytes + bit / 8];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | 1u << (bit % 8));
  }
}

}  // namespace mailstead::rules
