#include "stored/core/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "common/store/limits.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using testing::ElementsAre;

EnvelopeRecipient To(std::string address, std::vector<AccountId> accounts = {}) {
  EnvelopeRecipient recipient;
  recipient.address = std::move(address);
  recipient.accounts = std::move(accounts);
  return recipient;
}

Envelope Valid() {
  Envelope envelope;
  envelope.delivery_id = "0123456789abcdef";
  envelope.reverse_path = "sender@elsewhere.test";
  envelope.recipients = {To("a@example.test", {AccountId{1}})};
  return envelope;
}

// The field that is named when `change` is made to a valid envelope; empty when it is still valid.
std::string FieldAfter(const std::function<void(Envelope&)>& change) {
  Envelope envelope = Valid();
  change(envelope);
  const absl::Status status = CheckEnvelope(envelope);
  return status.ok() ? "" : FieldOf(status);
}

TEST(Envelope, EveryFieldIsChecked) {
  EXPECT_EQ(FieldAfter([](Envelope&) {}), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.delivery_id = "short"; }), "envelope.delivery_id");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.reverse_path = ""; }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.reverse_path = "x"; }), "envelope.reverse_path");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.reverse_path = "a@b.test>\r\nX: y"; }), "envelope.reverse_path");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.reverse_path = "\"a\r\nX: y\"@b.test"; }),
            "envelope.reverse_path");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients.clear(); }), "envelope.recipients");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients.resize(10'000, e.recipients[0]); }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients.resize(10'001, e.recipients[0]); }),
            "envelope.recipients");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients.push_back(To("x")); }),
            "envelope.recipients[1].address");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients.push_back(To("a@b.test\r\nX: y")); }),
            "envelope.recipients[1].address");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients[0].address = "Postmaster"; }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.dsn_envelope_id = std::string(100, 'x'); }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.dsn_envelope_id = std::string(101, 'x'); }),
            "envelope.dsn_envelope_id");
}

TEST(Envelope, OriginalRecipients) {
  const auto original = [](const std::string& value) {
    return FieldAfter([&](Envelope& e) { e.recipients[0].original_recipient = value; });
  };
  EXPECT_EQ(original("rfc822;a@example.test"), "");
  EXPECT_EQ(original("a@example.test"), "envelope.recipients[0].dsn_original_recipient");
  EXPECT_EQ(original("rfc822;" + std::string(493, 'x')), "");
  EXPECT_EQ(original("rfc822;" + std::string(494, 'x')), "envelope.recipients[0].dsn_original_recipient");
}

TEST(Trace, IsWholeLines) {
  EXPECT_TRUE(CheckTrace("").ok());
  EXPECT_TRUE(CheckTrace("Received: from x\r\n\tby y; now\r\nDate: today\r\n").ok());
  // In front of content that does not begin with a field.
  EXPECT_TRUE(CheckTrace("A: x\r\n\r\n").ok());
  for (const char* bad : {"Received: x", "Received: x\n", "A: x\r\n\r\n\r\n", "\r\n\r\n", "\r\n", "\r\nA: x\r\n",
                          "A: x\r\n\r\nB: y\r\n", "A: x\ry\r\n", "A: x\ny\r\n", "A: x\r"}) {
    EXPECT_EQ(FieldOf(CheckTrace(bad)), "end.trace") << bad;
  }
  EXPECT_EQ(FieldOf(CheckTrace(absl::string_view("A: \0\r\n", 6))), "end.trace");
  EXPECT_TRUE(CheckTrace(std::string(kMaxTraceBytes - 2, 'x') + "\r\n").ok());
  EXPECT_EQ(FieldOf(CheckTrace(std::string(kMaxTraceBytes - 1, 'x') + "\r\n")), "end.trace");
}

TEST(Fingerprint, IsOfContentSenderAndRecipients) {
  const std::string sha256 = Sha256("x");
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test"), To("b@example.test")};
  const std::string first = DeliveryFingerprint(sha256, envelope);
  std::swap(envelope.recipients[0], envelope.recipients[1]);
  EXPECT_EQ(DeliveryFingerprint(sha256, envelope), first);
  EXPECT_NE(DeliveryFingerprint(Sha256("y"), envelope), first);
  envelope.reverse_path = "";
  EXPECT_NE(DeliveryFingerprint(sha256, envelope), first);
  envelope = Valid();
  EXPECT_NE(DeliveryFingerprint(sha256, envelope), first);
}

