#include "stored/core/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>

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

EnvelopeRecipient To(std::string address) {
  EnvelopeRecipient recipient;
  recipient.address = std::move(address);
  return recipient;
}

Envelope Valid() {
  Envelope envelope;
  envelope.delivery_id = "0123456789abcdef";
  envelope.reverse_path = "sender@elsewhere.test";
  envelope.recipients = {To("a@example.test")};
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
  for (const char* bad : {"a\r\nX: y", "a\x7f", "a\tb", "\xff", "ü"}) {
    EXPECT_EQ(FieldAfter([&](Envelope& e) { e.dsn_envelope_id = bad; }), "envelope.dsn_envelope_id") << bad;
  }
}

TEST(Envelope, OriginalRecipients) {
  const auto original = [](const std::string& value) {
    return FieldAfter([&](Envelope& e) { e.recipients[0].original_recipient = value; });
  };
  EXPECT_EQ(original("rfc822;a@example.test"), "");
  EXPECT_EQ(original("a@example.test"), "envelope.recipients[0].dsn_original_recipient");
  EXPECT_EQ(original("rfc822;" + std::string(493, 'x')), "");
  EXPECT_EQ(original("rfc822;" + std::string(494, 'x')), "envelope.recipients[0].dsn_original_recipient");
  EXPECT_EQ(original("rfc822;a b+c"), "");
  EXPECT_EQ(original("utf-8;ü@example.test"), "");
  EXPECT_EQ(original("UTF-8;ü@example.test"), "");
  // What ORCPT cannot say (RFC 3461 section 4.2, RFC 6533 section 3) no other door may say either.
  for (const char* bad : {"rfc822;a\r\nX: y", "rfc822;a\x7f", "rfc822;\xff", "utf-8;\xff", "rfc822;ü@example.test", "rfc822;",
                          ";a", "r c;a", "rfc822:a"}) {
    EXPECT_EQ(original(bad), "envelope.recipients[0].dsn_original_recipient") << bad;
  }
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

  // Knows lists of 10,000 mailboxes each, one@example.test, and nothing that changes.
  class WideDirectory : public AwayDirectory {
   public:
    Task<absl::StatusOr<std::vector<engine::Place>>> LookUp(std::vector<std::string> addresses) override {
      std::vector<engine::Place> places;
      for (const std::string& address : addresses) {
        engine::Place& place = places.emplace_back();
        place.domain.emplace().plus_addressing = true;
        if (absl::StartsWith(address, "list") && !absl::StrContains(address, '+')) {
          engine::Alias& alias = place.alias.emplace();
          alias.address = address;
          for (int i = 0; i < 10'000; ++i) alias.targets.push_back(absl::StrCat("m", i, ".", address));
        } else if (absl::StartsWith(address, "m") || absl::StartsWith(address, "one")) {
          place.account.emplace().id = AccountId{ids_.try_emplace(address, ids_.size() + 1).first->second};
          place.account->address = address;
        }
      }
      co_return places;
    }

   private:
    std::map<std::string, int64_t> ids_;
  };

  Intake NewIntake(std::string scope = "smtp") { return Intake(context_, std::move(scope)); }

  // The whole of it in one.
  absl::StatusOr<Taken> Take(Envelope envelope, std::string content = "content: x\r\n", std::string trace = "",
                             std::string scope = "smtp", Promise promise = Promise::kNone) {
    Intake intake(context_, std::move(scope), promise);
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
  IntakeContext context_{engine_->messages(), resolver_, nullptr, hash_pool_, executor_, clock_, 1 << 20};
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
  EXPECT_EQ(Fetch(a_, MessageId{2}),
            "Return-Path: <>\r\nDelivered-To: a@example.test\r\n\r\nno field at all\r\n");
}

// A relay may bring addresses as it got them: in our fields they have the form of RFC 5321.
TEST_F(IntakeTest, LocalPartsWithDotsAreQuotedInOurFields) {
  ASSERT_TRUE(directory_.CreateAlias("@example.test", {"a@example.test"}).ok());
  Envelope envelope = Valid();
  envelope.reverse_path = "a..b@docomo.test";
  envelope.recipients = {To("x..y@example.test")};
  ASSERT_TRUE(Take(envelope).ok());
  EXPECT_EQ(Fetch(a_),
            "Return-Path: <\"a..b\"@docomo.test>\r\nDelivered-To: a@example.test\r\n"
            "X-Original-To: \"x..y\"@example.test\r\ncontent: x\r\n");
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
            "X-Original-To: team@example.test\r\nX-Original-To: a+tag@example.test\r\ncontent: x\r\n");
  EXPECT_EQ(Fetch(b_),
            "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: b@example.test\r\n"
            "X-Original-To: team@example.test\r\nX-Original-To: secret@example.test\r\ncontent: x\r\n");
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

TEST_F(IntakeTest, OneOfThoseThatWerePromisedForMustBeThere) {
  Envelope envelope = Valid();
  envelope.recipients = {To("gone@example.test"), To("also@example.test")};
  const absl::Status status = Take(envelope, "x\r\n", "", "smtp", Promise::kGiven).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(ReasonOf(status), kReasonRecipientUnknown);
  EXPECT_EQ(FieldOf(status), "envelope.recipients[0].address");
  EXPECT_EQ(store_->body_count(), 0);
}

TEST_F(IntakeTest, ARepeatFindsItsReceiptAlsoWhenTheAccountIsGone) {
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test"), To("b@example.test")};
  const auto take = [&] { return Take(envelope, "x: y\r\n", "", "smtp", Promise::kGiven); };
  ASSERT_TRUE(take().ok());
  ASSERT_TRUE(directory_.DeleteAccount("b@example.test").ok());
  const auto repeat = take();
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
  EXPECT_EQ(reason(envelope, "another content\r\n"), kReasonDeliveryIdReused);
  Envelope other = envelope;
  other.reverse_path = "other@elsewhere.test";
  EXPECT_EQ(reason(other, "content: x\r\n"), kReasonDeliveryIdReused);
  other = envelope;
  other.recipients = {To("b@example.test")};
  EXPECT_EQ(reason(other, "content: x\r\n"), kReasonDeliveryIdReused);
  EXPECT_TRUE(absl::IsAlreadyExists(Take(other).status()));
  // Another role's ids are others.
  const auto operators = Take(other, "another content", "", "operator");
  ASSERT_TRUE(operators.ok()) << operators.status();
  EXPECT_FALSE(operators->receipt.already_stored);
}

TEST_F(IntakeTest, QuotaIsLeftToTheEngineSoThatARepeatFindsItsReceipt) {
  AccountUpdate update{"a@example.test"};
  update.quota_bytes = 11;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test")};
  for (const bool already_stored : {false, true}) {
    const auto taken = Take(envelope, "fills: it");
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->receipt.already_stored, already_stored);
  }
  envelope.delivery_id = "another-delivery";
  EXPECT_EQ(ReasonOf(Take(envelope, "x").status()), kReasonOverQuota);
}

TEST_F(IntakeTest, SmallMessagesAreNeverStaged) {
  Intake intake = NewIntake();
  ASSERT_TRUE(BlockOn(intake.Begin(Valid())).ok());
  const std::string half = "x:" + std::string(store::kWholeMessageBytes / 2 - 4, 'x') + "\r\n";
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
  const std::string chunk = "y:" + std::string(39'996, 'y') + "\r\n";
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
  const std::string piece = std::string(kMaxHashedAtOnceBytes, 'z') + "\r\n";
  // While the pool is busy the piece waits for it, and goes on by one wake-up.
  const auto busy = std::make_shared<absl::Notification>();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(hash_pool_.Submit([busy] { busy->WaitForNotification(); }));
  const int wake_ups = executor_.wake_up_count();
  absl::Notification appended;
  const auto append = [&]() -> Task<> {
    EXPECT_TRUE((co_await intake.Append(piece)).ok());
    appended.Notify();
  };
  Start(append());
  EXPECT_FALSE(appended.HasBeenNotified());
  busy->Notify();
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
  std::vector<std::string> members;
  for (int i = 0; i < 1000; ++i) {
    members.push_back(absl::StrCat("m", i, "@example.test"));
    Add(members.back());
  }
  ASSERT_TRUE(directory_.CreateAlias("list@example.test", members).ok());
  Envelope envelope = Valid();
  envelope.recipients.clear();
  int64_t kept_bytes = 0;
  for (int i = 0; true; ++i) {
    EnvelopeRecipient recipient = To(absl::StrCat("list+", i, "@example.test"));
    recipient.original_recipient = "rfc822;" + std::string(400, 'o');
    kept_bytes += 1000 * KeptBytes(recipient);
    if (kept_bytes > store::kMaxKeptRecipientBytes) break;
    envelope.recipients.push_back(std::move(recipient));
  }
  const auto taken = Take(envelope);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->mailbox_count, 1000) << "each mailbox once";
  envelope.recipients.push_back(envelope.recipients.back());
  envelope.delivery_id = "another-delivery";
  EXPECT_EQ(ReasonOf(Take(envelope).status()), kReasonTooManyMailboxes);
}

// Of whole aliases, by a resolver that reads nothing: a message may go to as many mailboxes as are allowed, and no more.
TEST_F(IntakeTest, TheNumberOfMailboxesIsLimited) {
  WideDirectory wide;
  RecipientResolver resolver(wide, "");
  const IntakeContext context{engine_->messages(), resolver, nullptr, hash_pool_, executor_, clock_, 1 << 20};
  Envelope envelope = Valid();
  envelope.recipients.clear();
  // Lists of 10,000 and of one.
  for (int i = 0; i < 5; ++i) envelope.recipients.push_back(To(absl::StrCat("list", i, "@example.test")));
  Intake at_limit(context, "smtp");
  EXPECT_TRUE(BlockOn(at_limit.Begin(envelope)).ok());
  // Reached again they count once.
  envelope.recipients.push_back(To("list4+tag@example.test"));
  Intake again(context, "smtp");
  EXPECT_TRUE(BlockOn(again.Begin(envelope)).ok());
  envelope.recipients.push_back(To("one@example.test"));
  Intake over_limit(context, "smtp");
  EXPECT_EQ(ReasonOf(BlockOn(over_limit.Begin(envelope))), kReasonTooManyMailboxes);
}

// What RCPT has said yes to is stored: the mailbox that became full since, and the one that was disabled.
TEST_F(IntakeTest, WhatWasPromisedIsStored) {
  AccountUpdate update{"a@example.test"};
  update.quota_messages = 1;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  AccountUpdate off{"b@example.test"};
  off.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(off).ok());
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test"), To("b@example.test")};
  for (int64_t i = 1; i <= 2; ++i) {
    envelope.delivery_id = absl::StrCat("delivery-number-", i);
    const auto taken = Take(envelope, "x: y\r\n", "", "smtp", Promise::kGiven);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->mailbox_count, 2);
    EXPECT_THAT(taken->passed_over, testing::IsEmpty());
  }
  EXPECT_EQ(BlockOn(engine_->messages().List(a_, MessageId{}, 10))->size(), 2u);
  envelope.delivery_id = "delivery-without-promise";
  envelope.recipients = {To("a@example.test")};
  EXPECT_EQ(ReasonOf(Take(envelope).status()), kReasonOverQuota);
}

