#include "stored/core/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/intake.h"
#include "stored/core/notices.h"
#include "stored/core/routes.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using engine::QueueAttempt;
using engine::QueuedMessage;
using engine::QueueOutcome;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Kind = QueueOutcome::Kind;

constexpr char kLease[] = "lease-of-the-first-relay";

class Told final : public QueueObserver {
 public:
  void Happened(const QueueEvent& event) override { events.push_back(event); }
  void NoticeDropped(QueueId, const std::string& reverse_path, const absl::Status&) override {
    dropped.push_back(reverse_path);
  }
  std::vector<QueueEvent> events;
  std::vector<std::string> dropped;
};

class QueueTest : public StoreTest {
 protected:
  QueueTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    sender_ = MakeAccount("sender@example.test");
    queue_.SetObserver(&told_);
    EXPECT_TRUE(BlockOn(engine_->leases().Renew(kLease, "relay", absl::Hours(1000))).ok());
  }

  AccountId MakeAccount(const std::string& address) {
    NewAccount account;
    account.address = address;
    return directory_.CreateAccount(std::move(account))->id;
  }

  Envelope From(std::string sender, std::vector<std::string> recipients) {
    Envelope envelope;
    envelope.delivery_id = absl::StrCat("delivery-number-", ++deliveries_);
    envelope.reverse_path = std::move(sender);
    for (std::string& address : recipients) {
      EnvelopeRecipient recipient;
      recipient.address = std::move(address);
      envelope.recipients.push_back(std::move(recipient));
    }
    return envelope;
  }

  // As a submission of somebody who may send everywhere.
  absl::StatusOr<Taken> Submit(Envelope envelope, const std::string& content = "Subject: s\r\n\r\nbody\r\n") {
    Intake intake(context_, "smtp", Promise::kGiven);
    intake.AllowRelay();
    RETURN_IF_ERROR(BlockOn(intake.Begin(std::move(envelope))));
    RETURN_IF_ERROR(BlockOn(intake.Append(content)));
    return BlockOn(intake.Finish("Received: here\r\n"));
  }

  // What the recipients are told of a line of `size`, behind two others. By whoever can mend it, or by a stranger.
  absl::Status SubmitLine(const std::string& sender, const std::string& recipient, size_t size, bool can_mend) {
    Intake intake(context_, "smtp", Promise::kGiven);
    if (can_mend) intake.AllowRelay();
    if (can_mend) intake.LimitLines();
    RETURN_IF_ERROR(BlockOn(intake.Begin(From(sender, {recipient}))));
    RETURN_IF_ERROR(BlockOn(intake.Append("Subject: s\r\n\r\n")));
    RETURN_IF_ERROR(BlockOn(intake.Append(std::string(size, 'x') + "\r\n")));
    return BlockOn(intake.Finish("Received: here\r\n")).status();
  }

  void KeepMailFor(const std::string& destination, const std::string& mailbox) {
    NewRoute route;
    route.route.key.destination = destination;
    route.mailbox = mailbox;
    ASSERT_TRUE(BlockOn(routes_.Set(std::move(route))).ok());
  }

  std::vector<QueueAttempt> Lease() {
    engine::QueueLeaseRequest request;
    request.lease_id = kLease;
    request.attempt_limit = 20;
    auto attempts = BlockOn(queue_.Lease(std::move(request), absl::ZeroDuration(), [] { return absl::OkStatus(); }));
    EXPECT_TRUE(attempts.ok()) << attempts.status();
    std::vector<QueueAttempt> only;
    if (!attempts.ok()) return only;
    for (OutboundQueue::Assignment& assignment : *attempts) only.push_back(std::move(assignment.attempt));
    return only;
  }
  QueueAttempt LeaseOne() {
    std::vector<QueueAttempt> attempts = Lease();
    EXPECT_THAT(attempts, SizeIs(1));
    return attempts.empty() ? QueueAttempt() : std::move(attempts.front());
  }

  engine::QueueReport ReportOf(const QueueAttempt& attempt, Kind kind, const std::string& text = "as you like") {
    engine::QueueReport report;
    report.message = attempt.message.id;
    report.grant = attempt.grant;
    report.sign = engine::QueueReport::Sign::kAnswered;
    for (const engine::QueuedRecipient& recipient : attempt.message.recipients) {
      const bool failed = kind == Kind::kFailed;
      const bool delivered = kind == Kind::kDelivered;
      report.outcomes.push_back({recipient.number, kind,
                                 {failed ? 550 : delivered ? 250 : 451, failed ? "5.1.1" : delivered ? "2.0.0" : "4.2.0",
                                  text, "mx.elsewhere.test", clock_.Now()},
                                 absl::InfinitePast()});
    }
    return report;
  }
  absl::Status Report(const QueueAttempt& attempt, Kind kind, const std::string& text = "as you like") {
    return BlockOn(queue_.Report(ReportOf(attempt, kind, text), {}));
  }

  std::vector<std::string> MailOf(AccountId account) {
    std::vector<std::string> contents;
    const auto messages = BlockOn(engine_->messages().List(account, MessageId{0}, 1000));
    for (const engine::MessageSummary& message : *messages) {
      const auto reader = BlockOn(engine_->messages().Open(account, message.id));
      std::string content;
      for (;;) {
        const auto piece = BlockOn((*reader)->Read(static_cast<int64_t>(content.size()), 65536));
        if (!piece.ok() || piece->empty()) break;
        content += *piece;
      }
      contents.push_back(std::move(content));
    }
    return contents;
  }

  // What waits for mailboxes here and is due.
  void DeliverHere() {
    for (;;) {
      const auto more = BlockOn(queue_.DeliverHere());
      ASSERT_TRUE(more.ok()) << more.status();
      if (!*more) return;
    }
  }
  // An account that takes one message, which is there.
  AccountId MakeFull(const std::string& address) {
    const AccountId account = MakeAccount(address);
    AccountUpdate update{address};
    update.quota_messages = 1;
    EXPECT_TRUE(directory_.UpdateAccount(update).ok());
    EXPECT_TRUE(Submit(From("", {address})).ok());
    EXPECT_THAT(MailOf(account), SizeIs(1));
    return account;
  }
  Envelope WithSuccess(std::string sender, std::vector<std::string> recipients) {
    Envelope envelope = From(std::move(sender), std::move(recipients));
    for (EnvelopeRecipient& recipient : envelope.recipients) {
      recipient.notify = {.given = true, .success = true, .failure = true};
    }
    return envelope;
  }

  int64_t QueuedCount() { return BlockOn(engine_->queue().Status())->message_count; }
  void ExpireAll() {
    for (;;) {
      const auto more = BlockOn(queue_.Expire());
      ASSERT_TRUE(more.ok()) << more.status();
      if (!*more) return;
    }
  }

  int deliveries_ = 0;
  AccountId sender_;
  RecipientResolver resolver_{engine_->directory(), ""};
  Routes routes_{engine_->routes(), engine_->directory(), clock_, std::string(32, 'k')};
  IntakeContext context_{engine_->messages(), resolver_,         &routes_,        hash_pool_, executor_, clock_,
                         1 << 20,             absl::Hours(120), absl::Hours(4), &notices_};
  Notices notices_{context_, engine_->queue(), "mx.example.test"};
  TimerQueue timers_;
  OutboundQueue queue_{engine_->queue(), routes_, context_, notices_, clock_, Clock::Steady(), timers_, executor_};
  Told told_;
};

