#include "stored/rules/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

using Decision = engine::QueueDecision::Kind;
using Kind = engine::QueueOutcome::Kind;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(Queue, TheScheduleGoesOnWithItsLast) {
  QueuePolicy policy;
  policy.retry_schedule = {absl::Minutes(6), absl::Hours(1)};
  struct Case {
    int32_t attempt;
    double dice;
    absl::Duration wait;
  };
  for (const Case& c : {
           Case{1, 0.5, absl::Minutes(6)},
           Case{2, 0.5, absl::Hours(1)},
           Case{3, 0.5, absl::Hours(1)},
           Case{1'000'000, 0.5, absl::Hours(1)},
           Case{0, 0.5, absl::Minutes(6)},
           // A tenth less, up to a tenth more.
           Case{1, 0, absl::Seconds(324)},
           Case{1, 0.75, absl::Seconds(378)},
           Case{2, 0, absl::Minutes(54)},
       }) {
    EXPECT_EQ(NextAttemptTime(policy, c.attempt, kNow, c.dice), kNow + c.wait) << c.attempt << " " << c.dice;
  }
  EXPECT_LT(NextAttemptTime(policy, 2, kNow, 0.999), kNow + absl::Minutes(66));
  policy.retry_jitter = 0;
  EXPECT_EQ(NextAttemptTime(policy, 2, kNow, 0), kNow + absl::Hours(1));
  // In whole microseconds.
  EXPECT_EQ(NextAttemptTime(policy, 2, kNow + absl::Nanoseconds(1), 0), kNow + absl::Hours(1));
}

engine::NewMessage Message() {
  engine::NewMessage message;
  message.envelope.delivery_id = "delivery-id-0001";
  message.envelope.recipients.resize(2);
  message.envelope.recipients[0] = {"a@one.example", {true, true, false, false}, "rfc822;o@x", true};
  message.envelope.recipients[1].address = "alias@example.test";
  message.queued.recipients = {{0, "a@one.example", "one.example"}, {1, "b@two.example", "two.example"}};
  message.queued.lane = "lane";
  message.queued.expire_time = kNow + absl::Hours(120);
  message.queued.delay_notice_time = kNow + absl::Hours(4);
  message.trace = "Received: x\r\n";
  message.sha256 = std::string(32, 'h');
  return message;
}

TEST(Queue, WhatIsKeptOfAMessage) {
  const QueueEntry entry = QueueEntryOf(Message(), 100, kNow + absl::Nanoseconds(1));
  const engine::QueuedMessage shown = QueuedMessageOf(QueueId{7}, entry, 2);
  EXPECT_EQ(shown.id, QueueId{7});
  EXPECT_EQ(shown.envelope.delivery_id, "delivery-id-0001");
  EXPECT_THAT(shown.envelope.recipients, testing::IsEmpty());
  EXPECT_EQ(shown.lane, "lane");
  EXPECT_EQ(shown.queue_time, kNow);
  EXPECT_EQ(shown.expire_time, kNow + absl::Hours(120));
  EXPECT_FALSE(shown.delay_told);
  EXPECT_EQ(shown.size_bytes, 113);
  EXPECT_EQ(shown.sha256, std::string(32, 'h'));
  EXPECT_EQ(shown.recipient_count, 2);
}

// A mailbox here is no host: neither a domain nor a literal is called so.
TEST(Queue, MailboxesAsDestinations) {
  EXPECT_EQ(MailboxDestination(AccountId{17}), "mailbox:17");
  EXPECT_EQ(MailboxOf("mailbox:17"), AccountId{17});
  EXPECT_EQ(MailboxOf("mailbox:0"), AccountId{0});
  for (const char* host : {"mailbox", "mailbox.example", "mailbox:", "mailbox:x", "[IPv6:1::2]", "17", ""}) {
    EXPECT_EQ(MailboxOf(host), std::nullopt) << host;
  }
}

engine::NewMessage WithCopy(std::vector<int32_t> recipients) {
  engine::NewMessage message = Message();
  engine::NewCopy& copy = message.copies.emplace_back();
  copy.account = AccountId{17};
  copy.recipients = std::move(recipients);
  copy.address = "ann@example.test";
  return message;
}

