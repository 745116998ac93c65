#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/webhook.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = WebhookOutcome::Kind;
using State = Webhook::State;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr AccountId kAnn{7};
constexpr AccountId kBob{8};

KeptWebhook Hook(const std::string& id) {
  KeptWebhook hook;
  hook.webhook.id = id;
  hook.webhook.url = "https://a.test/";
  hook.webhook.filter = std::string("\0\xff", 2);
  hook.webhook.sealed_secret = "sealed";
  hook.webhook.create_time = kNow;
  hook.progress.cursor = {5, MessageId{0}};
  hook.progress.incarnation = "i";
  return hook;
}

// Of "a".
WebhookUpdate UpdateAt(absl::Time time, int64_t expected_version = 0) {
  WebhookUpdate update;
  update.id = "a";
  update.expected_version = expected_version;
  update.time = time;
  return update;
}

WebhookUpdate StateOf(State state) {
  WebhookUpdate update = UpdateAt(kNow);
  update.state = state;
  return update;
}

WebhookOutcome Outcome(Kind kind, AccountId account, int64_t position, int32_t tries = 0) {
  WebhookOutcome outcome;
  outcome.kind = kind;
  outcome.account = account;
  outcome.at = {position, MessageId{0}};
  outcome.attempt_count = tries;
  if (tries == 0) outcome.event = absl::StrCat("event ", position);
  if (kind == Kind::kFailed) outcome.failure = "no";
  return outcome;
}

std::vector<int64_t> Positions(const std::vector<WebhookEvent>& events) {
  std::vector<int64_t> positions;
  for (const WebhookEvent& event : events) positions.push_back(event.at.position);
  return positions;
}

TEST_P(WebhookConformance, AreKeptAsGivenAndById) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("b"))));
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  Restart();
  EXPECT_THAT(*BlockOn(webhooks().List()), ElementsAre(Hook("a"), Hook("b")));
  EXPECT_EQ(*BlockOn(webhooks().Find("b")), Hook("b"));
  EXPECT_THAT(BlockOn(webhooks().Find("c")).status(),
              HasReason(absl::StatusCode::kNotFound, kReasonWebhookNotFound));
}

TEST_P(WebhookConformance, ThereAreSoManyAndNoMore) {
  for (size_t i = 0; i < kMaxWebhooks; ++i) ASSERT_OK(BlockOn(webhooks().Create(Hook(absl::StrCat("w", i)))));
  EXPECT_THAT(BlockOn(webhooks().Create(Hook("x"))),
              HasReason(absl::StatusCode::kResourceExhausted, kReasonTooManyWebhooks));
}

TEST_P(WebhookConformance, OneSendsUntilItsLeaseHasEnded) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t first = Claimed();
  EXPECT_GT(first, 0);
  ASSERT_OK(BlockOn(facets().leases().Renew("lease-of-two-0000", "webd", absl::Seconds(60))));
  EXPECT_EQ(BlockOn(webhooks().Claim("a", "lease-of-two-0000"))->progress.lease_id, "lease-of-one-0000");
  // Its own claim changes nothing.
  EXPECT_EQ(Claimed(), first);
  ASSERT_OK(BlockOn(facets().leases().End("lease-of-one-0000")));
  const auto taken = BlockOn(webhooks().Claim("a", "lease-of-two-0000"));
  EXPECT_EQ(taken->progress.lease_id, "lease-of-two-0000");
  EXPECT_GT(taken->progress.fence, first);
  EXPECT_THAT(Report(first, 6, {}).status(), HasReason(absl::StatusCode::kAborted, kReasonWebhookFenced));
  EXPECT_OK(Report(taken->progress.fence, 6, {}).status());
}

TEST_P(WebhookConformance, APauseFencesAndKeepsItsPlace) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  ASSERT_OK(Report(fence, 9, {}).status());
  ASSERT_OK(BlockOn(webhooks().Update(StateOf(State::kPaused))).status());
  EXPECT_THAT(Report(fence, 10, {}).status(), HasReason(absl::StatusCode::kAborted, kReasonWebhookFenced));
  // Nobody claims it.
  EXPECT_EQ(BlockOn(webhooks().Claim("a", "lease-of-one-0000"))->progress.lease_id, "");
  ASSERT_OK(BlockOn(webhooks().Update(StateOf(State::kActive))).status());
  EXPECT_GT(Claimed(), fence);
  EXPECT_EQ(Progress().cursor.position, 9);
}

