#include "stored/rules/sts.h"

#include <gtest/gtest.h>

namespace mailstead::rules {
namespace {

const absl::Time kThen = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kWeek = absl::Hours(7 * 24);

engine::StsPolicy Fetched(absl::Time time) {
  return KeepStsFetch(std::nullopt, {"a.test", time, "1", "file"});
}

TEST(KeepStsFetch, AFailureTakesNothingAway) {
  const engine::StsPolicy failed = KeepStsFetch(Fetched(kThen), {"a.test", kThen + absl::Hours(1), "", ""});
  EXPECT_EQ(failed, (engine::StsPolicy{"a.test", "1", "file", kThen, kThen + absl::Hours(1)}));
  EXPECT_EQ(KeepStsFetch(failed, {"a.test", kThen + absl::Hours(2), "2", "new"}),
            (engine::StsPolicy{"a.test", "2", "new", kThen + absl::Hours(2), absl::InfinitePast()}));
  EXPECT_EQ(StsOrder(failed), kThen + absl::Hours(1));
}

TEST(StsTimesOf, APolicyHoldsForItsMaxAge) {
  const engine::StsPolicy policy = Fetched(kThen);
  EXPECT_EQ(StsTimesOf(policy, kWeek, kThen).valid_for, kWeek);
  EXPECT_EQ(StsTimesOf(policy, kWeek, kThen + kWeek - absl::Seconds(1)).valid_for, absl::Seconds(1));
  EXPECT_EQ(StsTimesOf(policy, kWeek, kThen + kWeek).valid_for, absl::ZeroDuration());
  EXPECT_EQ(StsTimesOf(policy, kWeek, kThen + 2 * kWeek).valid_for, absl::ZeroDuration());
  EXPECT_EQ(StsTimesOf(policy, absl::ZeroDuration(), kThen).valid_for, absl::ZeroDuration());
}

TEST(StsTimesOf, ItIsFreshForADayOrForHalfOfIt) {
  const engine::StsPolicy policy = Fetched(kThen);
  EXPECT_EQ(StsTimesOf(policy, kWeek, kThen).fresh_for, absl::Hours(24));
  EXPECT_EQ(StsTimesOf(policy, absl::Hours(24), kThen).fresh_for, absl::Hours(12));
  EXPECT_EQ(StsTimesOf(policy, absl::Hours(24), kThen + absl::Hours(12)).fresh_for, absl::ZeroDuration());
}

TEST(StsTimesOf, AFailureIsTriedAgainAfterFiveMinutes) {
  const engine::StsPolicy failed = KeepStsFetch(std::nullopt, {"a.test", kThen, "", ""});
  EXPECT_EQ(StsTimesOf(failed, absl::ZeroDuration(), kThen).retry_after, absl::Minutes(5));
  EXPECT_EQ(StsTimesOf(failed, absl::ZeroDuration(), kThen + absl::Minutes(5)).retry_after,
            absl::ZeroDuration());
  EXPECT_EQ(StsTimesOf(failed, absl::ZeroDuration(), kThen).valid_for, absl::ZeroDuration());
  EXPECT_EQ(StsTimesOf(Fetched(kThen), kWeek, kThen).retry_after, absl::ZeroDuration());
}

}  // namespace
}  // namespace mailstead::rules