TEST(Queue, ACopyThatWaits) {
  const QueuePolicy policy;
  const QueueRecipient full =
      WaitingRecipientOf(WithCopy({1}), {0, engine::Obstacle::kFull}, 2, policy, kNow, 0.5);
  EXPECT_EQ(full.recipient.number, 2);
  EXPECT_EQ(full.recipient.address, "ann@example.test");
  EXPECT_EQ(full.recipient.destination, "mailbox:17");
  EXPECT_EQ(full.recipient.forwarded_for, "alias@example.test");
  EXPECT_EQ(full.recipient.attempt_count, 1) << "it was tried";
  EXPECT_EQ(full.recipient.next_attempt_time, kNow + absl::Minutes(6));
  EXPECT_EQ(full.recipient.last_reply.status, "4.2.2");
  EXPECT_TRUE(IsFree(full.recipient));
  // What cannot be delivered is due.
  for (const engine::Obstacle obstacle : {engine::Obstacle::kTooSmall, engine::Obstacle::kGone}) {
    const QueueRecipient due = WaitingRecipientOf(WithCopy({1}), {0, obstacle}, 2, policy, kNow, 0.5);
    EXPECT_EQ(due.recipient.attempt_count, 0);
    EXPECT_EQ(due.recipient.next_attempt_time, kNow);
  }
}

// In the name of who wants to hear of a failure; of success nobody hears here.
TEST(Queue, WhoIsToldOfACopyThatWaits) {
  engine::NewMessage message = WithCopy({0, 1});
  message.envelope.recipients[0].notify = {.given = true, .success = true};
  message.envelope.recipients[1].notify = {.given = true, .success = true, .failure = true};
  const auto notify = [&] {
    return WaitingRecipientOf(message, {0, engine::Obstacle::kFull}, 0, QueuePolicy(), kNow, 0.5).recipient;
  };
  EXPECT_EQ(notify().forwarded_for, "alias@example.test");
  EXPECT_EQ(notify().notify, (DsnNotify{.given = true, .failure = true}));
  message.envelope.recipients[1].notify = {.given = true};
  EXPECT_EQ(notify().forwarded_for, "a@one.example");
  EXPECT_EQ(notify().notify, (DsnNotify{.given = true})) << "NEVER, and not as if nothing had been said";
}

TEST(Queue, WhatWaitsForAMailboxIsPutOff) {
  const QueuePolicy policy;
  QueueRecipient kept = WaitingRecipientOf(WithCopy({1}), {0, engine::Obstacle::kFull}, 0, policy, kNow, 0.5);
  PutOff(kept, engine::Obstacle::kFull, policy, kNow + absl::Hours(1), 0.5);
  EXPECT_EQ(kept.recipient.attempt_count, 2);
  EXPECT_EQ(kept.recipient.next_attempt_time, kNow + absl::Hours(1) + absl::Minutes(12));
  EXPECT_EQ(kept.recipient.last_reply.time, kNow + absl::Hours(1));
  // No front-end was ever given it, so none says what became of it.
  EXPECT_FALSE(Counts(&kept, {0, Kind::kDelivered, {}, absl::InfinitePast()}, engine::QueueGrant{1}));
}

TEST(Queue, WhatKeepsAMessageOutOfAMailbox) {
  const QueueEntry entry = QueueEntryOf(Message(), 100, kNow);
  Mailbox mailbox;
  EXPECT_EQ(ObstacleOf(nullptr, entry), engine::Obstacle::kGone);
  EXPECT_EQ(ObstacleOf(&mailbox, entry), std::nullopt);
  mailbox.quota_messages = 1;
  mailbox.message_count = 1;
  EXPECT_EQ(ObstacleOf(&mailbox, entry), engine::Obstacle::kFull);
  mailbox.quota_bytes = 99;
  EXPECT_EQ(ObstacleOf(&mailbox, entry), engine::Obstacle::kTooSmall);
}