TEST_F(QueueTest, OneCommitForMailboxesAndQueue) {
  const AccountId here = MakeAccount("here@example.test");
  const auto taken = Submit(From("sender@example.test", {"here@example.test", "there@Elsewhere.test"}));
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->mailbox_count, 1);
  EXPECT_EQ(taken->queued_count, 1);
  EXPECT_THAT(MailOf(here), SizeIs(1));
  const QueueAttempt attempt = LeaseOne();
  EXPECT_EQ(attempt.destination, "elsewhere.test");
  EXPECT_EQ(attempt.message.envelope.reverse_path, "sender@example.test");
  ASSERT_THAT(attempt.message.recipients, SizeIs(1));
  EXPECT_EQ(attempt.message.recipients[0].address, "there@Elsewhere.test");
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_TRUE(Report(attempt, Kind::kDelivered).ok());
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_THAT(MailOf(sender_), IsEmpty());
  ASSERT_THAT(told_.events, SizeIs(1));
  EXPECT_EQ(told_.events[0].kind, QueueEvent::Kind::kDelivered);
}

TEST_F(QueueTest, StrangersReachOtherHostsByAliasesOnly) {
  Intake stranger(context_, "smtp", Promise::kNone);
  EXPECT_EQ(ReasonOf(BlockOn(stranger.Begin(From("x@elsewhere.test", {"there@elsewhere.test"})))),
            kReasonRecipientRemote);
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"sender@example.test", "one@elsewhere.test"}).ok());
  Intake by_alias(context_, "smtp", Promise::kGiven);
  ASSERT_TRUE(BlockOn(by_alias.Begin(From("x@elsewhere.test", {"team@example.test", "team+tag@example.test"}))).ok());
  ASSERT_TRUE(BlockOn(by_alias.Append("a: b\r\n")).ok());
  const auto taken = BlockOn(by_alias.Finish(""));
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->mailbox_count, 1);
  EXPECT_EQ(taken->queued_count, 1);
  const QueueAttempt attempt = LeaseOne();
  EXPECT_EQ(attempt.message.recipients[0].address, "one@elsewhere.test");
  EXPECT_EQ(attempt.message.recipients[0].forwarded_for, "team@example.test");
}

