#include "stored/core/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/fake_engine.h"

namespace mailstead::store {
namespace {

Envelope Valid() {
  Envelope envelope;
  envelope.delivery_id = "0123456789abcdef";
  envelope.reverse_path = "sender@elsewhere.test";
  envelope.recipients = {{"a@example.test", {MailboxId{1}}, "", ""}};
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
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients.push_back({"x"}); }), "envelope.recipients[1].address");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients[0].address = "Postmaster"; }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.recipients[0].mailboxes = {MailboxId{0}}; }),
            "envelope.recipients[0].mailbox_ids");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.dsn_ret = "FULL"; }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.dsn_ret = "HALF"; }), "envelope.dsn_ret");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.dsn_envid = std::string(100, 'x'); }), "");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.dsn_envid = std::string(101, 'x'); }), "envelope.dsn_envid");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.session_id = "a\nb"; }), "envelope.session_id");
  EXPECT_EQ(FieldAfter([](Envelope& e) { e.client_address = std::string(129, '1'); }),
            "envelope.client_address");
}

TEST(Envelope, DsnParametersOfRecipients) {
  const auto notify = [](const char* value) {
    return FieldAfter([&](Envelope& e) { e.recipients[0].dsn_notify = value; });
  };
  EXPECT_EQ(notify("NEVER"), "");
  EXPECT_EQ(notify("SUCCESS,FAILURE,DELAY"), "");
  EXPECT_EQ(notify("failure"), "");
  EXPECT_EQ(notify("NEVER,FAILURE"), "envelope.recipients[0].dsn_notify");
  EXPECT_EQ(notify("SUCCESS,"), "envelope.recipients[0].dsn_notify");
  const auto orcpt = [](const std::string& value) {
    return FieldAfter([&](Envelope& e) { e.recipients[0].dsn_orcpt = value; });
  };
  EXPECT_EQ(orcpt("rfc822;a@example.test"), "");
  EXPECT_EQ(orcpt("a@example.test"), "envelope.recipients[0].dsn_orcpt");
  EXPECT_EQ(orcpt("rfc822;" + std::string(493, 'x')), "");
  EXPECT_EQ(orcpt("rfc822;" + std::string(494, 'x')), "envelope.recipients[0].dsn_orcpt");
}

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() {
    EXPECT_TRUE(engine_.CreateDomain({"example.test", true, absl::UnixEpoch()}).ok());
    for (const char* address : {"a@example.test", "b@example.test"}) {
      Account account;
      account.address = address;
      EXPECT_TRUE(engine_.CreateAccounts({account}).front().ok());
    }
  }

  absl::StatusOr<Receipt> Commit(IncomingMessage& message, const Delivery& delivery) {
    absl::StatusOr<Receipt> result = absl::UnknownError("not called");
    message.Commit(delivery, [&](absl::StatusOr<Receipt> receipt) { result = std::move(receipt); });
    return result;
  }

  std::string Fetch(MailboxId mailbox, MessageId message) {
    auto reader = engine_.OpenMessage(mailbox, message);
    if (!reader.ok()) return reader.status().ToString();
    std::string bytes;
    for (;;) {
      const std::string piece = *(*reader)->Read(bytes.size(), 1 << 20);
      if (piece.empty()) return bytes;
      bytes += piece;
    }
  }

  FakeClock clock_;
  FakeEngine engine_;
  RecipientResolver resolver_{engine_, ""};
};

TEST_F(DeliveryTest, TheReturnPathGoesInFront) {
  Envelope envelope = Valid();
  EXPECT_EQ(ResolveEnvelope(envelope, resolver_, clock_)->prefix, "Return-Path: <sender@elsewhere.test>\r\n");
  envelope.reverse_path = "";
  const auto delivery = ResolveEnvelope(envelope, resolver_, clock_);
  EXPECT_EQ(delivery->prefix, "Return-Path: <>\r\n");
  EXPECT_EQ(delivery->deliver_time, clock_.Now());
}

TEST_F(DeliveryTest, EachMailboxOnceForTheFirstAddressThatLedToIt) {
  Envelope envelope = Valid();
  envelope.recipients = {{"one@x.test", {MailboxId{5}, MailboxId{6}}},
                         {"two@x.test", {MailboxId{6}, MailboxId{7}}}};
  EXPECT_FALSE(NeedsLookUp(envelope));
  const auto delivery = ResolveEnvelope(envelope, resolver_, clock_);
  ASSERT_EQ(delivery->recipients.size(), 3u);
  EXPECT_EQ(delivery->recipients[1].mailbox, MailboxId{6});
  EXPECT_EQ(delivery->recipients[1].address, "one@x.test");
  EXPECT_EQ(delivery->recipients[2].mailbox, MailboxId{7});
}