TEST_P(WebhookConformance, IsChangedInPlace) {
  KeptWebhook made = Hook("a");
  made.webhook = rules::Created(made.webhook);
  ASSERT_OK(BlockOn(webhooks().Create(made)));
  const int64_t fence = Claimed();
  ASSERT_OK(Report(fence, 9, {Outcome(Kind::kFailed, kAnn, 6)}).status());

  WebhookUpdate update = UpdateAt(kNow + absl::Minutes(1), 1);
  update.url = "https://b.test/";
  const auto changed = BlockOn(webhooks().Update(update));
  ASSERT_OK(changed.status());
  Restart();
  const KeptWebhook kept = *BlockOn(webhooks().Find("a"));
  EXPECT_EQ(kept.webhook, changed->webhook);
  EXPECT_EQ(kept.webhook.url, "https://b.test/");
  EXPECT_EQ(kept.webhook.filter, Hook("a").webhook.filter);
  EXPECT_EQ(kept.webhook.sealed_secret, "sealed");
  EXPECT_EQ(kept.webhook.version, 2);
  EXPECT_EQ(kept.webhook.create_time, kNow);
  EXPECT_EQ(kept.webhook.update_time, kNow + absl::Minutes(1));
  // Who sends goes on, and what waits waits.
  EXPECT_EQ(kept.progress.cursor.position, 9);
  EXPECT_OK(Report(fence, 10, {}).status());
  EXPECT_THAT(Positions(WaitingOf(kAnn)), ElementsAre(6));
}

// What was read by the filter before does not move the place beyond what the new one is to see.
TEST_P(WebhookConformance, AnotherFilterFences) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  ASSERT_OK(Report(fence, 9, {Outcome(Kind::kFailed, kAnn, 6)}).status());
  WebhookUpdate update = UpdateAt(kNow);
  update.filter = "other";
  EXPECT_EQ(BlockOn(webhooks().Update(update))->webhook.filter, "other");
  Restart();
  EXPECT_THAT(Report(fence, 10, {}).status(), HasReason(absl::StatusCode::kAborted, kReasonWebhookFenced));
  EXPECT_GT(Claimed(), fence);
  EXPECT_EQ(Progress().cursor.position, 9);
  EXPECT_THAT(Positions(WaitingOf(kAnn)), ElementsAre(6));
}

TEST_P(WebhookConformance, AnotherVersionIsNotChanged) {
  KeptWebhook made = Hook("a");
  made.webhook = rules::Created(made.webhook);
  ASSERT_OK(BlockOn(webhooks().Create(made)));
  ASSERT_OK(BlockOn(webhooks().Update(UpdateAt(kNow, 1))).status());
  const KeptWebhook before = *BlockOn(webhooks().Find("a"));
  WebhookUpdate update = UpdateAt(kNow, 1);
  update.url = "u";
  update.state = State::kPaused;
  const auto mismatch = HasReason(absl::StatusCode::kAborted, kReasonEtagMismatch);
  EXPECT_THAT(BlockOn(webhooks().Update(update)).status(), mismatch);
  EXPECT_THAT(BlockOn(webhooks().Reset("a", 1, {99, MessageId{0}}, "j")).status(), mismatch);
  EXPECT_THAT(BlockOn(webhooks().Delete("a", 1)).status(), mismatch);
  EXPECT_EQ(*BlockOn(webhooks().Find("a")), before);
  ASSERT_OK(BlockOn(webhooks().Reset("a", 2, {99, MessageId{0}}, "j")).status());
  EXPECT_TRUE(*BlockOn(webhooks().Delete("a", 2)));
  EXPECT_THAT(BlockOn(webhooks().Update(UpdateAt(kNow))).status(),
              HasReason(absl::StatusCode::kNotFound, kReasonWebhookNotFound));
}

TEST_P(WebhookConformance, TheSecretBeforeCountsForATime) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  WebhookUpdate update = UpdateAt(kNow);
  update.sealed_secret = "second";
  update.old_secret_expire_time = kNow + absl::Hours(1);
  ASSERT_OK(BlockOn(webhooks().Update(update)).status());
  Restart();
  Webhook webhook = BlockOn(webhooks().Find("a"))->webhook;
  EXPECT_EQ(webhook.sealed_secret, "second");
  EXPECT_EQ(webhook.old_sealed_secret, "sealed");
  EXPECT_EQ(webhook.old_secret_expire_time, kNow + absl::Hours(1));
  // One that is older ends at once.
  update.sealed_secret = "third";
  ASSERT_OK(BlockOn(webhooks().Update(update)).status());
  EXPECT_EQ(BlockOn(webhooks().Find("a"))->webhook.old_sealed_secret, "second");
  // Without an overlap so does the one before.
  update.sealed_secret = "fourth";
  update.old_secret_expire_time = kNow;
  ASSERT_OK(BlockOn(webhooks().Update(update)).status());
  webhook = BlockOn(webhooks().Find("a"))->webhook;
  EXPECT_EQ(webhook.sealed_secret, "fourth");
  EXPECT_EQ(webhook.old_sealed_secret, "");
}

