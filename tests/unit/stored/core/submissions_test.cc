#include "stored/core/submissions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "stored/core/core.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using State = engine::SubmissionTarget::State;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr char kRequestId[] = "request-id-000001";
constexpr char kMail[] = "From: ann@example.test\r\nSubject: x\r\n\r\nbody\r\n";

class SubmissionsTest : public StoreTest {
 protected:
  SubmissionsTest() {
    options_.host_name = "mail.example.test";
    options_.hash_threads = 1;
    options_.sending.bounds.hourly_recipients = 5;
    core_ = std::make_unique<Core>(*engine_, executor_, clock_, options_);
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    ann_ = AddAccount("ann@example.test");
    bob_ = AddAccount("bob@example.test");
    EXPECT_TRUE(directory_.CreateAlias("sales@example.test", {"ann@example.test"}).ok());
  }

  engine::Account AddAccount(const std::string& address, int64_t quota_messages = 0) {
    NewAccount account;
    account.address = address;
    account.quota_messages = quota_messages;
    const auto made = directory_.CreateAccount(std::move(account));
    EXPECT_TRUE(made.ok()) << made.status();
    return *made;
  }

  // From ann to these.
  SubmissionRequest To(const std::vector<std::string>& addresses, std::string request_id = kRequestId) {
    SubmissionRequest request;
    request.scope = "operator";
    request.account = ann_;
    request.request_id = std::move(request_id);
    for (const std::string& address : addresses) request.envelope.recipients.emplace_back().address = address;
    request.client_address = "192.0.2.7";
    return request;
  }

  absl::StatusOr<Submitted> Submit(SubmissionRequest request, std::string content = kMail,
                                   size_t piece_bytes = 7) {
    SubmissionIntake intake(core_->submissions, std::move(request));
    if (absl::Status begun = BlockOn(intake.Begin()); !begun.ok()) return begun;
    for (size_t at = 0; at < content.size(); at += piece_bytes) {
      if (absl::Status taken = BlockOn(intake.Append(content.substr(at, piece_bytes))); !taken.ok())
        return taken;
    }
    return BlockOn(intake.Finish());
  }
  // The reason; empty: it is taken.
  std::string Refusal(SubmissionRequest request, std::string content = kMail) {
    return ReasonOf(Submit(std::move(request), std::move(content)).status());
  }

  engine::Submission Find(const std::string& id) {
    const auto found = BlockOn(core_->submissions.Find(id));
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *found : engine::Submission();
  }
  std::string States(const std::string& id) {
    constexpr const char* kNames[] = {"scheduled", "queued",  "in_flight", "delivered", "relayed",
                                      "failed",    "bounced", "cancelled", "refused"};
    return absl::StrJoin(Find(id).targets, " ",
                         [&](std::string* out, const engine::SubmissionTarget& target) {
                           out->append(kNames[static_cast<size_t>(target.state)]);
                         });
  }

  // All of the newest message of a mailbox; empty: there is none.
  std::string Newest(AccountId account) {
    const auto messages = BlockOn(engine_->messages().List(account, MessageId{0}, 1000));
    if (!messages.ok() || messages->empty()) return "";
    const auto reader = BlockOn(engine_->messages().Open(account, messages->back().id));
    return *BlockOn((*reader)->Read(0, 64 << 10));
  }
  size_t CountIn(AccountId account) {
    return BlockOn(engine_->messages().List(account, MessageId{0}, 1000))->size();
  }
  size_t CountQueued() { return BlockOn(engine_->queue().List(QueueId{0}, 1000, 0))->size(); }

  // What a relay does with all that is due.
  void Relay(engine::QueueOutcome::Kind kind, engine::QueueReply reply) {
    ASSERT_TRUE(BlockOn(engine_->leases().Renew("relay", "host", absl::Hours(1))).ok());
    const auto attempts = BlockOn(engine_->queue().Lease({"relay", 100, 100}));
    ASSERT_TRUE(attempts.ok()) << attempts.status();
    for (const engine::QueueAttempt& attempt : *attempts) {
      engine::QueueReport report;
      report.message = attempt.message.id;
      report.grant = attempt.grant;
      for (const engine::QueuedRecipient& recipient : attempt.message.recipients) {
        report.outcomes.push_back({recipient.number, kind, reply, absl::InfinitePast()});
      }
      std::vector<int32_t> none;
      ASSERT_TRUE(BlockOn(core_->queue.Report(std::move(report), std::move(none))).ok());
    }
  }
  // A minute of what time brings.
  void WorkOff() {
    while (*BlockOn(core_->queue.DeliverHere())) {
    }
    while (*BlockOn(core_->queue.Expire())) {
    }
  }

