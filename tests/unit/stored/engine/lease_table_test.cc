#include "stored/engine/rocksdb/lease_table.h"

#include <gtest/gtest.h>

#include "common/base/clock.h"

namespace mailstead::engine {
namespace {

using State = rules::LeaseState;

TEST(LeaseTable, ALeaseLivesForItsTtl) {
  FakeClock clock;
  LeaseTable leases(clock);
  EXPECT_EQ(leases.StateOf("a", 1), State::kGone);
  leases.Add("a", {"host", absl::Seconds(6), 1});
  EXPECT_EQ(leases.LiveNumber("a"), 1);
  clock.Advance(absl::Seconds(6) - absl::Nanoseconds(1));
  EXPECT_EQ(leases.StateOf("a", 1), State::kLive);
  clock.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(leases.StateOf("a", 1), State::kOverdue);
  EXPECT_EQ(leases.LiveNumber("a"), 0);
  EXPECT_TRUE(leases.Prolong("a", "host", absl::Seconds(6)));
  EXPECT_EQ(leases.StateOf("a", 1), State::kLive);
}

TEST(LeaseTable, ProlongsOnlyWhatIsTheSame) {
  FakeClock clock;
  LeaseTable leases(clock);
  EXPECT_FALSE(leases.Prolong("a", "host", absl::Seconds(6)));
  leases.Add("a", {"host", absl::Seconds(6), 1});
  EXPECT_FALSE(leases.Prolong("a", "host", absl::Seconds(7)));
  EXPECT_FALSE(leases.Prolong("a", "other", absl::Seconds(6)));
}

TEST(LeaseTable, RemovesOnlyTheLeaseOfThatNumber) {
  FakeClock clock;
  LeaseTable leases(clock);
  leases.Add("a", {"host", absl::Seconds(6), 2});
  leases.Remove("a", 1);
  EXPECT_EQ(leases.StateOf("a", 2), State::kLive);
  EXPECT_EQ(leases.StateOf("a", 1), State::kGone);
  leases.Remove("a", 2);
  EXPECT_EQ(leases.StateOf("a", 2), State::kGone);
}

TEST(LeaseTable, ForgetsAfterAnHour) {
  FakeClock clock;
  LeaseTable leases(clock);
  leases.Add("a", {"host", absl::Seconds(6), 1});
  clock.Advance(absl::Seconds(6) + absl::Hours(1) - absl::Seconds(1));
  EXPECT_TRUE(leases.ForgottenLeases().empty());
  clock.Advance(absl::Seconds(1));
  ASSERT_EQ(leases.ForgottenLeases().size(), 1u);
  EXPECT_EQ(leases.ForgottenLeases()[0].first, "a");
  EXPECT_TRUE(leases.LiveLeases().empty());
}

// A heartbeat that comes between the look and the forgetting was answered: the lease stays.
TEST(LeaseTable, ForgetsNothingThatWasProlongedMeanwhile) {
  FakeClock clock;
  LeaseTable leases(clock);
  leases.Add("a", {"host", absl::Seconds(6), 1});
  clock.Advance(absl::Hours(2));
  ASSERT_EQ(leases.ForgottenLeases().size(), 1u);
  ASSERT_TRUE(leases.Prolong("a", "host", absl::Seconds(6)));
  EXPECT_FALSE(leases.Forget("a", 1));
  EXPECT_EQ(leases.StateOf("a", 1), State::kLive);
  // Nor one that only became overdue again.
  clock.Advance(absl::Seconds(7));
  EXPECT_FALSE(leases.Forget("a", 1));
  EXPECT_EQ(leases.StateOf("a", 1), State::kOverdue);

  clock.Advance(absl::Hours(2));
  EXPECT_FALSE(leases.Forget("a", 2));
  EXPECT_TRUE(leases.Forget("a", 1));
  // Whoever comes now has to have it written down anew.
  EXPECT_FALSE(leases.Prolong("a", "host", absl::Seconds(6)));
  EXPECT_FALSE(leases.Forget("a", 1));
}

TEST(SteadyClock, GoesOn) {
  const SteadyClock clock;
  const absl::Time before = clock.Now();
  EXPECT_GE(clock.Now(), before);
}

}  // namespace
}  // namespace mailstead::engine