// RFC 5321 section 4.5.3.1.6: only who can mend it is refused, and only where another host would have to take it.
TEST_F(QueueTest, LinesThatAreTooLongForOtherHosts) {
  ASSERT_TRUE(directory_.CreateAlias("away@example.test", {"there@elsewhere.test"}).ok());
  KeepMailFor("kept.test", "sender@example.test");
  const struct {
    std::string sender;
    std::string recipient;
    size_t size;
    bool can_mend;
    bool taken;
  } kTable[] = {
      {"sender@example.test", "there@elsewhere.test", 998, true, true},
      {"sender@example.test", "there@elsewhere.test", 999, true, false},
      {"sender@example.test", "there@elsewhere.test", 200'000, true, false},
      // By an alias it comes to another host, too.
      {"sender@example.test", "away@example.test", 999, true, false},
      // What a route keeps here does not.
      {"sender@example.test", "there@kept.test", 999, true, true},
      {"sender@example.test", "sender@example.test", 999, true, true},
      // Forwarded mail goes on as it came.
      {"stranger@other.test", "away@example.test", 999, false, true},
  };
  for (const auto& row : kTable) {
    const absl::Status status = SubmitLine(row.sender, row.recipient, row.size, row.can_mend);
    EXPECT_EQ(status.ok(), row.taken) << row.recipient << " " << row.size << ": " << status;
    if (row.taken) continue;
    EXPECT_EQ(ReasonOf(status), kReasonLineTooLong);
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 3 is longer than 998 octets"));
  }
}

// A repeat finds what was stored while all of it stayed here.
TEST_F(QueueTest, ARepeatIsNotRefusedForItsLines) {
  KeepMailFor("kept.test", "sender@example.test");
  EXPECT_TRUE(SubmitLine("sender@example.test", "there@kept.test", 999, true).ok());
  ASSERT_TRUE(BlockOn(routes_.Delete("kept.test", "", 0)).ok());
  --deliveries_;
  EXPECT_TRUE(SubmitLine("sender@example.test", "there@kept.test", 999, true).ok());
  EXPECT_EQ(ReasonOf(SubmitLine("sender@example.test", "there@kept.test", 999, true)), kReasonLineTooLong);
}

TEST_F(QueueTest, AFailureIsToldInTheCommitThatEndsIt) {
  ASSERT_TRUE(Submit(From("sender@example.test", {"there@elsewhere.test", "also@elsewhere.test"})).ok());
  const QueueAttempt attempt = LeaseOne();
  ASSERT_TRUE(Report(attempt, Kind::kFailed, "no such user here").ok());
  EXPECT_EQ(QueuedCount(), 0);
  std::vector<std::string> mail = MailOf(sender_);
  ASSERT_THAT(mail, SizeIs(1)) << "one for both recipients";
  EXPECT_THAT(mail[0], HasSubstr("Return-Path: <>\r\n"));
  EXPECT_THAT(mail[0], HasSubstr("Final-Recipient: rfc822; there@elsewhere.test"));
  EXPECT_THAT(mail[0], HasSubstr("Final-Recipient: rfc822; also@elsewhere.test"));
  EXPECT_THAT(mail[0], HasSubstr("550 5.1.1 no such user here"));
  EXPECT_THAT(mail[0], HasSubstr("Reporting-MTA: dns; mx.example.test"));
  // A repeat, of a front-end that had no answer.
  ASSERT_TRUE(Report(attempt, Kind::kFailed, "no such user here").ok());
  EXPECT_THAT(MailOf(sender_), SizeIs(1));
  EXPECT_THAT(told_.dropped, IsEmpty());
}

TEST_F(QueueTest, WhoDoesNotWantToHearIsNotTold) {
  Envelope envelope = From("sender@example.test", {"there@elsewhere.test"});
  envelope.recipients[0].notify.given = true;
  ASSERT_TRUE(Submit(std::move(envelope)).ok());
  ASSERT_TRUE(Report(LeaseOne(), Kind::kFailed).ok());
  ASSERT_TRUE(Submit(From("", {"there@elsewhere.test"})).ok());
  ASSERT_TRUE(Report(LeaseOne(), Kind::kFailed).ok());
  EXPECT_THAT(MailOf(sender_), IsEmpty());
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, SuccessIsToldWhereTheNextHostDoesNotTell) {
  for (const bool relayed : {false, true}) {
    Envelope envelope = From("sender@example.test", {"there@elsewhere.test"});
    envelope.recipients[0].notify = {.given = true, .success = true};
    ASSERT_TRUE(Submit(std::move(envelope)).ok());
    const QueueAttempt attempt = LeaseOne();
    const std::vector<int32_t> told_by_host = relayed ? std::vector<int32_t>{0} : std::vector<int32_t>();
    ASSERT_TRUE(BlockOn(queue_.Report(ReportOf(attempt, Kind::kDelivered), told_by_host)).ok());
    ASSERT_THAT(MailOf(sender_), SizeIs(1)) << relayed;
    EXPECT_THAT(MailOf(sender_)[0], HasSubstr("Action: relayed"));
  }
}

TEST_F(QueueTest, ASenderElsewhereIsToldByTheQueue) {
  ASSERT_TRUE(directory_.CreateAlias("list@example.test", {"gone@far.test"}).ok());
  ASSERT_TRUE(Submit(From("stranger@elsewhere.test", {"list@example.test"})).ok());
  ASSERT_TRUE(Report(LeaseOne(), Kind::kFailed).ok());
  const QueueAttempt notice = LeaseOne();
  EXPECT_EQ(notice.message.envelope.reverse_path, "");
  EXPECT_EQ(notice.message.recipients[0].address, "stranger@elsewhere.test");
  // A notice that fails is not answered.
  ASSERT_TRUE(Report(notice, Kind::kFailed).ok());
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, ASenderWhoIsGoneIsNotTold) {
  ASSERT_TRUE(Submit(From("gone@example.test", {"there@elsewhere.test"})).ok());
  ASSERT_TRUE(Report(LeaseOne(), Kind::kFailed).ok());
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_THAT(told_.dropped, ElementsAre("gone@example.test"));
}

TEST_F(QueueTest, WhatTimeBrings) {
  ASSERT_TRUE(Submit(From("sender@example.test", {"there@elsewhere.test"})).ok());
  ASSERT_TRUE(Report(LeaseOne(), Kind::kDeferred, "not now").ok());
  ExpireAll();
  EXPECT_THAT(MailOf(sender_), IsEmpty());
  clock_.Advance(context_.delay_notice_after);
  ExpireAll();
  ExpireAll();
  ASSERT_THAT(MailOf(sender_), SizeIs(1)) << "once";
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("Action: delayed"));
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("not now"));
  clock_.Advance(context_.queue_lifetime);
  ExpireAll();
  ASSERT_THAT(MailOf(sender_), SizeIs(2));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Status: 4.4.7"));
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_EQ(told_.events.back().kind, QueueEvent::Kind::kExpired);
}