class IntakeTest : public StoreTest {
 protected:
  IntakeTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    a_ = Add("a@example.test");
    b_ = Add("b@example.test");
  }

  AccountId Add(const std::string& address) {
    NewAccount account;
    account.address = address;
    return directory_.CreateAccount(account)->id;
  }

  Intake NewIntake(std::string scope = "smtp") { return Intake(context_, std::move(scope)); }

  // The whole of it in one.
  absl::StatusOr<Taken> Take(Envelope envelope, std::string content = "content", std::string trace = "",
                             std::string scope = "smtp") {
    Intake intake(context_, std::move(scope));
    absl::Status status = BlockOn(intake.Begin(std::move(envelope)));
    if (status.ok()) status = BlockOn(intake.Append(std::move(content)));
    if (!status.ok()) return status;
    return BlockOn(intake.Finish(std::move(trace)));
  }

  std::string Fetch(AccountId account, MessageId message = MessageId{1}) {
    auto reader = BlockOn(engine_->messages().Open(account, message));
    if (!reader.ok()) return reader.status().ToString();
    std::string bytes;
    for (;;) {
      const std::string piece = *BlockOn((*reader)->Read(static_cast<int64_t>(bytes.size()), 64 << 10));
      if (piece.empty()) return bytes;
      bytes += piece;
    }
  }

  RecipientResolver resolver_{engine_->directory(), ""};
  IntakeContext context_{engine_->messages(), resolver_, hash_pool_, executor_, clock_, 1 << 20};
  AccountId a_;
  AccountId b_;
};

TEST_F(IntakeTest, OurFieldsGoInFrontAndTheTraceBehindThem) {
  Envelope envelope = Valid();
  ASSERT_TRUE(Take(envelope, "Subject: x\r\n\r\n", "Received: here\r\n").ok());
  EXPECT_EQ(Fetch(a_),
            "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: a@example.test\r\nReceived: here\r\n"
            "Subject: x\r\n\r\n");
  envelope.reverse_path = "";
  envelope.delivery_id = "another-delivery";
  ASSERT_TRUE(Take(envelope, "no field at all", "").ok());
  EXPECT_EQ(Fetch(a_, MessageId{2}), "Return-Path: <>\r\nDelivered-To: a@example.test\r\nno field at all");
}

TEST_F(IntakeTest, EachMailboxOnceWithAllAddressesThatLedToItAndNoOther) {
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"a@example.test", "b@example.test"}).ok());
  ASSERT_TRUE(directory_.CreateAlias("@example.test", {"b@example.test"}).ok());
  Envelope envelope = Valid();
  envelope.recipients = {To("A@example.test"),     To("team@example.test"), To("secret@example.test"),
                         To("a+tag@example.test"), To("team@example.test"), To("b@example.test")};
  const auto taken = Take(envelope);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->mailbox_count, 2);
  EXPECT_EQ(Fetch(a_),
            "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: a@example.test\r\n"
            "X-Original-To: team@example.test\r\nX-Original-To: a+tag@example.test\r\ncontent");
  EXPECT_EQ(Fetch(b_),
            "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: b@example.test\r\n"
            "X-Original-To: team@example.test\r\nX-Original-To: secret@example.test\r\ncontent");
  const auto messages = BlockOn(engine_->messages().List(a_, MessageId{}, 10));
  ASSERT_TRUE(messages.ok()) << messages.status();
  ASSERT_EQ(messages->size(), 1u);
  std::vector<std::string> addresses;
  for (const EnvelopeRecipient& recipient : messages->front().recipients)
    addresses.push_back(recipient.address);
  EXPECT_THAT(addresses,
              ElementsAre("A@example.test", "team@example.test", "a+tag@example.test", "team@example.test"));
}

TEST_F(IntakeTest, NothingOfTheEnvelopeIsLost) {
  Envelope envelope = Valid();
  envelope.dsn_return = DsnReturn::kHeaders;
  envelope.dsn_envelope_id = "envid";
  envelope.eight_bit_mime = envelope.smtputf8 = envelope.require_tls = true;
  envelope.recipients[0].notify = {.given = true, .success = true};
  envelope.recipients[0].original_recipient = "rfc822;first@example.test";
  ASSERT_TRUE(Take(envelope).ok());
  const auto messages = BlockOn(engine_->messages().List(a_, MessageId{}, 10));
  ASSERT_TRUE(messages.ok()) << messages.status();
  ASSERT_EQ(messages->size(), 1u);
  EXPECT_EQ(messages->front().recipients[0].notify, envelope.recipients[0].notify);
  EXPECT_EQ(messages->front().recipients[0].original_recipient, "rfc822;first@example.test");
}