TEST_F(DeliveryTest, RecipientsWithoutMailboxesAreResolvedHere) {
  Envelope envelope = Valid();
  envelope.recipients = {{"A@example.test"}};
  EXPECT_TRUE(NeedsLookUp(envelope));
  const auto delivery = ResolveEnvelope(envelope, resolver_, clock_);
  ASSERT_EQ(delivery->recipients.size(), 1u);
  EXPECT_EQ(delivery->recipients[0].address, "A@example.test");
  EXPECT_EQ(delivery->recipients[0].mailbox, engine_.GetAccount("a@example.test")->mailbox);
  envelope.recipients = {{"nobody@example.test"}};
  EXPECT_TRUE(absl::IsNotFound(ResolveEnvelope(envelope, resolver_, clock_).status()));
  envelope.recipients = {{"a@example.test"}, {"x@elsewhere.test"}};
  EXPECT_EQ(FieldOf(ResolveEnvelope(envelope, resolver_, clock_).status()), "envelope.recipients[1].address");
}

TEST_F(DeliveryTest, QuotaIsLeftToTheEngineSoThatARepeatFindsItsReceipt) {
  const uint64_t quota = 1;
  AccountChange change;
  change.address = "a@example.test";
  change.quota_bytes = &quota;
  ASSERT_TRUE(engine_.UpdateAccount(change).ok());
  Envelope envelope = Valid();
  envelope.recipients = {{"a@example.test"}};
  for (const bool already_stored : {false, true}) {
    IncomingMessage message(engine_, 1000);
    ASSERT_TRUE(message.Append("fills it").ok());
    const auto receipt = Commit(message, *ResolveEnvelope(envelope, resolver_, clock_));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->already_stored, already_stored);
  }
  envelope.delivery_id = "another-delivery";
  IncomingMessage message(engine_, 1000);
  ASSERT_TRUE(message.Append("x").ok());
  EXPECT_EQ(ReasonOf(Commit(message, *ResolveEnvelope(envelope, resolver_, clock_)).status()),
            kReasonOverQuota);
}

TEST_F(DeliveryTest, SmallMessagesAreNeverStaged) {
  IncomingMessage message(engine_, 1 << 20);
  const std::string half(kSmallMessageBytes / 2, 'x');
  EXPECT_FALSE(message.WouldBlock(half.size()));
  ASSERT_TRUE(message.Append(half).ok());
  EXPECT_FALSE(message.WouldBlock(half.size()));
  EXPECT_TRUE(message.WouldBlock(half.size() + 1));
  ASSERT_TRUE(message.Append(half).ok());
  EXPECT_EQ(engine_.staged_bytes(), 0u);
  const auto receipt = Commit(message, *ResolveEnvelope(Valid(), resolver_, clock_));
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->sha256, Sha256(half + half));
  EXPECT_EQ(Fetch(MailboxId{1}, MessageId{1}), "Return-Path: <sender@elsewhere.test>\r\n" + half + half);
}

TEST_F(DeliveryTest, LargerMessagesAreStagedFromTheFirstByte) {
  IncomingMessage message(engine_, 1 << 20);
  const std::string chunk(40'000, 'y');
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(message.Append(chunk).ok());
  EXPECT_TRUE(message.WouldBlock(0));
  EXPECT_EQ(engine_.staged_bytes(), 120'000u);
  EXPECT_EQ(message.size_bytes(), 120'000u);
  const auto receipt = Commit(message, *ResolveEnvelope(Valid(), resolver_, clock_));
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->sha256, Sha256(chunk + chunk + chunk));
  EXPECT_EQ(Fetch(MailboxId{1}, MessageId{1}).size(), 38u + 120'000u);
  EXPECT_EQ(engine_.staged_body_count(), 0);
}

TEST_F(DeliveryTest, WhatIsGivenUpLeavesNothing) {
  {
    IncomingMessage message(engine_, 1 << 20);
    ASSERT_TRUE(message.Append(std::string(100'000, 'x')).ok());
    EXPECT_EQ(engine_.staged_body_count(), 1);
  }
  EXPECT_EQ(engine_.staged_body_count(), 0);
  EXPECT_EQ(engine_.delivery_count(), 0u);
}

TEST_F(DeliveryTest, TheSizeIsLimited) {
  IncomingMessage message(engine_, 100'000);
  ASSERT_TRUE(message.Append(std::string(99'999, 'x')).ok());
  ASSERT_TRUE(message.Append("x").ok());
  const absl::Status status = message.Append("x");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
}

TEST_F(DeliveryTest, AnEngineThatIsAwayIsAnError) {
  engine_.FailWith(absl::UnavailableError("away"));
  IncomingMessage message(engine_, 1 << 20);
  EXPECT_TRUE(message.Append("small").ok());
  EXPECT_TRUE(absl::IsUnavailable(message.Append(std::string(100'000, 'x'))));
}

TEST_F(DeliveryTest, AnEmptyMessageIsAMessage) {
  IncomingMessage message(engine_, 100);
  const auto receipt = Commit(message, *ResolveEnvelope(Valid(), resolver_, clock_));
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->sha256, Sha256(""));
}

}  // namespace
}  // namespace mailstead::store