TEST_F(QueueTest, WhatIsInFlightDoesNotExpire) {
  ASSERT_TRUE(Submit(From("sender@example.test", {"there@elsewhere.test"})).ok());
  const QueueAttempt attempt = LeaseOne();
  clock_.Advance(context_.queue_lifetime + context_.delay_notice_after);
  ExpireAll();
  EXPECT_EQ(QueuedCount(), 1);
  ASSERT_TRUE(Report(attempt, Kind::kDelivered).ok());
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, OperatorsChangeWhatFits) {
  ASSERT_TRUE(Submit(From("sender@example.test", {"a@one.test", "b@one.test", "c@two.test"})).ok());
  const QueueId id = BlockOn(engine_->queue().List(QueueId{0}, 10, 1))->front().id;
  QueueFilter of_one;
  of_one.destination = "ONE.test";
  ASSERT_TRUE(of_one.Normalize().ok());
  const auto dry = BlockOn(queue_.Change(QueueAction::kHold, of_one, id, /*dry_run=*/true));
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_EQ(dry->changed_count, 2);
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kHold, of_one, id, false))->changed_count, 2);
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kHold, of_one, id, false))->changed_count, 0) << "they are held";
  const QueueAttempt attempt = LeaseOne();
  EXPECT_EQ(attempt.destination, "two.test");
  // It is in flight.
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kCancel, QueueFilter(), id, false))->in_flight_count, 1);
  EXPECT_EQ(QueuedCount(), 1);
  EXPECT_THAT(MailOf(sender_), IsEmpty()) << "nobody is told of what is cancelled";
  ASSERT_TRUE(Report(attempt, Kind::kDeferred).ok());
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kBounce, QueueFilter(), id, false))->changed_count, 1);
  ASSERT_THAT(MailOf(sender_), SizeIs(1));
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("returned by the administrator"));
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, ARetryIsDueAtOnce) {
  ASSERT_TRUE(Submit(From("sender@example.test", {"a@one.test"})).ok());
  const QueueAttempt attempt = LeaseOne();
  ASSERT_TRUE(Report(attempt, Kind::kDeferred).ok());
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kRetry, QueueFilter(), attempt.message.id, false))->changed_count, 1);
  EXPECT_THAT(Lease(), SizeIs(1));
}