TEST_P(WebhookConformance, WhatFailedWaitsWithWhatIsBehindIt) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  const auto reported = Report(
      fence, 9,
      {Outcome(Kind::kFailed, kAnn, 6), Outcome(Kind::kSent, kBob, 7), Outcome(Kind::kBehind, kAnn, 8)});
  ASSERT_OK(reported.status());
  EXPECT_EQ(reported->progress.waiting_count, 2);
  EXPECT_THAT(reported->lanes, ElementsAre(WebhookLane{kAnn, kNow + rules::WebhookSchedule()[0]},
                                           WebhookLane{kBob, absl::InfiniteFuture()}));
  Restart();
  const std::vector<WebhookEvent> waiting = WaitingOf(kAnn);
  ASSERT_THAT(waiting, SizeIs(2));
  EXPECT_EQ(waiting[0], (WebhookEvent{kAnn, {6, MessageId{0}}, "event 6", 1, kNow + absl::Seconds(5), "no"}));
  EXPECT_EQ(waiting[1], (WebhookEvent{kAnn, {8, MessageId{0}}, "event 8", 0, kNow, ""}));
  EXPECT_EQ(Progress().cursor.position, 9);
  EXPECT_EQ(Progress().success_time, kNow);
  EXPECT_EQ(Progress().failure, "no");
  EXPECT_THAT(*BlockOn(webhooks().ListLanes("a", AccountId{0}, 10)),
              ElementsAre(WebhookLane{kAnn, kNow + absl::Seconds(5)}));
  EXPECT_THAT(*BlockOn(webhooks().ListLanes("a", kAnn, 10)), IsEmpty());
}

TEST_P(WebhookConformance, ARepeatOfAReportChangesNothing) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  const std::vector<WebhookOutcome> outcomes = {Outcome(Kind::kFailed, kAnn, 6),
                                                Outcome(Kind::kBehind, kAnn, 8)};
  ASSERT_OK(Report(fence, 9, outcomes).status());
  const std::vector<WebhookEvent> waiting = WaitingOf(kAnn);
  const auto again = Report(fence, 9, outcomes, kNow + absl::Seconds(1));
  ASSERT_OK(again.status());
  EXPECT_EQ(WaitingOf(kAnn), waiting);
  EXPECT_EQ(again->progress.waiting_count, 2);
  // One of what waited: it counts once.
  ASSERT_OK(Report(fence, 9, {Outcome(Kind::kFailed, kAnn, 6, 1)}).status());
  ASSERT_OK(Report(fence, 9, {Outcome(Kind::kFailed, kAnn, 6, 1)}).status());
  EXPECT_EQ(WaitingOf(kAnn)[0].attempt_count, 2);
  ASSERT_OK(Report(fence, 9, {Outcome(Kind::kSent, kAnn, 6, 2)}).status());
  ASSERT_OK(Report(fence, 9, {Outcome(Kind::kSent, kAnn, 6, 2)}).status());
  EXPECT_THAT(Positions(WaitingOf(kAnn)), ElementsAre(8));
  EXPECT_EQ(Progress().waiting_count, 1);
  // A place never moves back.
  ASSERT_OK(Report(fence, 3, {}).status());
  EXPECT_EQ(Progress().cursor.position, 9);
}

TEST_P(WebhookConformance, AfterItsLastTryAnEventIsGivenUpAndMayBeRevived) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  const int32_t tries = static_cast<int32_t>(rules::WebhookSchedule().size()) + 1;
  for (int32_t i = 0; i < tries; ++i) {
    EXPECT_THAT(Dead(), IsEmpty());
    ASSERT_OK(Report(fence, 9, {Outcome(Kind::kFailed, kAnn, 6, i)}).status());
  }
  EXPECT_THAT(WaitingOf(kAnn), IsEmpty());
  ASSERT_THAT(Dead(), SizeIs(1));
  EXPECT_EQ(Dead()[0], (WebhookEvent{kAnn, {6, MessageId{0}}, "event 6", tries, kNow, "no"}));
  EXPECT_EQ(Progress().dead_count, 1);
  EXPECT_EQ(Progress().waiting_count, 0);
  const int64_t revision = Progress().revision;
  EXPECT_EQ(*BlockOn(webhooks().Revive("a", {{6, MessageId{0}}, {99, MessageId{0}}}, kNow)), 1);
  EXPECT_THAT(Dead(), IsEmpty());
  ASSERT_THAT(WaitingOf(kAnn), SizeIs(1));
  EXPECT_EQ(WaitingOf(kAnn)[0].attempt_count, 0);
  EXPECT_GT(Progress().revision, revision);
  EXPECT_EQ(Progress().dead_count, 0);
}

