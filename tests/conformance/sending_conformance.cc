#include <string>

#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

SendingSettings Settings() {
  SendingSettings settings;
  settings.limits.hourly_messages = 0;
  settings.limits.daily_recipients = 1'000'000'000'000;
  settings.limits.trusted = true;
  settings.pause = {SendingPause::Why::kRefusals, absl::FromUnixMicros(1'600'000'000'000'001)};
  return settings;
}

SendingUse Use() { return {{{1, 2, 3, 4, 5, 6}, {7, 0, 0, 0, 0, 300}}, {{1, 1, 1, 1, 1, 1}}}; }

TEST_P(SendingConformance, NothingIsKeptAtFirst) { EXPECT_EQ(Find(1), Sending()); }

TEST_P(SendingConformance, WhatIsKeptComesBackAsGivenAndAlsoAfterARestart) {
  ASSERT_OK(BlockOn(sending().SetSettings(AccountId{1}, Settings())));
  ASSERT_OK(BlockOn(sending().KeepUse(AccountId{1}, Use())));
  ASSERT_OK(BlockOn(sending().KeepKnown(AccountId{1}, std::string("\0\xff", 2))));
  const Sending kept{Settings(), Use(), std::string("\0\xff", 2)};
  EXPECT_EQ(Find(1), kept);
  EXPECT_EQ(Find(2), Sending());
  Restart();
  EXPECT_EQ(Find(1), kept);
}

TEST_P(SendingConformance, TheNewestTakesThePlaceOfWhatWasKept) {
  ASSERT_OK(BlockOn(sending().KeepUse(AccountId{1}, Use())));
  SendingUse next;
  next.day.push_back({9, 9, 9, 9, 9, 9});
  ASSERT_OK(BlockOn(sending().KeepUse(AccountId{1}, next)));
  ASSERT_OK(BlockOn(sending().SetSettings(AccountId{1}, Settings())));
  ASSERT_OK(BlockOn(sending().SetSettings(AccountId{1}, SendingSettings())));
  EXPECT_EQ(Find(1), (Sending{SendingSettings(), next, ""}));
}

TEST_P(SendingConformance, AnAccountIsForgottenAlone) {
  for (const int64_t account : {1, 2}) {
    ASSERT_OK(BlockOn(sending().SetSettings(AccountId{account}, Settings())));
    ASSERT_OK(BlockOn(sending().KeepUse(AccountId{account}, Use())));
    ASSERT_OK(BlockOn(sending().KeepKnown(AccountId{account}, "k")));
  }
  ASSERT_OK(BlockOn(sending().Forget(AccountId{1})));
  ASSERT_OK(BlockOn(sending().Forget(AccountId{3})));
  EXPECT_EQ(Find(1), Sending());
  EXPECT_EQ(Find(2), (Sending{Settings(), Use(), "k"}));
}

}  // namespace
}  // namespace mailstead::engine