TEST_F(QueueTest, ARelayThatDiedIsForgotten) {
  ASSERT_TRUE(Submit(From("sender@example.test", {"a@one.test"})).ok());
  EXPECT_EQ(queue_.CountRelays(), 0);
  LeaseOne();
  EXPECT_EQ(queue_.CountRelays(), 1);
  ASSERT_TRUE(BlockOn(engine_->leases().End(kLease)).ok());
  const auto more = BlockOn(queue_.TakeBack());
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_FALSE(*more);
  ASSERT_TRUE(BlockOn(engine_->leases().Renew(kLease, "relay", absl::Hours(1))).ok());
  EXPECT_THAT(Lease(), IsEmpty()) << "not before the time that was kept when the attempt began";
  clock_.Advance(absl::Hours(1));
  const QueueAttempt again = LeaseOne();
  EXPECT_EQ(again.message.recipients[0].attempt_count, 2);
}

TEST_F(QueueTest, ARouteKeepsMailHere) {
  const AccountId trap = MakeAccount("trap@example.test");
  ASSERT_TRUE(Submit(From("sender@example.test", {"early@elsewhere.test"})).ok());
  NewRoute route;
  route.route.key.destination = "default";
  route.mailbox = "trap@example.test";
  ASSERT_TRUE(BlockOn(routes_.Set(std::move(route))).ok());
  // What comes from now on never enters the queue.
  const auto taken = Submit(From("sender@example.test", {"late@elsewhere.test", "also@far.test"}));
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->queued_count, 0);
  ASSERT_THAT(MailOf(trap), SizeIs(1));
  EXPECT_THAT(MailOf(trap)[0], HasSubstr("Return-Path: <sender@example.test>\r\nDelivered-To: trap@example.test\r\n"
                                         "X-Original-To: late@elsewhere.test\r\nX-Original-To: also@far.test\r\n"));
  // And what waited follows, though no front-end has anything to do.
  EXPECT_THAT(Lease(), IsEmpty());
  ASSERT_THAT(MailOf(trap), SizeIs(2));
  EXPECT_THAT(MailOf(trap)[1], HasSubstr("X-Original-To: early@elsewhere.test\r\nReceived: here\r\nSubject: s\r\n"));
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_EQ(told_.events.back().kind, QueueEvent::Kind::kDelivered);
}

// ---- What waits for mailboxes here

