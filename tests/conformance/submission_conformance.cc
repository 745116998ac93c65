#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "stored/rules/queue.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = QueueOutcome::Kind;
using Decision = QueueDecision::Kind;
using State = SubmissionTarget::State;

constexpr char kContent[] = "Subject: x\r\n\r\nbody\r\n";
constexpr AccountId kSender{77};
constexpr AccountId kOther{78};

std::string Name(State state) {
  constexpr const char* kNames[] = {"scheduled", "queued",  "in_flight", "delivered", "relayed",
                                    "failed",    "bounced", "cancelled", "refused"};
  return kNames[static_cast<size_t>(state)];
}

SubmissionReport ReportOn(AccountId account, const std::string& id, const std::string& message_id,
                          const std::string& address, SubmissionBounce::Action action) {
  SubmissionReport report;
  report.account = account;
  report.id = id;
  report.message_id = message_id;
  report.recipients.push_back(
      {address, {action, "5.1.1", "no such user", "mx.example", absl::FromUnixSeconds(5)}});
  return report;
}

constexpr auto kFailed = SubmissionBounce::Action::kFailed;
constexpr auto kDelayed = SubmissionBounce::Action::kDelayed;

}  // namespace

NewMessage SubmissionConformance::NewSubmitted(absl::string_view id, AccountId account,
                                               const std::vector<std::string>& addresses,
                                               const std::vector<AccountId>& mailboxes) {
  NewMessage message = NewDelivery(id, mailboxes);
  message.delivery_scope = "submission";
  for (const std::string& address : addresses) AddRecipient(message, address);
  message.room_promised = true;
  auto submission = std::make_shared<NewSubmission>();
  submission->account = account;
  submission->request_id = absl::StrCat("request-of-", id);
  submission->envelope = message.envelope;
  submission->envelope.delivery_id.clear();
  for (size_t i = 0; i < message.envelope.recipients.size(); ++i)
    submission->taken.push_back(static_cast<int32_t>(i));
  submission->message_id = absl::StrCat(id, "@example.test");
  message.submission = std::move(submission);
  return message;
}

Submission SubmissionConformance::FindSubmission(const std::string& id) {
  const auto found = BlockOn(facets().submissions().Find(id));
  EXPECT_OK(found.status());
  return found.ok() ? *found : Submission();
}

std::string SubmissionConformance::States(const std::string& id) {
  const Submission submission = FindSubmission(id);
  return absl::StrJoin(submission.targets, " ", [](std::string* out, const SubmissionTarget& target) {
    out->append(Name(target.state));
  });
}

std::vector<std::string> SubmissionConformance::ListSubmissions(AccountId account, SubmissionPlace after,
                                                                size_t limit) {
  const auto page = BlockOn(facets().submissions().List(account, std::move(after), limit));
  EXPECT_OK(page.status());
  std::vector<std::string> ids;
  if (!page.ok()) return ids;
  for (const Submission& submission : *page) ids.push_back(submission.id);
  return ids;
}

namespace {

TEST_P(SubmissionConformance, WhatIsSubmittedIsKeptAlsoOverARestart) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage mail = NewSubmitted("submission-0001", kSender, {"b@one.example"}, {mailbox});
  auto kept = std::make_shared<NewSubmission>(*mail.submission);
  kept->envelope.recipients.push_back({"gone@example.test", {true, false, true, false}, "rfc822;o@x", false});
  kept->envelope.dsn_envelope_id = "envid";
  kept->refused.push_back({2, "RECIPIENT_UNKNOWN", "there is no mailbox"});
  mail.submission = kept;
  ASSERT_OK(Append(mail, kContent).status());
  for (int round = 0; round < 2; ++round) {
    const Submission submission = FindSubmission("submission-0001");
    EXPECT_EQ(submission.account, kSender);
    EXPECT_EQ(submission.request_id, "request-of-submission-0001");
    EXPECT_EQ(submission.message_id, "submission-0001@example.test");
    EXPECT_EQ(submission.envelope.reverse_path, "sender@example.org");
    EXPECT_EQ(submission.envelope.dsn_envelope_id, "envid");
    ASSERT_THAT(submission.envelope.recipients, SizeIs(3));
    EXPECT_EQ(submission.envelope.recipients[2].notify, (DsnNotify{true, false, true, false}));
    EXPECT_EQ(submission.submit_time, clock().Now());
    EXPECT_EQ(submission.send_time, absl::InfinitePast());
    EXPECT_EQ(submission.queue_id, QueueConformance::Ids().front());
    EXPECT_EQ(States("submission-0001"), "queued delivered refused");
    ASSERT_THAT(submission.targets, SizeIs(3));
    EXPECT_TRUE(submission.targets[0].was_queued);
    EXPECT_EQ(submission.targets[0].recipient, 1);
    EXPECT_FALSE(submission.targets[1].was_queued);
    EXPECT_EQ(submission.targets[1].recipient, 0);
    EXPECT_EQ(submission.targets[2].reason, "RECIPIENT_UNKNOWN");
    EXPECT_EQ(submission.targets[2].reply.text, "there is no mailbox");
    Restart();
  }
}

