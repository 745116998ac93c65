#include "stored/core/key_traffic.h"

#include <gtest/gtest.h>

#include "common/base/details.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

class KeyTrafficTest : public testing::Test {
 protected:
  // Begins a call and ends it.
  absl::Status Call(const engine::KeyLimits& limits, const std::string& id = "a") {
    absl::Status begun = traffic_.Begin(id, limits, "192.0.2.1", now_);
    if (begun.ok()) traffic_.Ended(id);
    return begun;
  }

  KeyTraffic traffic_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(KeyTrafficTest, WithoutLimitsEverythingBegins) {
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(Call({}).ok());
}

TEST_F(KeyTrafficTest, TheRateHoldsAndSaysHowLongToWait) {
  const engine::KeyLimits limits = {.calls_per_second = 4, .burst = 2};
  EXPECT_TRUE(Call(limits).ok());
  EXPECT_TRUE(Call(limits).ok());
  const absl::Status refused = Call(limits);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), kReasonRateLimit);
  EXPECT_EQ(RetryDelayOf(refused), absl::Milliseconds(250));
  EXPECT_TRUE(Call(limits, "b").ok()) << "each key has its own";
  now_ += absl::Milliseconds(249);
  EXPECT_FALSE(Call(limits).ok());
  now_ += absl::Milliseconds(1);
  EXPECT_TRUE(Call(limits).ok());
  EXPECT_FALSE(Call(limits).ok());
  // No more than the burst is saved up.
  now_ += absl::Hours(1);
  EXPECT_TRUE(Call(limits).ok());
  EXPECT_TRUE(Call(limits).ok());
  EXPECT_FALSE(Call(limits).ok());
}

TEST_F(KeyTrafficTest, WithoutABurstASecondsCallsComeAtOnce) {
  const engine::KeyLimits limits = {.calls_per_second = 3};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Call(limits).ok());
  EXPECT_FALSE(Call(limits).ok());
}

TEST_F(KeyTrafficTest, AClockThatIsSetBackGivesNothing) {
  const engine::KeyLimits limits = {.calls_per_second = 1};
  EXPECT_TRUE(Call(limits).ok());
  now_ -= absl::Hours(1);
  EXPECT_FALSE(Call(limits).ok());
  now_ += absl::Seconds(1);
  EXPECT_TRUE(Call(limits).ok());
}

TEST_F(KeyTrafficTest, CallsAtTheSameTimeAreCounted) {
  const engine::KeyLimits limits = {.concurrent_calls = 2};
  EXPECT_TRUE(traffic_.Begin("a", limits, "", now_).ok());
  EXPECT_TRUE(traffic_.Begin("a", limits, "", now_).ok());
  const absl::Status refused = traffic_.Begin("a", limits, "", now_);
  EXPECT_EQ(ReasonOf(refused), kReasonConcurrencyLimit);
  EXPECT_TRUE(RetryDelayOf(refused).has_value());
  traffic_.Ended("a");
  EXPECT_TRUE(traffic_.Begin("a", limits, "", now_).ok()) << "what was refused is not counted";
}

TEST_F(KeyTrafficTest, TheLastUseIsTakenOnce) {
  EXPECT_EQ(traffic_.UseOf("a"), nullptr);
  EXPECT_TRUE(Call({}).ok());
  now_ += absl::Seconds(1);
  EXPECT_TRUE(Call({}).ok());
  ASSERT_NE(traffic_.UseOf("a"), nullptr);
  EXPECT_EQ(*traffic_.UseOf("a"), (engine::KeyUse{"a", now_, "192.0.2.1"}));
  const std::vector<engine::KeyUse> taken = traffic_.TakeUses(10);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].time, now_);
  EXPECT_TRUE(traffic_.TakeUses(10).empty());
  traffic_.Forget("a");
  EXPECT_EQ(traffic_.UseOf("a"), nullptr);
  traffic_.Ended("a");  // of a call that began before
}

}  // namespace
}  // namespace mailstead::stored