TEST_F(QueueTest, AFullMemberOfAnAliasGetsItsCopyWhenThereIsRoom) {
  const AccountId full = MakeFull("full@example.test");
  const AccountId other = MakeAccount("other@example.test");
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"full@example.test", "other@example.test"}).ok());
  const auto taken = Submit(From("sender@example.test", {"team@example.test"}));
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(MailOf(other), SizeIs(1));
  EXPECT_EQ(QueuedCount(), 1);
  EXPECT_THAT(Lease(), IsEmpty()) << "no relay has to do with it";
  clock_.Advance(absl::Minutes(7));
  DeliverHere();
  ASSERT_THAT(told_.events, SizeIs(1));
  EXPECT_EQ(told_.events[0].kind, QueueEvent::Kind::kDeferred);
  EXPECT_EQ(told_.events[0].recipient, "full@example.test");
  ASSERT_TRUE(BlockOn(engine_->messages().Delete(full, {MessageId{1}})).ok());
  clock_.Advance(absl::Minutes(14));
  DeliverHere();
  ASSERT_THAT(MailOf(full), SizeIs(1));
  EXPECT_EQ(MailOf(full)[0], absl::StrCat("Return-Path: <sender@example.test>\r\nDelivered-To: full@example.test\r\n",
                                          "X-Original-To: team@example.test\r\nReceived: here\r\n",
                                          "Subject: s\r\n\r\nbody\r\n"));
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_EQ(told_.events.back().kind, QueueEvent::Kind::kDelivered);
  EXPECT_THAT(MailOf(sender_), IsEmpty());
}

TEST_F(QueueTest, AFullMemberOfAnAliasIsToldOfAndReturnedInTheEnd) {
  MakeFull("full@example.test");
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"full@example.test", "sender@example.test"}).ok());
  ASSERT_TRUE(Submit(From("sender@example.test", {"team@example.test"})).ok());
  clock_.Advance(context_.delay_notice_after);
  DeliverHere();
  ExpireAll();
  ASSERT_THAT(MailOf(sender_), SizeIs(2));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Action: delayed"));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Final-Recipient: rfc822; full@example.test"));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Status: 4.2.2"));
  clock_.Advance(context_.queue_lifetime);
  DeliverHere();
  ExpireAll();
  ASSERT_THAT(MailOf(sender_), SizeIs(3));
  EXPECT_THAT(MailOf(sender_)[2], HasSubstr("Action: failed"));
  EXPECT_THAT(MailOf(sender_)[2], HasSubstr("Status: 5.2.2"));
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, AMemberThatLeavesWhileItsMailWaitsIsToldOf) {
  MakeFull("full@example.test");
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"full@example.test", "sender@example.test"}).ok());
  ASSERT_TRUE(Submit(From("sender@example.test", {"team@example.test"})).ok());
  ASSERT_TRUE(directory_.DeleteAccount("full@example.test").ok());
  clock_.Advance(absl::Minutes(7));
  DeliverHere();
  ASSERT_THAT(MailOf(sender_), SizeIs(2));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Status: 5.1.1"));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Final-Recipient: rfc822; full@example.test"));
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_EQ(told_.events.back().kind, QueueEvent::Kind::kFailed);
}

TEST_F(QueueTest, WhatCannotBeDeliveredHereIsToldOfAtOnceAndTogether) {
  for (const char* address : {"small@example.test", "tiny@example.test"}) {
    MakeAccount(address);
    AccountUpdate update{address};
    update.quota_bytes = 5;
    ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  }
  const AccountId other = MakeAccount("other@example.test");
  // Gone since RCPT.
  ASSERT_TRUE(Submit(From("sender@example.test", {"small@example.test", "gone@example.test", "other@example.test",
                                                  "tiny@example.test"}))
                  .ok());
  EXPECT_THAT(MailOf(other), SizeIs(1));
  DeliverHere();
  ASSERT_THAT(MailOf(sender_), SizeIs(1)) << "one for all";
  const std::string notice = MailOf(sender_)[0];
  EXPECT_THAT(notice, HasSubstr("Final-Recipient: rfc822; gone@example.test\r\nAction: failed\r\nStatus: 5.1.1"));
  EXPECT_THAT(notice, HasSubstr("Final-Recipient: rfc822; small@example.test\r\nAction: failed\r\nStatus: 5.2.3"));
  EXPECT_THAT(notice, HasSubstr("Final-Recipient: rfc822; tiny@example.test\r\nAction: failed\r\nStatus: 5.2.3"));
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, NobodyIsToldWhoDoesNotWantToOrIsNobody) {
  const AccountId other = MakeAccount("other@example.test");
  Envelope never = From("sender@example.test", {"gone@example.test", "other@example.test"});
  never.recipients[0].notify.given = true;
  ASSERT_TRUE(Submit(std::move(never)).ok());
  ASSERT_TRUE(Submit(From("", {"gone@example.test", "other@example.test"})).ok());
  DeliverHere();
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_THAT(MailOf(sender_), IsEmpty());
  EXPECT_THAT(MailOf(other), SizeIs(2));
  EXPECT_THAT(told_.dropped, IsEmpty());
}