TEST_F(IntakeTest, RecipientsThatDoNotLeadHereAreNamedByTheirIndex) {
  Envelope envelope = Valid();
  envelope.recipients = {To("nobody@example.test")};
  absl::Status status = Take(envelope).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(ReasonOf(status), kReasonRecipientUnknown);
  envelope.recipients = {To("a@example.test"), To("x@elsewhere.test")};
  status = Take(envelope).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(ReasonOf(status), kReasonRecipientRemote);
  EXPECT_EQ(FieldOf(status), "envelope.recipients[1].address");
  AccountUpdate off{"b@example.test"};
  off.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(off).ok());
  envelope.recipients = {To("a@example.test"), To("b@example.test")};
  status = Take(envelope).status();
  EXPECT_EQ(ReasonOf(status), kReasonRecipientDisabled);
  EXPECT_EQ(FieldOf(status), "envelope.recipients[1].address");
}

TEST_F(IntakeTest, AccountsThatAFrontEndNamesMustBeThere) {
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test", {a_}), To("gone@example.test", {AccountId{999}})};
  const absl::Status status = Take(envelope).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(ReasonOf(status), kReasonRecipientUnknown);
  EXPECT_EQ(FieldOf(status), "envelope.recipients[1].address");
  EXPECT_EQ(store_->body_count(), 0);
}

TEST_F(IntakeTest, ARepeatFindsItsReceiptAlsoWhenTheAccountIsGone) {
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test", {a_}), To("b@example.test", {b_})};
  ASSERT_TRUE(Take(envelope).ok());
  ASSERT_TRUE(directory_.DeleteAccount("b@example.test").ok());
  const auto repeat = Take(envelope);
  ASSERT_TRUE(repeat.ok()) << repeat.status();
  EXPECT_TRUE(repeat->receipt.already_stored);
}

TEST_F(IntakeTest, AnIdUsedAgainForSomethingElseIsRefused) {
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test")};
  ASSERT_TRUE(Take(envelope).ok());
  EXPECT_TRUE(Take(envelope)->receipt.already_stored);
  const auto reason = [&](const Envelope& changed, const std::string& content) {
    return ReasonOf(Take(changed, content).status());
  };
  EXPECT_EQ(reason(envelope, "another content"), kReasonDeliveryIdReused);
  Envelope other = envelope;
  other.reverse_path = "other@elsewhere.test";
  EXPECT_EQ(reason(other, "content"), kReasonDeliveryIdReused);
  other = envelope;
  other.recipients = {To("b@example.test")};
  EXPECT_EQ(reason(other, "content"), kReasonDeliveryIdReused);
  EXPECT_TRUE(absl::IsAlreadyExists(Take(other, "content").status()));
  // Another role's ids are others.
  const auto operators = Take(other, "another content", "", "operator");
  ASSERT_TRUE(operators.ok()) << operators.status();
  EXPECT_FALSE(operators->receipt.already_stored);
}

TEST_F(IntakeTest, QuotaIsLeftToTheEngineSoThatARepeatFindsItsReceipt) {
  AccountUpdate update{"a@example.test"};
  update.quota_bytes = 1;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test")};
  for (const bool already_stored : {false, true}) {
    const auto taken = Take(envelope, "fills it");
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->receipt.already_stored, already_stored);
  }
  envelope.delivery_id = "another-delivery";
  EXPECT_EQ(ReasonOf(Take(envelope, "x").status()), kReasonOverQuota);
}

TEST_F(IntakeTest, SmallMessagesAreNeverStaged) {
  Intake intake = NewIntake();
  ASSERT_TRUE(BlockOn(intake.Begin(Valid())).ok());
  const std::string half(store::kWholeMessageBytes / 2, 'x');
  ASSERT_TRUE(BlockOn(intake.Append(half)).ok());
  ASSERT_TRUE(BlockOn(intake.Append(half)).ok());
  EXPECT_EQ(store_->staged_bytes(), 0);
  const auto taken = BlockOn(intake.Finish(""));
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->receipt.sha256, Sha256(half + half));
  EXPECT_TRUE(absl::EndsWith(Fetch(a_), "a@example.test\r\n" + half + half));
}