TEST_P(SubmissionConformance, MailThatIsNoneHasNone) {
  PutTo({"a@one.example"});
  Report(LeaseOne(), Kind::kDelivered);
  EXPECT_THAT(ListSubmissions(AccountId{0}), IsEmpty());
  EXPECT_THAT(BlockOn(facets().submissions().Find("queued-delivery-1")).status(),
              HasCode(StatusCode::kNotFound));
  EXPECT_EQ(Forget(absl::InfiniteFuture()), 0u);
}

TEST_P(SubmissionConformance, ARepeatStoresNothingAndAnotherOneIsRefused) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const NewMessage mail = NewSubmitted("submission-0001", kSender, {"b@one.example"}, {mailbox});
  ASSERT_OK(Append(mail, kContent).status());
  NewMessage other = NewSubmitted("submission-0001", kSender, {"c@one.example"});
  other.fingerprint = Sha256("another");
  for (int round = 0; round < 2; ++round) {
    const absl::StatusOr<Receipt> repeat = Append(mail, kContent);
    ASSERT_OK(repeat.status());
    EXPECT_TRUE(repeat->already_stored);
    EXPECT_THAT(Append(other, kContent).status(),
                HasReason(StatusCode::kAlreadyExists, kReasonDeliveryIdReused));
    EXPECT_THAT(List(mailbox), SizeIs(1));
    EXPECT_THAT(QueueConformance::Ids(), SizeIs(1));
    EXPECT_THAT(ListSubmissions(AccountId{0}), SizeIs(1));
    // The receipt is forgotten long before the submission is.
    clock().Advance(absl::Hours(100));
    ASSERT_OK(BlockOn(facets().upkeep().Sweep(absl::Hours(1))));
  }
}

TEST_P(SubmissionConformance, WhatBecomesOfEachRecipientIsKept) {
  ASSERT_OK(
      Append(NewSubmitted("submission-0001", kSender, {"a@one.example", "b@two.example", "c@three.example"}),
             kContent)
          .status());
  std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(3));
  EXPECT_EQ(States("submission-0001"), "in_flight in_flight in_flight");
  for (const QueueAttempt& attempt : attempts) {
    const bool is_first = attempt.destination == "one.example";
    Report(attempt, is_first                               ? Kind::kDelivered
                    : attempt.destination == "two.example" ? Kind::kFailed
                                                           : Kind::kDeferred);
  }
  EXPECT_EQ(States("submission-0001"), "relayed failed queued");
  Submission submission = FindSubmission("submission-0001");
  EXPECT_EQ(submission.targets[0].reply.host, "mx.example.net");
  EXPECT_EQ(submission.targets[1].reply.text, "what it said");
  EXPECT_EQ(submission.targets[2].attempt_count, 1);
  EXPECT_GT(submission.targets[2].next_attempt_time, clock().Now());
  EXPECT_EQ(submission.targets[2].reply.code, 451);
  EXPECT_NE(submission.queue_id, QueueId{0});
  // Of one that has not ended nothing is forgotten.
  EXPECT_EQ(Forget(absl::InfiniteFuture()), 0u);
  QueueDecision expired{Decision::kEnd, submission.queue_id, {2}};
  expired.reply.status = "4.4.7";
  ASSERT_OK(engine().Decide(expired).status());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(States("submission-0001"), "relayed failed failed");
    submission = FindSubmission("submission-0001");
    EXPECT_EQ(submission.queue_id, QueueId{0});
    EXPECT_EQ(submission.targets[2].reply.status, "4.4.7");
    EXPECT_EQ(submission.targets[2].reply.text, "what it said");
    EXPECT_EQ(submission.targets[2].attempt_count, 1);
    Restart();
  }
}