TEST(Queue, OfWhatWasExpandedSuccessIsNotTold) {
  engine::NewMessage message = Message();
  EXPECT_TRUE(QueueRecipientOf(message, 0, kNow).recipient.notify.success);
  message.queued.recipients[0].expanded = true;
  EXPECT_EQ(QueueRecipientOf(message, 0, kNow).recipient.notify, (DsnNotify{.given = true}));
}

TEST(Queue, WhatIsKeptOfARecipient) {
  const QueueRecipient first = QueueRecipientOf(Message(), 0, kNow);
  EXPECT_EQ(first.recipient.number, 0);
  EXPECT_EQ(first.recipient.address, "a@one.example");
  EXPECT_EQ(first.recipient.destination, "one.example");
  EXPECT_EQ(first.recipient.notify, (DsnNotify{true, true, false, false}));
  EXPECT_EQ(first.recipient.original_recipient, "rfc822;o@x");
  EXPECT_EQ(first.recipient.forwarded_for, "");
  EXPECT_EQ(first.recipient.next_attempt_time, kNow);
  EXPECT_TRUE(IsFree(first.recipient));
  const QueueRecipient second = QueueRecipientOf(Message(), 1, kNow);
  EXPECT_EQ(second.recipient.number, 1);
  EXPECT_EQ(second.recipient.forwarded_for, "alias@example.test");
}

TEST(Queue, TheSenderIsToldOnceThatItWaitsThenItExpires) {
  QueueEntry entry = QueueEntryOf(Message(), 100, kNow);
  EXPECT_EQ(EventTime(entry), kNow + absl::Hours(4));
  entry.delay_told = true;
  EXPECT_EQ(EventTime(entry), kNow + absl::Hours(120));
  entry.delay_told = false;
  entry.delay_notice_time = absl::InfiniteFuture();
  EXPECT_EQ(EventTime(entry), kNow + absl::Hours(120));
  entry.expire_time = absl::InfiniteFuture();
  EXPECT_EQ(EventTime(entry), absl::InfiniteFuture());
}