  // A notification from elsewhere to ann.
  void Bounce(const std::string& status_fields, const std::string& message_id = "none@x.test") {
    Envelope envelope;
    envelope.delivery_id = absl::StrCat("delivery-of-bounce-", ++bounces_);
    envelope.recipients.emplace_back().address = "ann@example.test";
    Intake intake(core_->intake, "smtp", Promise::kGiven);
    ASSERT_TRUE(BlockOn(intake.Begin(std::move(envelope))).ok());
    ASSERT_TRUE(
        BlockOn(intake.Append(absl::StrCat(
                    "From: MAILER-DAEMON@x.test\r\nContent-Type: multipart/report; "
                    "report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n"
                    "Content-Type: message/delivery-status\r\n\r\n",
                    status_fields, "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <",
                    message_id, ">\r\n\r\n--b--\r\n")))
            .ok());
    const auto taken = BlockOn(intake.Finish("Received: here\r\n"));
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_TRUE(taken->report_dropped.ok()) << taken->report_dropped;
  }

  CoreOptions options_;
  std::unique_ptr<Core> core_;
  engine::Account ann_;
  engine::Account bob_;
  int bounces_ = 0;
};

TEST_F(SubmissionsTest, WhatIsMissingIsAddedAndBccIsTakenOut) {
  const auto submitted = Submit(To({"bob@example.test"}),
                                "Bcc: secret@x.test\r\nFrom: ann@example.test\r\nSubject: x\r\n"
                                "resent-bcc: b@x.test,\r\n c@x.test\r\n\r\nbody\r\n");
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::string& id = submitted->submission.id;
  EXPECT_EQ(Newest(bob_.id),
            absl::StrCat(
                "Return-Path: <ann@example.test>\r\nDelivered-To: bob@example.test\r\n"
                "Received: from [192.0.2.7] ([192.0.2.7])\r\n\tby mail.example.test\r\n\tid ",
                id,
                " (by a call); Tue, 14 Nov 2023 22:13:20 +0000\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                "Message-ID: <",
                id,
                "@mail.example.test>\r\n"
                "From: ann@example.test\r\nSubject: x\r\n\r\nbody\r\n"));
  EXPECT_EQ(submitted->submission.message_id, absl::StrCat(id, "@mail.example.test"));
  EXPECT_EQ(submitted->submission.envelope.dsn_envelope_id, id);
  EXPECT_EQ(States(id), "delivered");
}

TEST_F(SubmissionsTest, WhatIsThereStays) {
  const auto submitted =
      Submit(To({"bob@example.test"}),
             "From: ann@example.test\r\nDate: then\r\nMessage-ID: <own@x.test>\r\n\r\nbody\r\n");
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  EXPECT_EQ(submitted->submission.message_id, "own@x.test");
  EXPECT_THAT(Newest(bob_.id), Not(HasSubstr("2023 22:13:20 +0000\r\nDate")));
  EXPECT_THAT(Newest(bob_.id), Not(HasSubstr("@mail.example.test")));
}