// An operator finds it by its mailbox, and may give it up, or have it tried.
TEST_F(QueueTest, OperatorsHaveWhatWaitsHere) {
  const AccountId full = MakeFull("full@example.test");
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"full@example.test", "sender@example.test"}).ok());
  ASSERT_TRUE(Submit(From("sender@example.test", {"team@example.test"})).ok());
  const QueueId id = BlockOn(engine_->queue().List(QueueId{0}, 10, 1))->front().id;
  QueueFilter of_mailbox;
  of_mailbox.destination = absl::StrCat("mailbox:", full.value);
  ASSERT_TRUE(of_mailbox.Normalize().ok());
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kRetry, of_mailbox, id, false))->changed_count, 1);
  DeliverHere();
  ASSERT_THAT(told_.events, SizeIs(1));
  EXPECT_EQ(told_.events[0].attempt_count, 2);
  EXPECT_EQ(BlockOn(queue_.Change(QueueAction::kBounce, of_mailbox, id, false))->changed_count, 1);
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_THAT(MailOf(sender_), SizeIs(2));
}

// ---- Success

TEST_F(QueueTest, SuccessHereIsToldWithTheMessage) {
  MakeAccount("here@example.test");
  MakeAccount("also@example.test");
  ASSERT_TRUE(directory_.CreateAlias("one@example.test", {"here@example.test"}).ok());
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"here@example.test", "also@example.test"}).ok());
  ASSERT_TRUE(directory_.CreateAlias("far@example.test", {"here@example.test", "x@elsewhere.test"}).ok());
  struct Case {
    std::string to;
    std::string action;
    std::string final_recipient;
  };
  size_t notices = 0;
  for (const Case& c : {Case{"here@example.test", "delivered", "here@example.test"},
                        Case{"here+tag@example.test", "delivered", "here+tag@example.test"},
                        Case{"one@example.test", "delivered", "here@example.test"},
                        Case{"team@example.test", "expanded", "team@example.test"},
                        Case{"far@example.test", "expanded", "far@example.test"}}) {
    Envelope envelope = WithSuccess("sender@example.test", {c.to});
    envelope.dsn_envelope_id = "the-envid";
    envelope.recipients[0].original_recipient = "rfc822;first@example.test";
    const Envelope again = envelope;
    ASSERT_TRUE(Submit(std::move(envelope)).ok()) << c.to;
    const std::vector<std::string> mail = MailOf(sender_);
    ASSERT_THAT(mail, SizeIs(++notices)) << c.to;
    const std::string& notice = mail.back();
    EXPECT_THAT(notice, HasSubstr("Return-Path: <>\r\n"));
    EXPECT_THAT(notice, HasSubstr(absl::StrCat("Final-Recipient: rfc822; ", c.final_recipient, "\r\n")));
    EXPECT_THAT(notice, HasSubstr(absl::StrCat("Action: ", c.action, "\r\n")));
    EXPECT_THAT(notice, HasSubstr("Status: 2."));
    EXPECT_THAT(notice, HasSubstr("Original-Recipient: rfc822; first@example.test\r\n"));
    EXPECT_THAT(notice, HasSubstr("Original-Envelope-Id: the-envid\r\n"));
    EXPECT_THAT(notice, HasSubstr("Subject: s\r\n")) << "the header comes back";
    EXPECT_THAT(notice, Not(HasSubstr("\r\nbody\r\n"))) << "and no more of it";
    // A repeat is told nothing again.
    ASSERT_TRUE(Submit(again)->receipt.already_stored);
    EXPECT_THAT(MailOf(sender_), SizeIs(notices));
  }
  // Of what was expanded no success is told.
  ASSERT_TRUE(Report(LeaseOne(), Kind::kDelivered).ok());
  EXPECT_THAT(MailOf(sender_), SizeIs(notices));
  EXPECT_EQ(QueuedCount(), 0);
}

TEST_F(QueueTest, SuccessIsToldOnceForAllOfAMessageAndOnlyWhereItIsSo) {
  MakeAccount("a@example.test");
  MakeAccount("b@example.test");
  MakeAccount("small@example.test");
  AccountUpdate update{"small@example.test"};
  update.quota_bytes = 5;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  Envelope envelope = WithSuccess("sender@example.test", {"a@example.test", "b@example.test", "small@example.test"});
  ASSERT_TRUE(Submit(std::move(envelope)).ok());
  ASSERT_THAT(MailOf(sender_), SizeIs(1));
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("Final-Recipient: rfc822; a@example.test\r\nAction: delivered"));
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("Final-Recipient: rfc822; b@example.test\r\nAction: delivered"));
  EXPECT_THAT(MailOf(sender_)[0], Not(HasSubstr("small@example.test")));
  DeliverHere();
  ASSERT_THAT(MailOf(sender_), SizeIs(2));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Final-Recipient: rfc822; small@example.test\r\nAction: failed"));
}

