#include "stored/rules/site.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace mailstead::rules {
namespace {

using Sign = engine::QueueReport::Sign;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

// One attempt after the other ends: 'a' answered, 'u' unreachable, 'n' nothing is known.
Site After(const std::string& signs, const QueuePolicy& policy, Site site = {}) {
  for (const char sign : signs) {
    Begin(site, policy, kNow);
    End(site, sign == 'a' ? Sign::kAnswered : sign == 'u' ? Sign::kUnreachable : Sign::kNone, policy, kNow);
  }
  return site;
}

TEST(Site, TheWindowGrowsAndShrinksByOneInN) {
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
           // As long as every answer comes.
           {"a", 4, false},
           {"aa", 5, false},
           {"aaaaaaaaaaaaaaaaaaaaaa", 5, false},
           {"anananan", 5, false},
           // After one that did not.
           {"uaa", 3, false},
           {"uaaa", 4, false},
           {"uaaaaaa", 4, false},
           {"uaaaaaaa", 5, false},
           {"uaaaaaaaaaaaaaaaaaaaaaa", 5, false},
           {"auuuua", 3, false},
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
    const Site site = After(c.signs, policy);
    EXPECT_EQ(WindowOf(site, policy), c.window) << c.signs;
    EXPECT_EQ(IsAway(site), c.away) << c.signs;
    EXPECT_EQ(site.in_flight_count, 0) << c.signs;
  }
}

TEST(Site, AStepIsAsManyPartsAsTheWindowIsWide) {
  for (int32_t window = 1; window <= 31; ++window) {
    QueuePolicy policy;
    policy.initial_window = window;
    policy.max_window = 100;
    const size_t width = static_cast<size_t>(window);
    Site slow;
    slow.lost = 1;
    EXPECT_EQ(WindowOf(After(std::string(width - 1, 'a'), policy, slow), policy), window);
    EXPECT_EQ(WindowOf(After(std::string(width, 'a'), policy, slow), policy), window + 1);
    EXPECT_FALSE(IsAway(After(std::string(width - 1, 'u'), policy))) << window;
    EXPECT_TRUE(IsAway(After(std::string(width, 'u'), policy))) << window;
  }
}

TEST(Site, OneThatHasFailedOnceGrowsSlowlyEverAfter) {
  QueuePolicy policy;
  policy.initial_window = 2;
  policy.max_window = 100;
  // It has lost a whole step: what is left of it is next to nothing.
  const Site site = After("uua", policy);
  EXPECT_EQ(WindowOf(site, policy), 2);
  EXPECT_EQ(WindowOf(After(std::string(99, 'a'), policy), policy), 100);
  EXPECT_LT(WindowOf(After(std::string(99, 'a'), policy, site), policy), 16);
}

TEST(Site, TheWindowIsWithinThePolicy) {
  struct Case {
    int32_t kept, initial, most, window;
  };
  for (const Case& c : {Case{0, 5, 20, 5}, Case{0, 5, 3, 3}, Case{10, 5, 20, 10}, Case{30, 5, 20, 20},
                        Case{0, 0, 20, 1}, Case{0, 5, 0, 1}}) {
    QueuePolicy policy;
    policy.initial_window = c.initial;
    policy.max_window = c.most;
    Site site;
    site.window = c.kept;
    EXPECT_EQ(WindowOf(site, policy), c.window);
  }
}

TEST(Site, SoManyAttemptsMayBegin) {
  const QueuePolicy policy;
  Site site;
  site.waiting_since = kNow;
  for (int32_t free = policy.initial_window; free > 0; --free) {
    EXPECT_EQ(FreeAttempts(site, policy, kNow), free);
    EXPECT_EQ(DueTime(site, policy), kNow);
    Begin(site, policy, kNow);
  }
  EXPECT_EQ(FreeAttempts(site, policy, kNow), 0);
  EXPECT_EQ(DueTime(site, policy), absl::InfiniteFuture());
  // It was made narrower.
  site.window = 2;
  EXPECT_EQ(FreeAttempts(site, policy, kNow), 0);
}