TEST_P(SubmissionConformance, WhatIsCancelledIsSoUnlessAFrontEndIsAtIt) {
  ASSERT_OK(Append(NewSubmitted("submission-0001", kSender, {"a@one.example", "b@two.example"}), kContent)
                .status());
  const QueueAttempt attempt = LeaseOne();
  QueueDecision cancel{Decision::kEnd, attempt.message.id, {}};
  cancel.cancelled = true;
  const absl::StatusOr<QueueChange> change = engine().Decide(cancel);
  ASSERT_OK(change.status());
  EXPECT_THAT(change->ended, SizeIs(1));
  const std::string of_attempt =
      attempt.message.recipients[0].number == 0 ? "in_flight cancelled" : "cancelled in_flight";
  EXPECT_EQ(States("submission-0001"), of_attempt);
  Report(attempt, Kind::kDelivered);
  EXPECT_EQ(States("submission-0001"),
            attempt.message.recipients[0].number == 0 ? "relayed cancelled" : "cancelled relayed");
  EXPECT_THAT(engine().Decide(cancel).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(SubmissionConformance, WhatWaitsForItsTimeGoesNowhereBefore) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const absl::Time send_time = clock().Now() + absl::Hours(24);
  NewMessage mail = NewSubmitted("submission-0001", kSender, {"b@one.example"}, {mailbox});
  mail.queued.not_before = send_time;
  mail.queued.expire_time = send_time + absl::Hours(120);
  const absl::StatusOr<Receipt> receipt = Append(mail, kContent);
  ASSERT_OK(receipt.status());
  EXPECT_THAT(receipt->waiting, ElementsAre(0));
  Restart();
  EXPECT_EQ(States("submission-0001"), "scheduled scheduled");
  EXPECT_EQ(FindSubmission("submission-0001").send_time, send_time);
  // A retry of everything does not bring it forward.
  Decide(Decision::kRetry, QueueConformance::Ids().front());
  clock().Advance(absl::Hours(24) - absl::Microseconds(1));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_THAT(BlockOn(facets().queue().DeliverHere(10)).value(), IsEmpty());
  EXPECT_THAT(List(mailbox), IsEmpty());
  clock().Advance(absl::Microseconds(1));
  EXPECT_THAT(BlockOn(facets().queue().DeliverHere(10)).value(), SizeIs(1));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  EXPECT_EQ(List(mailbox)[0].deliver_time, send_time);
  EXPECT_EQ(States("submission-0001"), "queued delivered");
  Report(LeaseOne(), Kind::kDelivered);
  EXPECT_EQ(States("submission-0001"), "relayed delivered");
}

TEST_P(SubmissionConformance, WhatWaitsForItsTimeCanBeCancelled) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage mail = NewSubmitted("submission-0001", kSender, {"b@one.example"}, {mailbox});
  mail.queued.not_before = clock().Now() + absl::Hours(24);
  ASSERT_OK(Append(mail, kContent).status());
  QueueDecision cancel{Decision::kEnd, QueueConformance::Ids().front(), {}};
  cancel.cancelled = true;
  ASSERT_OK(engine().Decide(cancel).status());
  EXPECT_EQ(States("submission-0001"), "cancelled cancelled");
  clock().Advance(absl::Hours(25));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_THAT(BlockOn(facets().queue().DeliverHere(10)).value(), IsEmpty());
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(SubmissionConformance, AScheduledCopyForAMailboxThatNeverTakesItIsRefusedAtOnce) {
  const AccountId small = NewMailbox("small@example.test", /*quota_bytes=*/5);
  NewMessage mail = NewSubmitted("submission-0001", kSender, {}, {small});
  mail.queued.not_before = clock().Now() + absl::Hours(1);
  EXPECT_THAT(Append(mail, kContent).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonQuotaTooSmall));
  EXPECT_FALSE(IsKept("submission-0001"));
}

