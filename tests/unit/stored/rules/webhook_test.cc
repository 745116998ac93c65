#include "stored/rules/webhook.h"

#include <gtest/gtest.h>

namespace mailstead::rules {
namespace {

using engine::KeptWebhook;
using engine::WebhookEvent;
using engine::WebhookOutcome;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

WebhookOutcome Failed(int32_t tries, absl::Duration retry_after = absl::ZeroDuration()) {
  WebhookOutcome outcome;
  outcome.kind = WebhookOutcome::Kind::kFailed;
  outcome.attempt_count = tries;
  outcome.event = "event";
  outcome.failure = "no";
  outcome.retry_after = retry_after;
  return outcome;
}

WebhookEvent TriedSoOften(int32_t tries) {
  WebhookEvent event;
  event.attempt_count = tries;
  return event;
}

TEST(WebhookRulesTest, TriesForThreeDays) {
  absl::Duration all;
  for (size_t i = 0; i < WebhookSchedule().size(); ++i) {
    KeptWebhook kept;
    const WebhookChange change =
        Decide(TriedSoOften(static_cast<int32_t>(i)), Failed(static_cast<int32_t>(i)), kNow, kept);
    ASSERT_EQ(change.kind, WebhookChange::Kind::kWait) << i;
    EXPECT_EQ(change.event.time, kNow + WebhookSchedule()[i]);
    all += WebhookSchedule()[i];
  }
  EXPECT_GT(all, absl::Hours(72));
  EXPECT_LT(all, absl::Hours(96));
  KeptWebhook kept;
  const int32_t last = static_cast<int32_t>(WebhookSchedule().size());
  EXPECT_EQ(Decide(TriedSoOften(last), Failed(last), kNow, kept).kind, WebhookChange::Kind::kDie);
  EXPECT_EQ(kept.progress.dead_count, 1);
  EXPECT_EQ(kept.progress.waiting_count, -1);
}

TEST(WebhookRulesTest, ReceiversMayAskForMoreTimeButNotForAnyTime) {
  KeptWebhook kept;
  const auto wait = [&kept](absl::Duration asked) {
    return Decide(TriedSoOften(0), Failed(0, asked), kNow, kept).event.time - kNow;
  };
  EXPECT_EQ(wait(absl::Seconds(4)), absl::Seconds(5));
  EXPECT_EQ(wait(absl::Seconds(6)), absl::Seconds(6));
  EXPECT_EQ(wait(absl::Hours(1000)), kMaxWebhookRetryAfter);
}

KeptWebhook Made() {
  KeptWebhook kept;
  kept.webhook.url = "u";
  kept.webhook.filter = "f";
  kept.webhook.sealed_secret = "s";
  kept.webhook.create_time = kNow + absl::Nanoseconds(1);
  kept.webhook = Created(kept.webhook);
  kept.progress.lease_id = "l";
  return kept;
}

TEST(WebhookRulesTest, AChangeIsOfWhatItNames) {
  KeptWebhook kept = Made();
  EXPECT_EQ(kept.webhook.version, 1);
  EXPECT_EQ(kept.webhook.create_time, kNow);
  EXPECT_EQ(kept.webhook.update_time, kNow);
  engine::WebhookUpdate update;
  update.time = kNow + absl::Seconds(1);
  update.url = "v";
  ASSERT_TRUE(Update(update, kept).ok());
  KeptWebhook wanted = Made();
  wanted.webhook.url = "v";
  wanted.webhook.version = 2;
  wanted.webhook.update_time = update.time;
  EXPECT_EQ(kept, wanted);
  update.expected_version = 1;
  update.url = "w";
  EXPECT_TRUE(absl::IsAborted(Update(update, kept)));
  EXPECT_EQ(kept, wanted);
}

TEST(WebhookRulesTest, AStateAndAFilterFenceAndASecretDoesNot) {
  KeptWebhook kept = Made();
  kept.progress.fence = 7;
  engine::WebhookUpdate update;
  update.time = kNow;
  update.filter = "g";
  ASSERT_TRUE(Update(update, kept).ok());
  EXPECT_EQ(kept.webhook.filter, "g");
  EXPECT_EQ(kept.progress.lease_id, "");
  EXPECT_EQ(kept.progress.fence, 0);
  kept.progress.lease_id = "l";
  update = {};
  update.time = kNow;
  update.sealed_secret = "t";
  update.old_secret_expire_time = kNow + absl::Microseconds(1);
  ASSERT_TRUE(Update(update, kept).ok());
  EXPECT_EQ(kept.progress.lease_id, "l");
  EXPECT_EQ(kept.webhook.sealed_secret, "t");
  EXPECT_EQ(kept.webhook.old_sealed_secret, "s");
  // One that ends now never counts.
  update.old_secret_expire_time = kNow;
  ASSERT_TRUE(Update(update, kept).ok());
  EXPECT_EQ(kept.webhook.old_sealed_secret, "");
  EXPECT_EQ(kept.webhook.old_secret_expire_time, absl::InfinitePast());
  update = {};
  update.time = kNow;
  update.state = engine::Webhook::State::kPaused;
  ASSERT_TRUE(Update(update, kept).ok());
  EXPECT_EQ(kept.progress.lease_id, "");
}

TEST(WebhookRulesTest, FailuresAreCut) {
  KeptWebhook kept;
  WebhookOutcome outcome = Failed(0);
  outcome.failure = std::string(kMaxWebhookFailureBytes + 1, 'x');
  EXPECT_EQ(Decide(std::nullopt, outcome, kNow, kept).event.failure.size(), kMaxWebhookFailureBytes);
}

TEST(WebhookRulesTest, NobodyClaimsWhatAnotherOneSends) {
  KeptWebhook kept;
  EXPECT_TRUE(MayClaim(kept, "one", false));
  kept.progress.lease_id = "one";
  EXPECT_FALSE(MayClaim(kept, "one", false));
  EXPECT_FALSE(MayClaim(kept, "two", true));
  EXPECT_TRUE(MayClaim(kept, "two", false));
  kept.webhook.state = engine::Webhook::State::kPaused;
  EXPECT_FALSE(MayClaim(kept, "two", false));
}

}  // namespace
}  // namespace mailstead::rules
