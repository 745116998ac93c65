#include "common/base/clock.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(ClockTest, SystemClockIsTheMachines) {
  const absl::Time before = absl::Now();
  const absl::Time now = Clock::System().Now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, absl::Now());
}

TEST(ClockTest, FakeClockMovesOnlyWhenTold) {
  FakeClock clock(absl::FromUnixSeconds(100));
  const Clock& seen = clock;
  EXPECT_EQ(seen.Now(), absl::FromUnixSeconds(100));
  EXPECT_EQ(seen.Now(), absl::FromUnixSeconds(100));
  clock.Advance(absl::Hours(1));
  EXPECT_EQ(seen.Now(), absl::FromUnixSeconds(3700));
}

TEST(ClockTest, SteadyClockGoesForward) {
  const absl::Time before = Clock::Steady().Now();
  EXPECT_GE(Clock::Steady().Now(), before);
}

}  // namespace
}  // namespace mailstead
