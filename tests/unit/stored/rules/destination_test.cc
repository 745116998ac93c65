#include "stored/rules/destination.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mailstead::rules {
namespace {

using Sign = engine::QueueReport::Sign;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

// One attempt after the other ends: 'a' answered, 'u' unreachable, 'n' nothing is known.
Destination After(const std::string& signs, const QueuePolicy& policy, Destination destination = {}) {
  for (const char sign : signs) {
    Begin(destination, kNow);
    End(destination,
        sign == 'a'   ? Sign::kAnswered
        : sign == 'u' ? Sign::kUnreachable
                      : Sign::kNone,
        policy, kNow);
  }
  return destination;
}

TEST(Destination, TheWindowGrowsAndShrinksByOneInN) {
  QueuePolicy policy;
  policy.initial_window = 3;
  policy.max_window = 5;
  struct Case {
    std::string signs;
    int32_t window;
    bool away;
  };
  for (const Case& c : std::vector<Case>{
           {"", 3, false},
           {"nnnnnnnn", 3, false},
           {"a", 3, false},
           {"aa", 3, false},
           {"aaa", 4, false},
           {"aaaaaa", 4, false},
           {"aaaaaaa", 5, false},
           {"aaaaaaaaaaaaaaaaaaaaaa", 5, false},
           {"u", 3, false},
           {"uu", 3, false},
           {"uuu", 2, true},
           {"unununn", 2, true},
           // An answer in between.
           {"uuauu", 2, false},
           {"uuauuu", 1, true},
           {"uuaauua", 2 + 1, false},
           // Of probes.
           {"uuuuuuuu", 2, true},
           {"uuua", 2, false},
           {"uuuauu", 1, true},
       }) {
    const Destination destination = After(c.signs, policy);
    EXPECT_EQ(WindowOf(destination, policy), c.window) << c.signs;
    EXPECT_EQ(IsAway(destination), c.away) << c.signs;
    EXPECT_EQ(destination.in_flight_count, 0) << c.signs;
  }
}

TEST(Destination, AStepIsAsManyPartsAsTheWindowIsWide) {
  for (int32_t window = 1; window <= 31; ++window) {
    QueuePolicy policy;
    policy.initial_window = window;
    policy.max_window = 100;
    const size_t width = static_cast<size_t>(window);
    EXPECT_EQ(WindowOf(After(std::string(width - 1, 'a'), policy), policy), window);
    EXPECT_EQ(WindowOf(After(std::string(width, 'a'), policy), policy), window + 1);
    EXPECT_FALSE(IsAway(After(std::string(width - 1, 'u'), policy))) << window;
    EXPECT_TRUE(IsAway(After(std::string(width, 'u'), policy))) << window;
  }
}

TEST(Destination, TheWindowIsWithinThePolicy) {
  struct Case {
    int32_t kept, initial, most, window;
  };
  for (const Case& c : {Case{0, 5, 20, 5}, Case{0, 5, 3, 3}, Case{10, 5, 20, 10}, Case{30, 5, 20, 20},
                        Case{0, 0, 20, 1}, Case{0, 5, 0, 1}}) {
    QueuePolicy policy;
    policy.initial_window = c.initial;
    policy.max_window = c.most;
    Destination destination;
    destination.window = c.kept;
    EXPECT_EQ(WindowOf(destination, policy), c.window);
  }
}

TEST(Destination, SoManyAttemptsMayBegin) {
  const QueuePolicy policy;
  Destination destination;
  destination.waiting_since = kNow;
  for (int32_t free = policy.initial_window; free > 0; --free) {
    EXPECT_EQ(FreeAttempts(destination, policy, kNow), free);
    EXPECT_EQ(DueTime(destination, policy), kNow);
    Begin(destination, kNow);
  }
  EXPECT_EQ(FreeAttempts(destination, policy, kNow), 0);
  EXPECT_EQ(DueTime(destination, policy), absl::InfiniteFuture());
  // It was made narrower.
  destination.window = 2;
  EXPECT_EQ(FreeAttempts(destination, policy, kNow), 0);
}

TEST(Destination, WhatIsAwayIsTriedOnceAPauseAndThePausesGrow) {
  QueuePolicy policy;
  policy.initial_window = 1;
  policy.longest_pause = absl::Minutes(5);
  Destination destination;
  destination.waiting_since = kNow;
  Begin(destination, kNow);
  End(destination, Sign::kUnreachable, policy, kNow);
  absl::Time now = kNow;
  for (const int minutes : {1, 2, 4, 5, 5}) {
    const absl::Time until = now + absl::Minutes(minutes);
    EXPECT_EQ(destination.paused_until, until);
    EXPECT_EQ(DueTime(destination, policy), until);
    EXPECT_EQ(FreeAttempts(destination, policy, until - absl::Microseconds(1)), 0);
    EXPECT_EQ(FreeAttempts(destination, policy, until), 1);
    now = until;
    Begin(destination, now);
    EXPECT_EQ(FreeAttempts(destination, policy, now + absl::Hours(9)), 0);
    EXPECT_EQ(DueTime(destination, policy), absl::InfiniteFuture());
    End(destination, Sign::kUnreachable, policy, now);
  }
  // Nothing was heard of the next one: the same pause once more, from where it began.
  now += absl::Minutes(5);
  Begin(destination, now);
  End(destination, Sign::kNone, policy, now + absl::Minutes(2));
  EXPECT_EQ(DueTime(destination, policy), now + absl::Minutes(5));
  EXPECT_TRUE(IsAway(destination));
  Wake(destination);
  EXPECT_EQ(FreeAttempts(destination, policy, now), 1);
  EXPECT_EQ(DueTime(destination, policy), kNow);
  Begin(destination, now);
  End(destination, Sign::kAnswered, policy, now);
  EXPECT_FALSE(IsAway(destination));
  EXPECT_EQ(destination.paused_until, absl::InfinitePast());
  // The next time it is away the pauses begin anew.
  Begin(destination, now);
  Begin(destination, now);
  for (int i = 0; i < 2; ++i) End(destination, Sign::kUnreachable, policy, now);
  EXPECT_EQ(destination.paused_until, now + absl::Minutes(1));
}

TEST(Destination, IsDueWhenTheFirstOfItsRecipientsIs) {
  const QueuePolicy policy;
  Destination destination;
  EXPECT_EQ(DueTime(destination, policy), absl::InfiniteFuture());
  AddWaiting(destination, kNow + absl::Minutes(2));
  AddWaiting(destination, kNow + absl::Minutes(1));
  AddWaiting(destination, kNow + absl::Minutes(3));
  EXPECT_EQ(DueTime(destination, policy), kNow + absl::Minutes(1));
  // And not before its pause is over.
  destination.missed = 1000;
  destination.paused_until = kNow + absl::Hours(1);
  EXPECT_EQ(DueTime(destination, policy), kNow + absl::Hours(1));
}

TEST(Destination, IsShownWithItsWindow) {
  Destination destination;
  destination.recipient_count = 3;
  destination.in_flight_count = 2;
  destination.paused_until = kNow;
  const engine::QueueDestination shown = QueueDestinationOf("one.example", destination, QueuePolicy());
  EXPECT_EQ(shown.name, "one.example");
  EXPECT_EQ(shown.recipient_count, 3);
  EXPECT_EQ(shown.in_flight_count, 2);
  EXPECT_EQ(shown.window, 5);
  EXPECT_EQ(shown.paused_until, kNow);
}

// They are on disk.
TEST(Destination, LanesStayTheSame) {
  EXPECT_EQ(LaneOf(""), 0xcbf29ce484222325U);
  EXPECT_EQ(LaneOf("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(LaneOf("foobar"), 0x85944171f73967e8U);
}

}  // namespace
}  // namespace mailstead::rules
