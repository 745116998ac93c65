#include "stored/rules/submission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

using engine::SubmissionBounce;
using engine::SubmissionOutcome;
using engine::SubmissionTarget;
using State = SubmissionTarget::State;
using testing::ElementsAre;

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1000);

TEST(Submission, WhatAReportSaysThatHasLittle) {
  engine::QueuedRecipient recipient;
  recipient.attempt_count = 3;
  engine::QueueOutcome outcome;
  outcome.kind = engine::QueueOutcome::Kind::kDelivered;
  outcome.reply = {250, "2.0.0", "ok", "mx", kNow};
  EXPECT_EQ(OutcomeOf(recipient, outcome).kind, SubmissionOutcome::Kind::kRelayed);
  EXPECT_EQ(OutcomeOf(recipient, outcome).attempt_count, 3);
  // A route has kept it in a mailbox here.
  outcome.reply = {0, "2.0.0", "kept in a mailbox here", "", kNow};
  EXPECT_EQ(OutcomeOf(recipient, outcome).kind, SubmissionOutcome::Kind::kDelivered);
  outcome.kind = engine::QueueOutcome::Kind::kFailed;
  EXPECT_EQ(OutcomeOf(recipient, outcome).kind, SubmissionOutcome::Kind::kFailed);
}

TEST(Submission, ADecisionSaysWhatTheLastReplyDoesNot) {
  engine::QueuedRecipient recipient;
  recipient.last_reply = {450, "4.2.0", "later", "mx", kNow - absl::Hours(1)};
  engine::QueueDecision decision{engine::QueueDecision::Kind::kEnd, QueueId{1}, {}};
  decision.reply.status = "4.4.7";
  const SubmissionOutcome expired = OutcomeOf(recipient, decision, kNow);
  EXPECT_EQ(expired.kind, SubmissionOutcome::Kind::kFailed);
  EXPECT_EQ(expired.reply, (engine::QueueReply{450, "4.4.7", "later", "mx", kNow}));
  decision.cancelled = true;
  EXPECT_EQ(OutcomeOf(recipient, decision, kNow).kind, SubmissionOutcome::Kind::kCancelled);
}

TEST(Submission, ItIsScheduledUntilItsTimeHasComeOnce) {
  engine::QueuedRecipient recipient;
  recipient.next_attempt_time = kNow;
  SubmissionTarget target;
  Show(recipient, kNow, target);
  EXPECT_EQ(target.state, State::kScheduled);
  Show(recipient, absl::InfinitePast(), target);
  EXPECT_EQ(target.state, State::kQueued);
  recipient.in_flight = true;
  Show(recipient, kNow, target);
  EXPECT_EQ(target.state, State::kInFlight);
  recipient.in_flight = false;
  recipient.attempt_count = 1;
  Show(recipient, kNow, target);
  EXPECT_EQ(target.state, State::kQueued);
}

TEST(Submission, ABounceChangesARelayedOneOnce) {
  const SubmissionBounce failed{SubmissionBounce::Action::kFailed, "5.1.1", "a", "h", kNow};
  const SubmissionBounce delayed{SubmissionBounce::Action::kDelayed, "4.4.1", "b", "h", kNow};
  for (const auto kind : {SubmissionOutcome::Kind::kDelivered, SubmissionOutcome::Kind::kFailed,
                          SubmissionOutcome::Kind::kCancelled}) {
    SubmissionOutcome outcome;
    outcome.kind = kind;
    EXPECT_FALSE(Note(failed, outcome));
    EXPECT_FALSE(outcome.bounce.has_value());
  }
  SubmissionOutcome outcome;
  outcome.kind = SubmissionOutcome::Kind::kRelayed;
  EXPECT_TRUE(Note(delayed, outcome));
  EXPECT_FALSE(Note(delayed, outcome));
  SubmissionTarget target;
  Show(outcome, target);
  EXPECT_EQ(target.state, State::kRelayed);
  EXPECT_TRUE(Note(failed, outcome));
  EXPECT_FALSE(Note(failed, outcome));
  EXPECT_FALSE(Note(delayed, outcome));
  Show(outcome, target);
  EXPECT_EQ(target.state, State::kBounced);
  EXPECT_EQ(*target.bounce, failed);
}

TEST(Submission, AReportMayNameTheRecipientOrWhereItsMailWent) {
  engine::Submission submission;
  submission.envelope.recipients.push_back({"List@Example.TEST", {}, "", false});
  SubmissionTarget target;
  EXPECT_THAT(NamesOf(submission, target), ElementsAre(ReportedName("list@example.test")));
  target.address = "a@far.test";
  EXPECT_THAT(NamesOf(submission, target),
              ElementsAre(ReportedName("LIST@example.test"), ReportedName("a@FAR.test")));
  EXPECT_EQ(ReportedName("No Address"), "no address");
}

TEST(Submission, WhatNoCallerMayGetWrong) {
  engine::NewMessage message;
  message.envelope.recipients.resize(2);
  engine::NewSubmission submission;
  submission.envelope.recipients.resize(3);
  submission.taken = {0, 2};
  submission.refused.push_back({1, "R", "t"});
  EXPECT_TRUE(Check(message, submission).ok());
  submission.taken = {0};
  EXPECT_EQ(FieldOf(Check(message, submission)), "submission.taken");
  for (const int32_t bad : {-1, 3}) {
    submission.taken = {0, bad};
    EXPECT_EQ(FieldOf(Check(message, submission)), "submission.taken");
    submission.taken = {0, 2};
    submission.refused[0].recipient = bad;
    EXPECT_EQ(FieldOf(Check(message, submission)), "submission.refused");
    submission.refused[0].recipient = 1;
  }
}

}  // namespace
}  // namespace mailstead::rules