// It is in the queue, which returns it.
TEST_F(IntakeTest, AMailboxThatCanNeverHoldItIsReturnedWhileOthersGetIt) {
  AccountUpdate update{"b@example.test"};
  update.quota_bytes = 5;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  ASSERT_TRUE(directory_.CreateAlias("both@example.test", {"a@example.test", "b@example.test"}).ok());
  for (const Promise promise : {Promise::kNone, Promise::kGiven}) {
    const std::string scope = promise == Promise::kGiven ? "smtp" : "operator";
    Envelope envelope = Valid();
    envelope.recipients = {To("both@example.test")};
    auto taken = Take(envelope, "x: y\r\n", "", scope, promise);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->mailbox_count, 1);
    EXPECT_EQ(taken->queued_count, 1);
    EXPECT_THAT(taken->passed_over, testing::IsEmpty());
    // As a recipient of its own: smtpd's message goes to the others, an operator is told.
    envelope.delivery_id = "another-delivery";
    envelope.recipients = {To("a@example.test"), To("b@example.test")};
    taken = Take(envelope, "x: y\r\n", "", scope, promise);
    EXPECT_EQ(taken.ok(), promise == Promise::kGiven) << taken.status();
    if (!taken.ok()) {
      EXPECT_EQ(ReasonOf(taken.status()), kReasonQuotaTooSmall);
    }
    envelope.delivery_id = "one-more-delivery";
    envelope.recipients = {To("b@example.test")};
    EXPECT_EQ(ReasonOf(Take(envelope, "x: y\r\n", "", scope, promise).status()), kReasonQuotaTooSmall);
    envelope.delivery_id = "a-smaller-delivery";
    EXPECT_TRUE(Take(envelope, ":\r\n", "", scope, promise).ok());
  }
}