TEST_F(QueueTest, SuccessIsToldOfLargeMessagesWithTheirHeader) {
  MakeAccount("here@example.test");
  std::string content = "Subject: a large one\r\n\r\n";
  while (content.size() < 900'000) absl::StrAppend(&content, std::string(76, 'x'), "\r\n");
  ASSERT_TRUE(Submit(WithSuccess("sender@example.test", {"here@example.test"}), content).ok());
  ASSERT_THAT(MailOf(sender_), SizeIs(1));
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("Received: here\r\nSubject: a large one\r\n"));
  EXPECT_LT(MailOf(sender_)[0].size(), 10'000u);
}

TEST_F(QueueTest, WhoHearsOfSuccessHere) {
  MakeAccount("here@example.test");
  // Nobody, and nobody who is there: the mail is taken all the same.
  ASSERT_TRUE(Submit(WithSuccess("", {"here@example.test"})).ok());
  const auto taken = Submit(WithSuccess("gone@example.test", {"here@example.test"}));
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_FALSE(taken->notice_dropped.ok());
  EXPECT_EQ(QueuedCount(), 0);
  // Who is elsewhere hears by the queue, and an answer to that goes nowhere.
  ASSERT_TRUE(Submit(WithSuccess("stranger@elsewhere.test", {"here@example.test"})).ok());
  const QueueAttempt notice = LeaseOne();
  EXPECT_EQ(notice.message.envelope.reverse_path, "");
  EXPECT_EQ(notice.message.recipients[0].address, "stranger@elsewhere.test");
  EXPECT_EQ(notice.message.recipients[0].notify, (DsnNotify{.given = true})) << "NEVER";
  ASSERT_TRUE(Report(notice, Kind::kFailed).ok());
  EXPECT_EQ(QueuedCount(), 0);
  EXPECT_THAT(MailOf(sender_), IsEmpty());
}

// What a route keeps here is delivered, at once or when the route is set.
TEST_F(QueueTest, SuccessIsToldOfWhatARouteKeeps) {
  MakeAccount("trap@example.test");
  ASSERT_TRUE(Submit(WithSuccess("sender@example.test", {"early@elsewhere.test"})).ok());
  NewRoute route;
  route.route.key.destination = "default";
  route.mailbox = "trap@example.test";
  ASSERT_TRUE(BlockOn(routes_.Set(std::move(route))).ok());
  ASSERT_TRUE(Submit(WithSuccess("sender@example.test", {"late@elsewhere.test"})).ok());
  ASSERT_THAT(MailOf(sender_), SizeIs(1));
  EXPECT_THAT(MailOf(sender_)[0], HasSubstr("Final-Recipient: rfc822; late@elsewhere.test\r\nAction: delivered"));
  EXPECT_THAT(Lease(), IsEmpty());
  ASSERT_THAT(MailOf(sender_), SizeIs(2));
  EXPECT_THAT(MailOf(sender_)[1], HasSubstr("Final-Recipient: rfc822; early@elsewhere.test\r\nAction: delivered"));
}

TEST(QueueFilter, IsNormalizedOrRefused) {
  QueueFilter good{QueueId{0}, "Ann@Example.TEST", "@BÜCHER.test", "Example.Test"};
  ASSERT_TRUE(good.Normalize().ok());
  EXPECT_EQ(good.sender, "ann@example.test");
  EXPECT_EQ(good.recipient, "@xn--bcher-kva.test");
  EXPECT_EQ(good.destination, "example.test");
  const auto field = [](QueueFilter filter) { return FieldOf(filter.Normalize()); };
  EXPECT_EQ(field({QueueId{-1}, "", "", ""}), "filter.queue_id");
  EXPECT_EQ(field({QueueId{0}, "nobody", "", ""}), "filter.sender");
  EXPECT_EQ(field({QueueId{0}, "", "<>", ""}), "filter.recipient");
  EXPECT_EQ(field({QueueId{0}, "", "", "a b"}), "filter.destination");
}

}  // namespace
}  // namespace mailstead::stored