// The same as at port 587 (tests/golden/smtp and tests/integration have its side).
TEST_F(SubmissionsTest, WhoMaySendAsWhom) {
  struct Row {
    std::string reverse_path;
    std::string header;
    absl::string_view reason;
    std::string field;
  };
  const std::string long_line(999, 'x');
  for (const Row& row : std::vector<Row>{
           {"", "From: ann@example.test\r\n", "", ""},
           {"ann+tag@example.test", "From: ann+tag@example.test\r\n", "", ""},
           {"sales@example.test", "From: Sales <sales@example.test>\r\n", "", ""},
           {"<>", "From: ann@example.test\r\n", "", ""},
           {"", "From: ann@example.test, sales@example.test\r\nSender: ann@example.test\r\n", "", ""},
           {"", "Subject: no From at all\r\n", "", ""},
           {"bob@example.test", "From: ann@example.test\r\n", kReasonSenderNotAllowed,
            "envelope.reverse_path"},
           {"ann@elsewhere.test", "From: ann@example.test\r\n", kReasonSenderNotAllowed,
            "envelope.reverse_path"},
           {"", "From: bob@example.test\r\n", kReasonSenderNotAllowed, "content"},
           {"", "From: ann@example.test, bob@example.test\r\n", kReasonSenderNotAllowed, "content"},
           {"", "From: ann@example.test\r\nFrom: bob@example.test\r\n", kReasonSenderNotAllowed, "content"},
           {"", "From: ann@example.test\r\nSender: bob@example.test\r\n", kReasonSenderNotAllowed, "content"},
           {"", "From: nobody\r\n", kReasonFromUnreadable, "content"},
           {"x", "From: ann@example.test\r\n", "", "envelope.reverse_path"},
       }) {
    SubmissionRequest request = To({"bob@example.test"}, absl::StrCat("request-id-", 100000 + bounces_++));
    request.envelope.reverse_path = row.reverse_path;
    const absl::Status status = Submit(std::move(request), row.header + "\r\nbody\r\n").status();
    EXPECT_EQ(ReasonOf(status), row.reason) << row.reverse_path << " " << row.header << status;
    EXPECT_EQ(FieldOf(status), row.field) << row.reverse_path << " " << row.header << status;
  }
}

TEST_F(SubmissionsTest, ContentIsHeldToWhatMailCanCarry) {
  std::string hops = "From: ann@example.test\r\n";
  for (size_t i = 0; i < kMaxHops; ++i) hops += "Received: from x\r\n";
  const std::string line = std::string(998, 'x') + "\r\n";
  const std::string head = "From: ann@example.test\r\nBcc: a@x.test\r\n\r\n";
  struct Row {
    std::string address;
    std::string content;
    absl::string_view reason;
  };
  for (const Row& row : std::vector<Row>{
           {"bob@example.test", head + "a\nb\r\n", kReasonBareLineEnd},
           {"bob@example.test", head + "a\rb\r\n", kReasonBareLineEnd},
           {"bob@example.test", head + "a\r", kReasonBareLineEnd},
           {"bob@example.test", "Bcc: a\nb: c\r\n" + head, kReasonBareLineEnd},
           {"bob@example.test", head + std::string("a\0b\r\n", 5), kReasonNul},
           {"bob@example.test", hops + "\r\nbody\r\n", ""},
           {"bob@example.test", hops + "Received: one more\r\n\r\nbody\r\n", kReasonTooManyHops},
           {"bob@example.test", head + "x" + line, ""},
           {"x@elsewhere.test", head + line, ""},
           {"x@elsewhere.test", head + "x" + line, kReasonLineTooLong},
       }) {
    const absl::Status status =
        Submit(To({row.address}, absl::StrCat("request-id-", 100000 + bounces_++)), row.content, 500)
            .status();
    EXPECT_EQ(ReasonOf(status), row.reason) << row.content.substr(0, 60) << status;
    // With what was taken out: as the caller counts.
    if (row.reason == kReasonLineTooLong) {
      EXPECT_THAT(std::string(status.message()), HasSubstr("line 4 "));
    }
  }
}

TEST_F(SubmissionsTest, SomeRecipientsAreRefusedAndTheOthersGo) {
  const engine::Account full = AddAccount("full@example.test", /*quota_messages=*/1);
  ASSERT_TRUE(Submit(To({"full@example.test"}, "request-id-to-fill")).ok());
  const std::vector<std::string> addresses = {"gone@example.test", "bob@example.test", "full@example.test",
                                              "x@elsewhere.test"};
  const auto submitted = Submit(To(addresses));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const engine::Submission& submission = submitted->submission;
  EXPECT_EQ(States(submission.id), "queued delivered refused refused");
  ASSERT_THAT(submission.targets, SizeIs(4));
  EXPECT_EQ(submission.targets[0].recipient, 3);
  EXPECT_EQ(submission.targets[1].recipient, 1);
  EXPECT_EQ(submission.targets[2].recipient, 0);
  EXPECT_EQ(submission.targets[2].reason, kReasonRecipientUnknown);
  EXPECT_EQ(submission.targets[3].recipient, 2);
  EXPECT_EQ(submission.targets[3].reason, kReasonOverQuota);
  EXPECT_EQ(CountIn(bob_.id), 1u);
  EXPECT_EQ(CountIn(full.id), 1u);
}