// The same for whoever brings it.
TEST_F(IntakeTest, AFullTargetOfAnAliasWaits) {
  AccountUpdate update{"b@example.test"};
  update.quota_messages = 1;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  ASSERT_TRUE(directory_.CreateAlias("both@example.test", {"a@example.test", "b@example.test"}).ok());
  ASSERT_TRUE(directory_.CreateAlias("alone@example.test", {"b@example.test"}).ok());
  Envelope envelope = Valid();
  envelope.recipients = {To("b@example.test")};
  ASSERT_TRUE(Take(envelope).ok());
  for (const Promise promise : {Promise::kNone, Promise::kGiven}) {
    const std::string scope = promise == Promise::kGiven ? "smtp" : "operator";
    const auto take = [&](std::vector<EnvelopeRecipient> to) {
      envelope.recipients = std::move(to);
      envelope.delivery_id += "-more";
      return Take(envelope, "x: y\r\n", "", scope, promise);
    };
    const auto taken = take({To("both@example.test")});
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->mailbox_count, 1);
    EXPECT_EQ(taken->queued_count, 1);
    EXPECT_EQ(BlockOn(engine_->messages().List(b_, MessageId{}, 10))->size(), 1u);
    if (promise == Promise::kGiven) continue;
    // By its own address, or an alias of it alone, it is refused, whoever else gets it.
    for (const char* named : {"b@example.test", "alone@example.test"}) {
      EXPECT_EQ(ReasonOf(take({To("both@example.test"), To(named)}).status()), kReasonOverQuota) << named;
    }
  }
}