TEST(Site, WhatIsAwayIsTriedOnceAPauseAndThePausesGrow) {
  QueuePolicy policy;
  policy.initial_window = 1;
  policy.longest_pause = absl::Minutes(5);
  Site site;
  site.waiting_since = kNow;
  Begin(site, policy, kNow);
  End(site, Sign::kUnreachable, policy, kNow);
  absl::Time now = kNow;
  for (const int minutes : {1, 2, 4, 5, 5}) {
    const absl::Time until = now + absl::Minutes(minutes);
    EXPECT_EQ(site.paused_until, until);
    EXPECT_EQ(DueTime(site, policy), until);
    EXPECT_EQ(FreeAttempts(site, policy, until - absl::Microseconds(1)), 0);
    EXPECT_EQ(FreeAttempts(site, policy, until), 1);
    now = until;
    Begin(site, policy, now);
    EXPECT_EQ(FreeAttempts(site, policy, now + absl::Hours(9)), 0);
    EXPECT_EQ(DueTime(site, policy), absl::InfiniteFuture());
    End(site, Sign::kUnreachable, policy, now);
  }
  // Nothing was heard of the next one: the same pause once more, from where it began.
  now += absl::Minutes(5);
  Begin(site, policy, now);
  End(site, Sign::kNone, policy, now + absl::Minutes(2));
  EXPECT_EQ(DueTime(site, policy), now + absl::Minutes(5));
  EXPECT_TRUE(IsAway(site));
  Wake(site);
  EXPECT_EQ(FreeAttempts(site, policy, now), 1);
  EXPECT_EQ(DueTime(site, policy), kNow);
  Begin(site, policy, now);
  End(site, Sign::kAnswered, policy, now);
  EXPECT_FALSE(IsAway(site));
  EXPECT_EQ(site.paused_until, absl::InfinitePast());
  // The next time it is away the pauses begin anew.
  Begin(site, policy, now);
  Begin(site, policy, now);
  for (int i = 0; i < 2; ++i) End(site, Sign::kUnreachable, policy, now);
  EXPECT_EQ(site.paused_until, now + absl::Minutes(1));
}

TEST(Site, IsDueWhenTheFirstOfItsDestinationsIsAndItsPauseIsOver) {
  const QueuePolicy policy;
  Site site;
  EXPECT_EQ(DueTime(site, policy), absl::InfiniteFuture());
  site.waiting_since = kNow + absl::Minutes(1);
  EXPECT_EQ(DueTime(site, policy), kNow + absl::Minutes(1));
  site.missed = 1000;
  site.paused_until = kNow + absl::Hours(1);
  EXPECT_EQ(DueTime(site, policy), kNow + absl::Hours(1));
  site.waiting_since = absl::InfiniteFuture();
  EXPECT_EQ(DueTime(site, policy), absl::InfiniteFuture());
}

// Attempts that begin at once, whenever the rate lets one, over `span`; the greatest number in any span of `period`.
struct Paced {
  size_t count = 0;
  size_t most = 0;
};
Paced WorkAt(const QueuePolicy& policy, absl::Duration look_each, absl::Duration span) {
  Site site;
  site.waiting_since = kNow;
  std::vector<absl::Time> begun;
  for (absl::Time now = kNow; now < kNow + span; now += look_each) {
    const int32_t free = FreeAttempts(site, policy, now);
    EXPECT_EQ(free > 0, DueTime(site, policy) <= now);
    for (int32_t i = 0; i < free; ++i) {
      EXPECT_GT(FreeAttempts(site, policy, now), 0);
      Begin(site, policy, now);
      End(site, Sign::kNone, policy, now);
      begun.push_back(now);
    }
  }
  Paced paced{begun.size(), 0};
  for (size_t first = 0, last = 0; last < begun.size(); ++last) {
    while (begun[last] - begun[first] >= policy.rate_period) ++first;
    paced.most = std::max(paced.most, last - first + 1);
  }
  return paced;
}