TEST_P(SubmissionConformance, SubmissionsAreListedNewestFirst) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_OK(Append(NewSubmitted(absl::StrCat("submission-000", i), i % 2 == 1 ? kSender : kOther,
                                  {"a@one.example"}),
                     kContent)
                  .status());
    // Two at one moment are in the order of their ids.
    if (i != 3) clock().Advance(absl::Seconds(1));
  }
  EXPECT_THAT(ListSubmissions(AccountId{0}),
              ElementsAre("submission-0005", "submission-0004", "submission-0003", "submission-0002",
                          "submission-0001"));
  EXPECT_THAT(ListSubmissions(kSender), ElementsAre("submission-0005", "submission-0003", "submission-0001"));
  EXPECT_THAT(ListSubmissions(AccountId{9}), IsEmpty());
  for (const AccountId account : {AccountId{0}, kSender}) {
    std::vector<std::string> paged;
    SubmissionPlace after;
    for (;;) {
      const std::vector<std::string> page = ListSubmissions(account, after, 1);
      if (page.empty()) break;
      paged.push_back(page[0]);
      after = {FindSubmission(page[0]).submit_time, page[0]};
    }
    EXPECT_EQ(paged, ListSubmissions(account));
  }
}

TEST_P(SubmissionConformance, WhatEndedLongAgoIsForgottenWhole) {
  ASSERT_OK(Append(NewSubmitted("submission-0001", kSender, {"a@one.example"}), kContent).status());
  ASSERT_OK(Append(NewSubmitted("submission-0002", kSender, {"a@one.example"}), kContent).status());
  ASSERT_OK(Append(NewSubmitted("submission-0003", kSender, {}, {NewMailbox("a@example.test")}), kContent)
                .status());
  const absl::Time began = clock().Now();
  clock().Advance(absl::Hours(1));
  Report(LeaseOne(), Kind::kDelivered);
  // It was over when it came.
  EXPECT_EQ(Forget(began), 0u);
  EXPECT_EQ(Forget(began + absl::Microseconds(1)), 1u);
  EXPECT_FALSE(IsKept("submission-0003"));
  EXPECT_EQ(Forget(clock().Now() + absl::Hours(1)), 1u);
  EXPECT_EQ(Forget(clock().Now() + absl::Hours(1)), 0u);
  EXPECT_THAT(ListSubmissions(AccountId{0}), SizeIs(1));
  EXPECT_THAT(ListSubmissions(kSender), SizeIs(1));
  // Nothing finds it any more.
  EXPECT_EQ(NoteReport(ReportOn(kSender, "submission-0001", "submission-0001@example.test", "a@one.example",
                                kFailed)),
            0u);
}

TEST_P(SubmissionConformance, TheOldestThatHasEndedMakesRoom) {
  const auto submit = [&](const std::string& id, AccountId account) {
    NewMessage mail = NewSubmitted(id, account, {"a@one.example"});
    auto kept = std::make_shared<NewSubmission>(*mail.submission);
    kept->most_kept = 2;
    mail.submission = std::move(kept);
    clock().Advance(absl::Seconds(1));
    return Append(std::move(mail), kContent).status();
  };
  ASSERT_OK(submit("submission-0001", kSender));
  ASSERT_OK(submit("submission-0002", kSender));
  EXPECT_THAT(submit("submission-0003", kSender),
              HasReason(StatusCode::kResourceExhausted, kReasonTooManySubmissions));
  EXPECT_FALSE(IsKept("submission-0003"));
  EXPECT_THAT(QueueConformance::Ids(), SizeIs(2));
  ASSERT_OK(submit("submission-0004", kOther));
  QueueDecision cancel{Decision::kEnd, FindSubmission("submission-0002").queue_id, {}};
  ASSERT_OK(engine().Decide(cancel).status());
  ASSERT_OK(submit("submission-0003", kSender));
  EXPECT_THAT(ListSubmissions(kSender), ElementsAre("submission-0003", "submission-0001"));
  EXPECT_FALSE(IsKept("submission-0002"));
}