TEST_P(WebhookConformance, TheOldestDeadGoForWantOfRoomAndWithTime) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  const auto kill = [&](int64_t first, int64_t count, absl::Time now) {
    for (int32_t i = 0; i <= static_cast<int32_t>(rules::WebhookSchedule().size()); ++i) {
      std::vector<WebhookOutcome> outcomes;
      for (int64_t position = first; position < first + count; ++position) {
        outcomes.push_back(Outcome(Kind::kFailed, kAnn, position, i));
      }
      ASSERT_OK(Report(fence, first, std::move(outcomes), now).status());
    }
  };
  kill(10, 999, kNow);
  kill(2000, 2, kNow + absl::Hours(1));
  EXPECT_EQ(Progress().dead_count, kMaxDeadEvents);
  EXPECT_EQ(Progress().dropped_count, 1);
  EXPECT_EQ(Dead().front().at.position, 11);
  EXPECT_EQ(Positions(*BlockOn(webhooks().ListDead("a", {2000, MessageId{0}}, 10))),
            std::vector<int64_t>{2001});
  kill(3000, 1, kNow + rules::kDeadEventAge + absl::Minutes(1));
  EXPECT_THAT(Positions(Dead()), ElementsAre(2000, 2001, 3000));
  EXPECT_EQ(Progress().dead_count, 3);
}

TEST_P(WebhookConformance, WhoIsGonePausesIt) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  WebhookOutcome gone = Outcome(Kind::kFailed, kAnn, 6);
  gone.gone = true;
  ASSERT_OK(Report(fence, 6, {gone}).status());
  EXPECT_EQ(BlockOn(webhooks().Find("a"))->webhook.state, State::kGone);
  // Which is a change of it.
  EXPECT_EQ(BlockOn(webhooks().Find("a"))->webhook.version, 1);
  EXPECT_THAT(Positions(WaitingOf(kAnn)), ElementsAre(6));
  EXPECT_THAT(Report(fence, 7, {}).status(), HasCode(absl::StatusCode::kAborted));
}

TEST_P(WebhookConformance, MoreThanMayWaitIsRefusedWhole) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  const int64_t fence = Claimed();
  int64_t position = 10;
  for (int64_t step = 0; step < kMaxWaitingEvents / 1000; ++step) {
    std::vector<WebhookOutcome> outcomes;
    for (int i = 0; i < 1000; ++i) outcomes.push_back(Outcome(Kind::kBehind, kAnn, ++position));
    ASSERT_OK(Report(fence, position, std::move(outcomes)).status());
  }
  EXPECT_THAT(Report(fence, position + 1, {Outcome(Kind::kBehind, kAnn, position + 1)}).status(),
              HasReason(absl::StatusCode::kResourceExhausted, kReasonBusy));
  EXPECT_EQ(Progress().cursor.position, position);
  EXPECT_THAT(BlockOn(webhooks().Add("a", WebhookEvent())), HasCode(absl::StatusCode::kResourceExhausted));
}

TEST_P(WebhookConformance, TestsHavePlacesOfTheirOwn) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  WebhookEvent test;
  test.event = "test";
  test.time = kNow;
  ASSERT_OK(BlockOn(webhooks().Add("a", test)));
  ASSERT_OK(BlockOn(webhooks().Add("a", test)));
  EXPECT_THAT(WaitingOf(AccountId{0}), SizeIs(2));
  EXPECT_THAT(*BlockOn(webhooks().ListLanes("a", AccountId{-1}, 10)),
              ElementsAre(WebhookLane{AccountId{0}, kNow}));
  EXPECT_EQ(Progress().revision, 2);
}

TEST_P(WebhookConformance, IsTakenAwayInStepsWithItsEvents) {
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  ASSERT_OK(BlockOn(webhooks().Create(Hook("b"))));
  const int64_t fence = Claimed();
  for (int64_t step = 0; step < 2; ++step) {
    std::vector<WebhookOutcome> outcomes;
    for (int64_t i = 0; i < 1000; ++i) outcomes.push_back(Outcome(Kind::kBehind, kAnn, 10 + step * 1000 + i));
    ASSERT_OK(Report(fence, 3000, std::move(outcomes)).status());
  }
  EXPECT_TRUE(*BlockOn(webhooks().Delete("a", 0)));
  EXPECT_THAT(BlockOn(webhooks().Find("a")).status(), HasCode(absl::StatusCode::kNotFound));
  Restart();
  int steps = 1;
  while (*BlockOn(webhooks().Delete("a", 0))) ++steps;
  EXPECT_GE(steps, 3);
  EXPECT_THAT(BlockOn(webhooks().Delete("a", 0)).status(), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(*BlockOn(webhooks().List()), SizeIs(1));
  // Nothing is left for one of the same name.
  ASSERT_OK(BlockOn(webhooks().Create(Hook("a"))));
  EXPECT_THAT(WaitingOf(kAnn), IsEmpty());
}

}  // namespace
}  // namespace mailstead::engine