TEST(Queue, TurnsAreOfAHundred) {
  EXPECT_EQ(TurnOf(0), 0);
  EXPECT_EQ(TurnOf(99), 0);
  EXPECT_EQ(TurnOf(100), 1);
  EXPECT_EQ(TurnOf(9'999), 99);
}

TEST(Queue, WhatCounts) {
  QueueRecipient kept;
  Begin(kept, engine::QueueGrant{8}, QueuePolicy(), kNow, 0.5);
  EXPECT_EQ(kept.recipient.attempt_count, 1);
  EXPECT_TRUE(kept.recipient.in_flight);
  EXPECT_FALSE(IsFree(kept.recipient));
  EXPECT_EQ(kept.recipient.next_attempt_time, kNow + absl::Minutes(6));
  struct Case {
    Kind kind;
    int64_t grant;
    bool reported;
    bool counts;
  };
  for (const Case& c : {
           Case{Kind::kDelivered, 8, false, true},
           Case{Kind::kDelivered, 7, false, true},
           Case{Kind::kDelivered, 8, true, true},
           Case{Kind::kFailed, 8, false, true},
           Case{Kind::kFailed, 7, false, false},
           Case{Kind::kFailed, 8, true, false},
           Case{Kind::kDeferred, 8, false, true},
           Case{Kind::kDeferred, 7, false, false},
           Case{Kind::kDeferred, 8, true, false},
       }) {
    kept.reported = c.reported;
    const engine::QueueOutcome outcome{0, c.kind, {}, absl::InfinitePast()};
    EXPECT_EQ(Counts(&kept, outcome, engine::QueueGrant{c.grant}), c.counts);
    EXPECT_FALSE(Counts(nullptr, outcome, engine::QueueGrant{c.grant}));
  }
}

TEST(Queue, DeferredWaitsAsScheduledOrAsAsked) {
  const absl::Time scheduled = kNow + absl::Minutes(12);
  struct Case {
    absl::Time asked;
    absl::Time next;
  };
  for (const Case& c : {
           Case{absl::InfinitePast(), scheduled},
           Case{kNow - absl::Hours(1), kNow + absl::Minutes(1)},
           Case{kNow + absl::Seconds(59), kNow + absl::Minutes(1)},
           Case{kNow + absl::Seconds(61), kNow + absl::Seconds(61)},
           Case{kNow + absl::Hours(4), kNow + absl::Hours(4)},
           Case{kNow + absl::Hours(5), kNow + absl::Hours(4)},
           Case{absl::InfiniteFuture(), kNow + absl::Hours(4)},
       }) {
    QueueRecipient kept;
    kept.recipient.in_flight = true;
    kept.recipient.next_attempt_time = scheduled;
    Defer(kept, {0, Kind::kDeferred, {450, "4.2.0", "busy", "mx", kNow + absl::Nanoseconds(1)}, c.asked},
          kNow);
    EXPECT_EQ(kept.recipient.next_attempt_time, c.next);
    EXPECT_FALSE(kept.recipient.in_flight);
    EXPECT_TRUE(kept.reported);
    EXPECT_EQ(kept.recipient.last_reply, (engine::QueueReply{450, "4.2.0", "busy", "mx", kNow}));
  }
}

TEST(Queue, WhatADecisionChanges) {
  struct Case {
    Decision kind;
    bool held;
    bool in_flight;
    bool changes;
  };
  for (const Case& c : {
           Case{Decision::kHold, false, false, true},
           Case{Decision::kHold, true, false, false},
           Case{Decision::kHold, false, true, false},
           Case{Decision::kRelease, false, false, false},
           Case{Decision::kRelease, true, false, true},
           Case{Decision::kRetry, false, false, true},
           Case{Decision::kRetry, true, false, true},
           Case{Decision::kRetry, false, true, false},
           Case{Decision::kEnd, false, false, true},
           Case{Decision::kEnd, true, false, true},
           Case{Decision::kEnd, false, true, false},
           Case{Decision::kDelayTold, false, false, false},
       }) {
    QueueRecipient kept;
    kept.recipient.held = c.held;
    kept.recipient.in_flight = c.in_flight;
    kept.recipient.next_attempt_time = kNow + absl::Hours(1);
    EXPECT_EQ(Changes(c.kind, kept.recipient), c.changes);
    if (!c.changes) continue;
    Apply(c.kind, kept, absl::InfinitePast(), kNow);
    EXPECT_EQ(kept.recipient.held, c.kind == Decision::kHold || (c.held && c.kind != Decision::kRelease));
    EXPECT_EQ(kept.recipient.next_attempt_time, c.kind == Decision::kRetry ? kNow : kNow + absl::Hours(1));
  }
}

TEST(Queue, WhatNoCallerMayGetWrong) {
  engine::QueueReport report;
  report.outcomes.resize(2);
  report.outcomes[1].number = 1;
  EXPECT_TRUE(Check(report).ok());
  report.outcomes[1].number = 0;
  EXPECT_EQ(FieldOf(Check(report)), "outcomes.number");
  report.outcomes[1].number = -1;
  EXPECT_EQ(FieldOf(Check(report)), "outcomes.number");

  for (const Decision kind :
       {Decision::kHold, Decision::kRelease, Decision::kRetry, Decision::kEnd, Decision::kDelayTold}) {
    EXPECT_TRUE(Check(engine::QueueDecision{kind, QueueId{1}, {}}, false).ok());
    EXPECT_TRUE(Check(engine::QueueDecision{kind, QueueId{1}, {0, 7}}, false).ok());
    EXPECT_EQ(FieldOf(Check(engine::QueueDecision{kind, QueueId{1}, {7, 7}}, false)), "recipients");
    EXPECT_EQ(FieldOf(Check(engine::QueueDecision{kind, QueueId{1}, {-1}}, false)), "recipients");
    const bool tells = kind == Decision::kEnd || kind == Decision::kDelayTold;
    EXPECT_EQ(FieldOf(Check(engine::QueueDecision{kind, QueueId{1}, {}}, true)), tells ? "" : "notices");
  }
}

}  // namespace
}  // namespace mailstead::rules
