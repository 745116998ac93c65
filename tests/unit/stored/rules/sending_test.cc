#include "stored/rules/sending.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace mailstead::rules {
namespace {

using engine::SendingUse;
using Why = engine::SendingPause::Why;

// A full hour, and a full day.
const absl::Time kStart = absl::FromUnixSeconds(20'000 * 86'400);

// `sent` to so many recipients; absent: it is refused.
bool Send(SendingUse& use, const SendingBounds& bounds, int64_t recipients, absl::Time now) {
  if (OverLimit(use, bounds, recipients, now).has_value()) return false;
  Count(use, {.messages = 1, .recipients = recipients}, now);
  return true;
}

TEST(Sending, ALimitIsReachedAndNotCrossed) {
  const SendingBounds bounds{.hourly_recipients = 10};
  SendingUse use;
  EXPECT_TRUE(Send(use, bounds, 9, kStart));
  EXPECT_FALSE(Send(use, bounds, 2, kStart));
  EXPECT_TRUE(Send(use, bounds, 1, kStart));
  EXPECT_FALSE(Send(use, bounds, 1, kStart));
  EXPECT_EQ(InHour(use, kStart).recipients, 10);
  EXPECT_EQ(InHour(use, kStart).messages, 2);
}

TEST(Sending, MessagesHaveLimitsOfTheirOwn) {
  SendingUse use;
  const SendingBounds bounds{.hourly_messages = 2, .daily_messages = 3};
  EXPECT_TRUE(Send(use, bounds, 100, kStart));
  EXPECT_TRUE(Send(use, bounds, 100, kStart));
  EXPECT_FALSE(Send(use, bounds, 1, kStart));
  EXPECT_TRUE(Send(use, bounds, 1, kStart + absl::Minutes(61)));
  const auto over = OverLimit(use, bounds, 1, kStart + absl::Hours(3));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->limit, "3 messages to other hosts in a day");
}

TEST(Sending, WithoutLimitsEverythingGoes) {
  SendingUse use;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Send(use, {}, 1'000'000, kStart));
}

// When it is full, the moment of which it says so is the first at which it is taken.
TEST(Sending, ItSaysWhenThereIsRoom) {
  const struct {
    SendingBounds bounds;
    absl::Duration window;
    absl::Duration slot;
  } kTable[] = {{{.hourly_recipients = 10}, absl::Hours(1), kHourSlot},
                {{.daily_recipients = 10}, absl::Hours(24), kDaySlot}};
  for (const auto& row : kTable) {
    for (const absl::Duration offset :
         {absl::ZeroDuration(), absl::Seconds(1), absl::Seconds(59), absl::Minutes(29)}) {
      const absl::Time first = kStart + offset;
      SendingUse use;
      EXPECT_TRUE(Send(use, row.bounds, 4, first));
      EXPECT_TRUE(Send(use, row.bounds, 6, first + row.window / 2));
      const auto one = OverLimit(use, row.bounds, 4, first + row.window / 2);
      const auto all = OverLimit(use, row.bounds, 5, first + row.window / 2);
      ASSERT_TRUE(one.has_value() && all.has_value());
      EXPECT_GT(one->when, first + row.window);
      EXPECT_LE(one->when, first + row.window + row.slot);
      EXPECT_GT(all->when, one->when);
      EXPECT_TRUE(OverLimit(use, row.bounds, 4, one->when - absl::Seconds(1)).has_value());
      EXPECT_FALSE(OverLimit(use, row.bounds, 4, one->when).has_value());
      EXPECT_FALSE(OverLimit(use, row.bounds, 5, all->when).has_value());
    }
  }
}

// Whoever sends just before and just behind a full hour or day, or waits for any other moment.
TEST(Sending, InNoWindowIsTheLimitCrossed) {
  for (const absl::Duration step :
       {absl::Seconds(7), absl::Minutes(1), absl::Minutes(17), absl::Minutes(30), absl::Minutes(59)}) {
    const SendingBounds bounds{.hourly_recipients = 30, .daily_recipients = 100};
    SendingUse use;
    std::vector<absl::Time> sent;
    size_t tries = 0;
    for (absl::Time now = kStart - absl::Hours(1); now < kStart + absl::Hours(60); now += step) {
      ++tries;
      if (Send(use, bounds, 1, now)) sent.push_back(now);
    }
    for (size_t i = 0; i < sent.size(); ++i) {
      if (i >= 30) {
        EXPECT_GT(sent[i] - sent[i - 30], absl::Hours(1)) << step;
      }
      if (i >= 100) {
        EXPECT_GT(sent[i] - sent[i - 100], absl::Hours(24)) << step;
      }
    }
    EXPECT_GE(sent.size(), std::min<size_t>(tries, 200)) << "it goes on: " << step;
    EXPECT_LE(use.hour.size(), 62u);
    EXPECT_LE(use.day.size(), 50u);
  }
}

TEST(Sending, MoreThanALimitNeverGoes) {
  const auto over = OverLimit({}, {.hourly_recipients = 10, .daily_recipients = 5}, 6, kStart);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->when, absl::InfiniteFuture());
  EXPECT_EQ(over->limit, "5 recipients at other hosts in a day");
}