TEST(Site, TheRateHoldsInEverySpanOfItsPeriod) {
  struct Case {
    int32_t count;
    absl::Duration period;
    // What kRateSlack allows on top, and the windows at looks.
    size_t slack;
  };
  for (const Case& c : {Case{1, absl::Minutes(1), 0}, Case{100, absl::Minutes(1), 0},
                        Case{1, absl::Hours(24), 0}, Case{7, absl::Seconds(1), 0},
                        Case{60'000, absl::Minutes(1), 200}, Case{3000, absl::Minutes(1), 10}}) {
    QueuePolicy policy;
    policy.initial_window = policy.max_window = 1000;
    policy.rate_count = c.count;
    policy.rate_period = c.period;
    // Times are kept in whole microseconds.
    const absl::Duration look = absl::Floor(
        std::clamp(c.period / c.count / 7, absl::Milliseconds(1), absl::Minutes(1)), absl::Microseconds(1));
    const Paced paced = WorkAt(policy, look, 3 * c.period);
    EXPECT_LE(paced.most, static_cast<size_t>(c.count) + c.slack) << c.count;
    // Nearly all that is allowed is made use of.
    EXPECT_GE(paced.count, static_cast<size_t>(3 * c.count) * 4 / 5) << c.count;
  }
}

TEST(Site, LooksAreNotWhatLimitsARate) {
  QueuePolicy policy;
  policy.initial_window = policy.max_window = 1000;
  policy.rate_count = 6000;
  EXPECT_GE(WorkAt(policy, absl::Milliseconds(100), absl::Minutes(10)).count, 59'900u);
}

TEST(Site, TheRateIsOnTopOfTheWindow) {
  QueuePolicy policy;
  policy.rate_count = 60;
  Site site;
  site.waiting_since = kNow;
  EXPECT_EQ(PacedUntil(site, policy), absl::InfinitePast());
  EXPECT_EQ(FreeAttempts(site, policy, kNow), 1);
  Begin(site, policy, kNow);
  EXPECT_EQ(FreeAttempts(site, policy, kNow + absl::Milliseconds(999)), 0);
  EXPECT_EQ(DueTime(site, policy), kNow + absl::Seconds(1));
  EXPECT_EQ(PacedUntil(site, policy), kNow + absl::Seconds(1));
  // What it does not use is lost.
  EXPECT_EQ(FreeAttempts(site, policy, kNow + absl::Hours(1)), 1);
  for (int i = 1; i < policy.initial_window; ++i) Begin(site, policy, kNow + absl::Hours(i));
  EXPECT_EQ(FreeAttempts(site, policy, kNow + absl::Hours(9)), 0);
  EXPECT_EQ(DueTime(site, policy), absl::InfiniteFuture());
  // An operator took it away, and put it back.
  policy.rate_count = 0;
  End(site, Sign::kAnswered, policy, kNow);
  EXPECT_EQ(FreeAttempts(site, policy, kNow), 2);
  EXPECT_EQ(DueTime(site, policy), kNow);
}

TEST(Site, AProbeKeepsToTheRateToo) {
  QueuePolicy policy;
  policy.initial_window = 1;
  policy.rate_count = 1;
  policy.rate_period = absl::Hours(2);
  Site site = After("u", policy);
  site.waiting_since = kNow;
  EXPECT_TRUE(IsAway(site));
  EXPECT_EQ(DueTime(site, policy), kNow + absl::Hours(2));
  EXPECT_EQ(FreeAttempts(site, policy, kNow + absl::Minutes(5)), 0);
  Wake(site);
  EXPECT_EQ(FreeAttempts(site, policy, kNow + absl::Minutes(5)), 0);
  EXPECT_EQ(FreeAttempts(site, policy, kNow + absl::Hours(2)), 1);
}

TEST(Site, WhatBeganElsewhereCounts) {
  QueuePolicy policy;
  policy.initial_window = 2;
  policy.rate_count = 1;
  Site site;
  EndElsewhere(site, Sign::kNone, policy, kNow);
  EXPECT_EQ(site, Site());
  EndElsewhere(site, Sign::kUnreachable, policy, kNow);
  EXPECT_FALSE(IsAway(site));
  EndElsewhere(site, Sign::kUnreachable, policy, kNow);
  EXPECT_TRUE(IsAway(site));
  EXPECT_EQ(site.in_flight_count, 0);
  EXPECT_EQ(site.paused_until, kNow + absl::Minutes(1));
  // Against the rate, but never for longer than its period.
  EXPECT_EQ(PacedUntil(site, policy), kNow + absl::Minutes(1));
  // A hundred that began before it was known to be away do not lengthen its pause.
  for (int i = 0; i < 100; ++i) EndElsewhere(site, Sign::kUnreachable, policy, kNow + absl::Seconds(1));
  EXPECT_EQ(site.paused_until, kNow + absl::Minutes(1));
  EXPECT_EQ(PacedUntil(site, policy), kNow + absl::Seconds(61));
  EndElsewhere(site, Sign::kAnswered, policy, kNow);
  EXPECT_FALSE(IsAway(site));
}

TEST(Site, BrokenTlsIsRememberedForHours) {
  using Tls = engine::QueueReport::Tls;
  Site site;
  EXPECT_FALSE(IsTlsBroken(site, kNow));
  NoteTls(site, Tls::kNone, kNow);
  EXPECT_FALSE(IsTlsBroken(site, kNow));
  NoteTls(site, Tls::kBroken, kNow);
  EXPECT_TRUE(IsTlsBroken(site, kNow));
  // Attempts that do not try it keep nothing alive.
  NoteTls(site, Tls::kNone, kNow + absl::Hours(1));
  EXPECT_TRUE(IsTlsBroken(site, kNow + absl::Hours(6) - absl::Microseconds(1)));
  EXPECT_FALSE(IsTlsBroken(site, kNow + absl::Hours(6)));
  NoteTls(site, Tls::kUsed, kNow + absl::Hours(1));
  EXPECT_FALSE(IsTlsBroken(site, kNow + absl::Hours(1)));
}

TEST(Site, OneThatIsFoundBeginsWithWhatItsFounderKnew) {
  Site own;
  own.window = 7;
  own.missed = 200;
  own.paced_until = kNow;
  own.tls_broken_until = kNow;
  own.in_flight_count = 3;
  own.destination_count = 1;
  own.waiting_since = kNow;
  Site expected = own;
  expected.in_flight_count = 0;
  expected.destination_count = 0;
  expected.waiting_since = absl::InfiniteFuture();
  EXPECT_EQ(FoundedOn(own), expected);
}

TEST(Site, OneDestinationIsAskedAboutAnewByOneAttempt) {
  const QueuePolicy policy;
  const Site away = After("uuuuuuuu", policy);
  Site own = AskedAnew(away);
  own.waiting_since = kNow;
  EXPECT_EQ(FreeAttempts(own, policy, kNow), 1);
  Begin(own, policy, kNow);
  EXPECT_EQ(FreeAttempts(own, policy, kNow + absl::Hours(9)), 0);
  End(own, Sign::kNone, policy, kNow);
  EXPECT_EQ(DueTime(own, policy), kNow + away.pause);
}

TEST(Site, Names) {
  EXPECT_EQ(OwnSiteName("one.example"), "@one.example");
  EXPECT_TRUE(IsOwnSite("@one.example"));
  EXPECT_FALSE(IsOwnSite("mx.one.example"));
  EXPECT_FALSE(IsOwnSite(""));
  for (const std::string& name : {std::string(), std::string("mx.one.example"), std::string("a,b:587,#0123"),
                                  std::string("[192.0.2.1]"), std::string(255, 'x')}) {
    EXPECT_TRUE(CheckSiteName(name).ok()) << name;
  }
  for (const std::string& name :
       {std::string("@one.example"), std::string("a@b"), std::string("a b"), std::string("a\0b", 3),
        std::string("a\n"), std::string("\xc3\xa4"), std::string(256, 'x')}) {
    EXPECT_EQ(CheckSiteName(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace mailstead::rules