TEST_F(IntakeTest, WhoIsGoneSinceTheyWerePromisedForIsReturnedWhileOthersGetIt) {
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test"), To("gone@example.test")};
  EXPECT_EQ(ReasonOf(Take(envelope).status()), kReasonRecipientUnknown);
  const auto taken = Take(envelope, "x: y\r\n", "", "smtp", Promise::kGiven);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->mailbox_count, 1);
  EXPECT_EQ(taken->queued_count, 1);
}

TEST_F(IntakeTest, TargetsThatGetNothingAreNamed) {
  AccountUpdate off{"b@example.test"};
  off.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(off).ok());
  ASSERT_TRUE(directory_.CreateAlias("team@example.test", {"a@example.test", "b@example.test", "c@example.test"}).ok());
  Envelope envelope = Valid();
  envelope.recipients = {To("team@example.test")};
  // Also when it is remembered.
  for (int i = 0; i < 2; ++i) {
    envelope.delivery_id = absl::StrCat("delivery-number-", i);
    const auto taken = Take(envelope);
    ASSERT_TRUE(taken.ok()) << taken.status();
    ASSERT_EQ(taken->passed_over.size(), 1u);
    EXPECT_EQ(taken->passed_over[0].targets.unknown_count, 1u);
    EXPECT_EQ(taken->passed_over[0].targets.disabled_count, 1u);
    EXPECT_THAT(taken->passed_over[0].targets.named,
                ElementsAre("c@example.test does not exist", "b@example.test is disabled"));
  }
}

TEST_F(IntakeTest, AnEngineThatIsAwayIsAnError) {
  AwayDirectory away;
  RecipientResolver resolver(away, "");
  const IntakeContext context{engine_->messages(), resolver, nullptr, hash_pool_, executor_, clock_, 1 << 20};
  Intake intake(context, "smtp");
  Envelope envelope = Valid();
  envelope.recipients = {To("a@example.test")};
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(intake.Begin(envelope))));
  Intake promised(context, "smtp", Promise::kGiven);
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(promised.Begin(Valid()))));
}

TEST_F(IntakeTest, AnEmptyMessageIsAMessage) {
  const auto taken = Take(Valid(), "", "Received: here\r\n");
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->receipt.sha256, Sha256(""));
  // Without any field it is none.
  EXPECT_EQ(ReasonOf(Take(Valid(), "").status()), kReasonEmptyMessage);
}

}  // namespace
}  // namespace mailstead::stored