TEST(Sending, WhatDidNotComeAboutIsTakenBack) {
  SendingUse use;
  const SendingBounds bounds{.hourly_messages = 1, .hourly_recipients = 10};
  ASSERT_TRUE(Send(use, bounds, 10, kStart));
  Uncount(use, {.messages = 1, .recipients = 10}, kStart);
  EXPECT_TRUE(Send(use, bounds, 10, kStart));
  // Its slot is gone: nothing is taken from another one.
  Uncount(use, {.messages = 1, .recipients = 10}, kStart - absl::Minutes(5));
  EXPECT_FALSE(Send(use, bounds, 1, kStart));
}

TEST(Sending, AClockThatGoesBackForgetsNothing) {
  SendingUse use;
  const SendingBounds bounds{.hourly_recipients = 10};
  ASSERT_TRUE(Send(use, bounds, 5, kStart));
  ASSERT_TRUE(Send(use, bounds, 5, kStart - absl::Hours(2)));
  EXPECT_FALSE(Send(use, bounds, 1, kStart - absl::Hours(2)));
  EXPECT_FALSE(Send(use, bounds, 1, kStart));
}

TEST(Sending, OwnLimitsComeFirst) {
  const SendingBounds defaults{1, 2, 3, 4};
  const SendingBounds own = BoundsOf({.hourly_messages = 9, .daily_recipients = 0}, defaults);
  EXPECT_EQ(own.hourly_messages, 9);
  EXPECT_EQ(own.daily_messages, 2);
  EXPECT_EQ(own.hourly_recipients, 3);
  EXPECT_EQ(own.daily_recipients, 0);
}

struct PauseRow {
  int64_t new_recipients;
  int64_t delivered;
  int64_t refused;
  Why why;
};
constexpr PauseRow kPauses[] = {
    {0, 0, 0, Why::kNone},   {99, 0, 0, Why::kNone},     {100, 0, 0, Why::kNewRecipients},
    {0, 0, 19, Why::kNone},  {0, 0, 20, Why::kRefusals}, {0, 46, 20, Why::kRefusals},
    {0, 47, 20, Why::kNone}, {0, 1000, 20, Why::kNone},  {100, 0, 20, Why::kNewRecipients},
};

TEST(Sending, SignsOfAStolenPassword) {
  const PauseThresholds thresholds{.new_recipients = 100, .refusals = 20, .refusal_percent = 30};
  for (const PauseRow& row : kPauses) {
    SendingUse use;
    Count(use, {.new_recipients = row.new_recipients, .delivered = row.delivered, .refused = row.refused},
          kStart);
    EXPECT_EQ(WhyToPause(use, thresholds, kStart), row.why)
        << row.new_recipients << " " << row.delivered << " " << row.refused;
    EXPECT_EQ(WhyToPause(use, {}, kStart), Why::kNone);
    // New ones are of an hour, refusals of a day.
    const Why later = row.why == Why::kRefusals || (row.why == Why::kNewRecipients && row.refused != 0)
                          ? Why::kRefusals
                          : Why::kNone;
    EXPECT_EQ(WhyToPause(use, thresholds, kStart + absl::Minutes(61)), later);
    EXPECT_EQ(WhyToPause(use, thresholds, kStart + absl::Hours(25)), Why::kNone);
    ForgetSigns(use);
    EXPECT_EQ(WhyToPause(use, thresholds, kStart), Why::kNone);
  }
}

// ---- Whom it has written to

std::string Digest(int number) {
  // As good as random: what splitmix64 makes of it.
  uint64_t state = static_cast<uint64_t>(number) << 8;
  std::string digest;
  while (digest.size() < 16) {
    uint64_t mixed = state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    for (int shift = 56; shift >= 0; shift -= 8) digest.push_back(static_cast<char>(mixed >> shift));
  }
  return digest;
}

TEST(Known, AnAddressIsKnownBehindTheFirstTime) {
  std::string known;
  EXPECT_FALSE(IsKnown(known, Digest(1)));
  Remember(known, Digest(1));
  EXPECT_TRUE(IsKnown(known, Digest(1)));
  EXPECT_FALSE(IsKnown(known, Digest(2)));
}

TEST(Known, TheLastOnesAreKnownAndTheErrorIsSmall) {
  std::string known;
  constexpr int kCount = 10'000;
  int taken_for_known = 0;
  for (int i = 0; i < kCount; ++i) {
    if (IsKnown(known, Digest(i))) ++taken_for_known;
    Remember(known, Digest(i));
    for (int back = 0; back < 1500; back += 149) {
      if (i >= back) {
        ASSERT_TRUE(IsKnown(known, Digest(i - back))) << i << " " << back;
      }
    }
  }
  EXPECT_LT(taken_for_known, kCount * 2 / 100);
  EXPECT_LT(known.size(), 5000u);
  int forgotten = 0;
  for (int i = 0; i < 1000; ++i) forgotten += IsKnown(known, Digest(i)) ? 0 : 1;
  EXPECT_GT(forgotten, 950);
}

TEST(Known, BytesThatAreNoneOfOursAreNobody) {
  std::string known = "x";
  EXPECT_FALSE(IsKnown(known, Digest(1)));
  Remember(known, Digest(1));
  EXPECT_TRUE(IsKnown(known, Digest(1)));
}

}  // namespace
}  // namespace mailstead::rules