TEST_P(SubmissionConformance, ANotificationIsKeptWithWhatItMayBeAbout) {
  ASSERT_OK(Append(NewSubmitted("submission-0001", kSender, {"a@one.example", "b@one.example"}), kContent)
                .status());
  const std::string message_id = "submission-0001@example.test";
  // Nothing was relayed yet.
  EXPECT_EQ(NoteReport(ReportOn(kSender, "submission-0001", "", "a@one.example", kFailed)), 0u);
  Report(LeaseOne(), Kind::kDelivered);
  EXPECT_EQ(States("submission-0001"), "relayed relayed");
  struct Row {
    AccountId account;
    std::string id;
    std::string message_id;
    std::string address;
  };
  // Another account's, another id, another recipient: somebody made it up.
  for (const Row& row :
       {Row{kOther, "submission-0001", message_id, "a@one.example"},
        Row{kSender, "submission-0002", "", "a@one.example"},
        Row{kSender, "", "x@example.test", "a@one.example"}, Row{kSender, "", "", "a@one.example"},
        Row{kSender, "submission-0001", message_id, "c@one.example"}}) {
    EXPECT_EQ(NoteReport(ReportOn(row.account, row.id, row.message_id, row.address, kFailed)), 0u) << row.id;
  }
  EXPECT_EQ(States("submission-0001"), "relayed relayed");
  EXPECT_EQ(NoteReport(ReportOn(kSender, "submission-0001", "", "a@one.example", kDelayed)), 1u);
  EXPECT_EQ(States("submission-0001"), "relayed relayed");
  EXPECT_EQ(FindSubmission("submission-0001").targets[0].bounce->action, kDelayed);
  // The id of the envelope of somebody before us, but our Message-ID.
  EXPECT_EQ(NoteReport(ReportOn(kSender, "strange", message_id, "a@one.example", kFailed)), 1u);
  EXPECT_EQ(NoteReport(ReportOn(kSender, "submission-0001", "", "a@one.example", kFailed)), 0u);
  EXPECT_EQ(NoteReport(ReportOn(kSender, "submission-0001", "", "a@one.example", kDelayed)), 0u);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(States("submission-0001"), "bounced relayed");
    const SubmissionTarget target = FindSubmission("submission-0001").targets[0];
    ASSERT_TRUE(target.bounce.has_value());
    EXPECT_EQ(*target.bounce,
              (SubmissionBounce{kFailed, "5.1.1", "no such user", "mx.example", absl::FromUnixSeconds(5)}));
    EXPECT_EQ(target.reply.host, "mx.example.net");
    Restart();
  }
}

TEST_P(SubmissionConformance, WhatCannotBeKeptIsRefused) {
  NewMessage mail = NewSubmitted("submission-0001", kSender, {"a@one.example"});
  auto kept = std::make_shared<NewSubmission>(*mail.submission);
  kept->taken = {1};
  mail.submission = kept;
  EXPECT_THAT(Append(mail, kContent).status(), HasCode(StatusCode::kInvalidArgument));
  std::vector<std::string> many;
  for (size_t i = 0; i < kMaxSubmissionTargets; ++i) many.push_back(absl::StrCat(i, "@one.example"));
  EXPECT_OK(Append(NewSubmitted("submission-0002", kSender, many), kContent).status());
  many.push_back("more@one.example");
  EXPECT_THAT(Append(NewSubmitted("submission-0003", kSender, many), kContent).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonTooManyMailboxes));
  EXPECT_THAT(QueueConformance::Ids(), SizeIs(1));
}

}  // namespace
}  // namespace mailstead::engine
