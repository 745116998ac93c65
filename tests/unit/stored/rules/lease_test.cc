#include "stored/rules/lease.h"

#include <gtest/gtest.h>

namespace mailstead::rules {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(Lease, States) {
  const Lease lease{"host", absl::Seconds(6), 7};
  struct Case {
    const char* what;
    const Lease* lease;
    absl::Duration left;
    int64_t number;
    LeaseState state;
  };
  for (const Case& c : {
           Case{"none of its id", nullptr, absl::Seconds(1), 7, LeaseState::kGone},
           Case{"another of its id", &lease, absl::Seconds(1), 6, LeaseState::kGone},
           Case{"time is left", &lease, absl::Nanoseconds(1), 7, LeaseState::kLive},
           Case{"no time is left", &lease, absl::ZeroDuration(), 7, LeaseState::kOverdue},
           Case{"long overdue", &lease, -absl::Hours(100), 7, LeaseState::kOverdue},
       }) {
    EXPECT_EQ(StateOf(c.lease, kNow + c.left, c.number, kNow), c.state) << c.what;
  }
}

TEST(Lease, IsForgottenAnHourAfterItsTime) {
  EXPECT_FALSE(IsForgotten(kNow, kNow + absl::Hours(1) - absl::Nanoseconds(1)));
  EXPECT_TRUE(IsForgotten(kNow, kNow + absl::Hours(1)));
}

TEST(Lease, StaysTheSameWithAnotherTtlOrHolder) {
  const Lease before{"host", absl::Seconds(6), 7};
  EXPECT_EQ(Renewed(&before, "other", absl::Seconds(9), 8), (Lease{"other", absl::Seconds(9), 7}));
  EXPECT_EQ(Renewed(nullptr, "host", absl::Seconds(6), 8), (Lease{"host", absl::Seconds(6), 8}));
  // To the microsecond, as it is kept.
  EXPECT_EQ(Renewed(nullptr, "", absl::Nanoseconds(1999), 1).ttl, absl::Microseconds(1));
}

}  // namespace
}  // namespace mailstead::rules