TEST_F(SubmissionsTest, WhereNobodyTakesItOrAllMustItIsAnErrorThatNamesThemAll) {
  const auto fields = [](const absl::Status& status) {
    std::vector<std::string> named;
    for (const FieldViolation& violation : ViolationsOf(status)) {
      named.push_back(absl::StrCat(violation.field, " ", violation.reason));
    }
    return named;
  };
  absl::Status status = Submit(To({"gone@example.test", "lost@example.test"})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(fields(status), ElementsAre("envelope.recipients[0].address RECIPIENT_UNKNOWN",
                                          "envelope.recipients[1].address RECIPIENT_UNKNOWN"));
  SubmissionRequest request = To({"bob@example.test", "gone@example.test"});
  request.all_or_nothing = true;
  status = Submit(std::move(request)).status();
  EXPECT_THAT(fields(status), ElementsAre("envelope.recipients[1].address RECIPIENT_UNKNOWN"));
  status = Submit(To({"bob@example.test", "x", "y"})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(fields(status),
              ElementsAre("envelope.recipients[1].address ", "envelope.recipients[2].address "));
  EXPECT_EQ(CountIn(bob_.id), 0u);
  EXPECT_TRUE(absl::IsNotFound(BlockOn(core_->submissions.Find("x")).status()));
}

TEST_F(SubmissionsTest, ARepeatGivesTheFirstAnswerAndSendsNothing) {
  const auto first = Submit(To({"bob@example.test", "gone@example.test", "x@elsewhere.test"}));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->already_taken);
  // Whatever has become of the account and its recipients since.
  AddAccount("gone@example.test");
  ASSERT_TRUE(directory_.DeleteAccount("bob@example.test").ok());
  ASSERT_TRUE(BlockOn(core_->sending.Pause(ann_.id)).ok());
  ann_.disabled = true;
  clock_.Advance(absl::Hours(100));
  ASSERT_TRUE(BlockOn(engine_->upkeep().Sweep(absl::Hours(72))).ok());
  const auto repeat = Submit(To({"bob@example.test", "gone@example.test", "x@elsewhere.test"}), kMail, 1000);
  ASSERT_TRUE(repeat.ok()) << repeat.status();
  EXPECT_TRUE(repeat->already_taken);
  EXPECT_EQ(repeat->submission.id, first->submission.id);
  EXPECT_EQ(repeat->submission.submit_time, first->submission.submit_time);
  EXPECT_EQ(CountQueued(), 1u);
  // The same id of another caller is another submission.
  SubmissionRequest others = To({"bob@example.test"});
  others.scope = "key/7";
  EXPECT_EQ(Refusal(std::move(others)), kReasonAccountDisabled);
}

TEST_F(SubmissionsTest, AnIdStandsForOneSubmission) {
  ASSERT_TRUE(Submit(To({"bob@example.test"})).ok());
  const std::vector<std::function<void(SubmissionRequest&)>> changes = {
      [](SubmissionRequest& r) { r.envelope.recipients[0].address = "ann@example.test"; },
      [](SubmissionRequest& r) { r.envelope.recipients[0].notify.given = true; },
      [](SubmissionRequest& r) { r.envelope.recipients[0].original_recipient = "rfc822;x@y.test"; },
      [](SubmissionRequest& r) { r.envelope.recipients.push_back(r.envelope.recipients[0]); },
      [](SubmissionRequest& r) { r.envelope.reverse_path = "ann@example.test"; },
      [](SubmissionRequest& r) { r.envelope.dsn_envelope_id = "x"; },
      [](SubmissionRequest& r) { r.envelope.require_tls = true; },
      [](SubmissionRequest& r) { r.all_or_nothing = true; },
      [](SubmissionRequest& r) { r.send_time = absl::FromUnixSeconds(1'700'001'000); },
      [this](SubmissionRequest& r) { r.account = bob_; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    SubmissionRequest request = To({"bob@example.test"});
    changes[i](request);
    EXPECT_EQ(Refusal(std::move(request)), kReasonRequestIdReused) << i;
  }
  EXPECT_EQ(Refusal(To({"bob@example.test"}), absl::StrCat("Bcc: x@y.test\r\n", kMail)),
            kReasonRequestIdReused);
  EXPECT_EQ(CountIn(bob_.id), 1u);
}

TEST_F(SubmissionsTest, TheLimitsOfAnAccountHold) {
  EXPECT_EQ(Refusal(To({"1@x.test", "2@x.test", "3@x.test"}, "request-id-000002")), "");
  // One that was stored before has been counted then.
  EXPECT_EQ(Refusal(To({"1@x.test", "2@x.test", "3@x.test"}, "request-id-000002")), "");
  EXPECT_EQ(Refusal(To({"4@x.test", "5@x.test", "6@x.test"}, "request-id-000003")), kReasonSendingLimit);
  EXPECT_EQ(Refusal(To({"4@x.test", "5@x.test", "bob@example.test"}, "request-id-000004")), "");
  // Counted when it is submitted, whenever it goes.
  SubmissionRequest later = To({"7@x.test"}, "request-id-000005");
  later.send_time = clock_.Now() + absl::Hours(24);
  EXPECT_EQ(Refusal(std::move(later)), kReasonSendingLimit);
  ASSERT_TRUE(BlockOn(core_->sending.Pause(ann_.id)).ok());
  EXPECT_EQ(Refusal(To({"bob@example.test"}, "request-id-000006")), kReasonSendingPaused);
}

TEST_F(SubmissionsTest, TheRequestIsChecked) {
  EXPECT_EQ(FieldOf(Submit(To({"bob@example.test"}, "short")).status()), "request_id");
  SubmissionRequest request = To({"bob@example.test"});
  request.envelope.delivery_id = "0123456789abcdef";
  EXPECT_EQ(FieldOf(Submit(std::move(request)).status()), "envelope.delivery_id");
  EXPECT_EQ(FieldOf(Submit(To({})).status()), "envelope.recipients");
  for (const size_t count : {kMaxSubmissionRecipients, kMaxSubmissionRecipients + 1}) {
    const std::vector<std::string> addresses(count, "bob@example.test");
    EXPECT_EQ(Refusal(To(addresses)), count > kMaxSubmissionRecipients ? kReasonTooManyRecipients : "")
        << count;
  }
  for (const absl::Duration delay : {kMaxSendDelay, kMaxSendDelay + absl::Microseconds(1)}) {
    request = To({"bob@example.test"}, absl::StrCat("request-id-later-", absl::ToInt64Microseconds(delay)));
    request.send_time = clock_.Now() + delay;
    EXPECT_EQ(FieldOf(Submit(std::move(request)).status()), delay > kMaxSendDelay ? "send_time" : "");
  }
  ann_.disabled = true;
  EXPECT_EQ(Refusal(To({"bob@example.test"}, "request-id-disabled")), kReasonAccountDisabled);
}

TEST_F(SubmissionsTest, NothingIsDeliveredBeforeItsTime) {
  SubmissionRequest request = To({"bob@example.test", "x@elsewhere.test"});
  request.send_time = clock_.Now() + absl::Hours(24 * 20);
  const auto submitted = Submit(std::move(request));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::string& id = submitted->submission.id;
  EXPECT_EQ(States(id), "scheduled scheduled");
  // Longer than mail stays in the queue: it begins when it goes.
  clock_.Advance(absl::Hours(24 * 20) - absl::Seconds(1));
  WorkOff();
  Relay(engine::QueueOutcome::Kind::kDelivered, {250, "", "ok", "mx.test", clock_.Now()});
  EXPECT_EQ(States(id), "scheduled scheduled");
  EXPECT_EQ(CountIn(bob_.id), 0u);
  // A clock that goes back.
  clock_.Advance(absl::Seconds(-100));
  WorkOff();
  EXPECT_EQ(CountIn(bob_.id), 0u);
  clock_.Advance(absl::Seconds(101));
  WorkOff();
  EXPECT_EQ(CountIn(bob_.id), 1u);
  Relay(engine::QueueOutcome::Kind::kDeferred, {450, "4.2.0", "later", "mx.test", clock_.Now()});
  EXPECT_EQ(States(id), "queued delivered");
  clock_.Advance(absl::Hours(24 * 5) - absl::Seconds(1));
  WorkOff();
  EXPECT_EQ(States(id), "queued delivered");
  clock_.Advance(absl::Seconds(1));
  WorkOff();
  EXPECT_EQ(States(id), "failed delivered");
  EXPECT_EQ(Find(id).targets[0].reply.status, "4.4.7");
  EXPECT_EQ(Find(id).targets[0].reply.text, "later");
}

TEST_F(SubmissionsTest, WhatWaitsCanBeCancelled) {
  SubmissionRequest request = To({"bob@example.test", "x@elsewhere.test"});
  request.send_time = clock_.Now() + absl::Hours(1);
  const auto submitted = Submit(std::move(request));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const auto cancelled = BlockOn(core_->submissions.Cancel(submitted->submission.id));
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->cancelled_count, 2);
  EXPECT_EQ(cancelled->in_flight_count, 0);
  EXPECT_EQ(States(submitted->submission.id), "cancelled cancelled");
  clock_.Advance(absl::Hours(2));
  WorkOff();
  EXPECT_EQ(CountIn(bob_.id), 0u);
  EXPECT_EQ(BlockOn(core_->submissions.Cancel(submitted->submission.id))->cancelled_count, 0);
  EXPECT_EQ(ReasonOf(BlockOn(core_->submissions.Cancel("no such one")).status()), kReasonSubmissionNotFound);
}

TEST_F(SubmissionsTest, ABounceThatComesLaterIsMatched) {
  const auto submitted = Submit(To({"x@elsewhere.test", "y@elsewhere.test"}));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::string& id = submitted->submission.id;
  Relay(engine::QueueOutcome::Kind::kDelivered, {250, "2.0.0", "queued", "mx.test", clock_.Now()});
  EXPECT_EQ(States(id), "relayed relayed");
  clock_.Advance(absl::Hours(48));
  const auto fields = [](const std::string& envelope_id, const std::string& address,
                         const std::string& action) {
    return absl::StrCat("Reporting-MTA: dns; far.test\r\nOriginal-Envelope-Id: ", envelope_id,
                        "\r\n\r\nFinal-Recipient: rfc822; ", address, "\r\nAction: ", action,
                        "\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n");
  };
  Bounce(fields(id, "X@elsewhere.TEST", "delayed"));
  EXPECT_EQ(States(id), "relayed relayed");
  EXPECT_EQ(Find(id).targets[0].bounce->action, engine::SubmissionBounce::Action::kDelayed);
  Bounce(fields(id, "z@elsewhere.test", "failed"));
  Bounce(fields("forged", "x@elsewhere.test", "failed"));
  Bounce(fields(id, "x@elsewhere.test", "delivered"));
  EXPECT_EQ(States(id), "relayed relayed");
  Bounce(fields(id, "x@elsewhere.test", "failed"));
  EXPECT_EQ(States(id), "bounced relayed");
  const engine::SubmissionBounce bounce = *Find(id).targets[0].bounce;
  EXPECT_EQ(bounce.text, "550 no such user");
  EXPECT_EQ(bounce.reporting_host, "far.test");
  EXPECT_EQ(bounce.time, clock_.Now());
  // A host that knows no ENVID returns the header.
  Bounce(fields("", "y@elsewhere.test", "failed"), submitted->submission.message_id);
  EXPECT_EQ(States(id), "bounced bounced");
  // The mail itself is there, always.
  EXPECT_EQ(CountIn(ann_.id), 6u);
}

TEST_F(SubmissionsTest, WhatEndedLongAgoIsForgotten) {
  const auto submitted = Submit(To({"bob@example.test"}));
  ASSERT_TRUE(submitted.ok());
  EXPECT_FALSE(*BlockOn(core_->submissions.Forget(clock_.Now())));
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(*BlockOn(core_->submissions.Forget(clock_.Now())));
  EXPECT_EQ(ReasonOf(BlockOn(core_->submissions.Find(submitted->submission.id)).status()),
            kReasonSubmissionNotFound);
}

}  // namespace
}  // namespace mailstead::stored