TEST_F(IntakeTest, LargerMessagesAreStagedFromTheFirstByte) {
  Intake intake = NewIntake();
  ASSERT_TRUE(BlockOn(intake.Begin(Valid())).ok());
  const std::string chunk(40'000, 'y');
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(BlockOn(intake.Append(chunk)).ok());
  EXPECT_EQ(store_->staged_bytes(), 120'000);
  EXPECT_EQ(intake.size_bytes(), 120'000);
  const auto taken = BlockOn(intake.Finish("Received: x\r\n"));
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->receipt.sha256, Sha256(chunk + chunk + chunk));
  EXPECT_TRUE(absl::EndsWith(Fetch(a_), "Received: x\r\n" + chunk + chunk + chunk));
  EXPECT_EQ(store_->staged_body_count(), 0);
}

TEST_F(IntakeTest, AGreatPieceIsHashedElsewhere) {
  Intake intake = NewIntake();
  ASSERT_TRUE(BlockOn(intake.Begin(Valid())).ok());
  const std::string piece(kMaxHashedAtOnceBytes + 1, 'z');
  // While the pool is busy the piece waits for it, and goes on by one wake-up.
  absl::Notification busy;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(hash_pool_.Submit([&busy] { busy.WaitForNotification(); }));
  const int wake_ups = executor_.wake_up_count();
  absl::Notification appended;
  const auto append = [&]() -> Task<> {
    EXPECT_TRUE((co_await intake.Append(piece)).ok());
    appended.Notify();
  };
  Start(append());
  EXPECT_FALSE(appended.HasBeenNotified());
  busy.Notify();
  appended.WaitForNotification();
  EXPECT_EQ(executor_.wake_up_count(), wake_ups + 1);
  EXPECT_EQ(BlockOn(intake.Finish(""))->receipt.sha256, Sha256(piece));
}

TEST_F(IntakeTest, WhatIsGivenUpLeavesNothing) {
  {
    Intake intake = NewIntake();
    ASSERT_TRUE(BlockOn(intake.Begin(Valid())).ok());
    ASSERT_TRUE(BlockOn(intake.Append(std::string(100'000, 'x'))).ok());
    EXPECT_EQ(store_->staged_body_count(), 1);
  }
  EXPECT_EQ(store_->staged_body_count(), 0);
  EXPECT_EQ(store_->body_count(), 0);
}

TEST_F(IntakeTest, TheSizeIsLimited) {
  context_.max_message_bytes = 100'000;
  Intake intake = NewIntake();
  ASSERT_TRUE(BlockOn(intake.Begin(Valid())).ok());
  ASSERT_TRUE(BlockOn(intake.Append(std::string(99'999, 'x'))).ok());
  ASSERT_TRUE(BlockOn(intake.Append("x")).ok());
  const absl::Status status = BlockOn(intake.Append("x"));
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
}

// Recipients times mailboxes is what our fields cost, and strangers choose both.
TEST_F(IntakeTest, FieldsInFrontHaveABoundOnTheirSum) {
  std::vector<AccountId> members;
  for (int i = 0; i < 1000; ++i) members.push_back(Add(absl::StrCat("m", i, "@example.test")));
  Envelope envelope = Valid();
  envelope.recipients.clear();
  for (int i = 0; i < 100; ++i)
    envelope.recipients.push_back(To(absl::StrCat("list+", i, "@example.test"), members));
  EXPECT_TRUE(Take(envelope).ok());
  for (int i = 100; i < 200; ++i)
    envelope.recipients.push_back(To(absl::StrCat("list+", i, "@example.test"), members));
  envelope.delivery_id = "another-delivery";
  EXPECT_EQ(ReasonOf(Take(envelope).status()), kReasonTooLarge);
}

TEST_F(IntakeTest, AnEngineThatIsAwayIsAnError) {
  AwayDirectory away;
  RecipientResolver resolver(away, "");
  const IntakeContext context{engine_->messages(), resolver, hash_pool_, executor_, clock_, 1 << 20};
  Intake intake(context, "smtp");
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test")};
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(intake.Begin(envelope))));
  Intake resolved(context, "smtp");
  ASSERT_TRUE(BlockOn(resolved.Begin(Valid())).ok()) << "nothing to look up";
  ASSERT_TRUE(BlockOn(resolved.Append("x")).ok());
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(resolved.Finish("")).status()));
}

TEST_F(IntakeTest, AnEmptyMessageIsAMessage) {
  const auto taken = Take(Valid(), "");
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->receipt.sha256, Sha256(""));
}

}  // namespace
}  // namespace mailstead::stored
