#include "stored/rules/new_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/reason.h"
#include "stored/rules/queue.h"

namespace mailstead::rules {
namespace {

using engine::Obstacle;
using testing::IsEmpty;
using testing::SizeIs;

engine::NewMessage Message() {
  engine::NewMessage message;
  message.delivery_scope = "smtp";
  message.envelope.delivery_id = "delivery-id-0001";
  message.envelope.reverse_path = "s@example.org";
  message.envelope.recipients.resize(3);
  message.envelope.recipients[0] = {"a@example.test", {true, true, false, false}, "rfc822;o@x", false};
  message.envelope.recipients[1].address = "hidden@example.test";
  message.envelope.recipients[2].address = "alias@example.test";
  message.envelope.recipients[2].remote = true;
  message.envelope.dsn_return = DsnReturn::kFull;
  message.envelope.dsn_envelope_id = "envid";
  message.envelope.eight_bit_mime = true;
  message.envelope.smtputf8 = true;
  message.envelope.require_tls = true;
  message.copies.push_back({AccountId{1}, "P: 1\r\n", {0, 2}, std::nullopt, std::nullopt});
  message.copies.push_back({AccountId{2}, "P: 2\r\n", {1}, MessageId{9}, "given"});
  message.trace = "Received: x\r\n";
  message.sha256 = std::string(32, 'h');
  message.fingerprint = std::string(32, 'f');
  message.deliver_time = absl::FromUnixNanos(1'234'567);
  return message;
}

// What is said of a message whose copies wait so; "taken", or the reason, or "gone".
std::string Said(const engine::NewMessage& message, const std::vector<Waiting>& waiting) {
  const absl::Status status = CheckWaiting(message, waiting);
  if (status.ok()) return "taken";
  return absl::IsNotFound(status) ? "gone" : std::string(ReasonOf(status));
}

constexpr Waiting Small(size_t copy) { return {copy, Obstacle::kTooSmall}; }
constexpr Waiting Full(size_t copy) { return {copy, Obstacle::kFull}; }
constexpr Waiting Gone(size_t copy) { return {copy, Obstacle::kGone}; }

// Recipients 0 and 2 lead to the first mailbox, 1 to the second.
TEST(NewMessage, CopiesWaitWhileSomebodyTakesIt) {
  engine::NewMessage message = Message();
  EXPECT_EQ(Said(message, {}), "taken");
  // Nobody was promised anything: each recipient must be served.
  EXPECT_EQ(Said(message, {Small(1)}), kReasonQuotaTooSmall);
  EXPECT_EQ(Said(message, {Small(0)}), kReasonQuotaTooSmall);
  EXPECT_EQ(Said(message, {Full(1)}), kReasonOverQuota);
  EXPECT_EQ(Said(message, {Gone(1)}), "gone");
  EXPECT_EQ(Said(message, {Small(0), Full(1)}), kReasonOverQuota) << "another time there may be room";
  // The other mailbox serves it too.
  message.copies[0].recipients = {0, 1, 2};
  EXPECT_EQ(Said(message, {Small(1)}), "taken");
  EXPECT_EQ(Said(message, {Small(0)}), kReasonQuotaTooSmall);
  // But one that was named and is full is refused, unless only aliases led there.
  EXPECT_EQ(Said(message, {Full(1)}), kReasonOverQuota);
  EXPECT_EQ(Said(message, {Gone(1)}), "gone");
  message.copies[1].may_wait = true;
  EXPECT_EQ(Said(message, {Full(1)}), "taken");
  EXPECT_EQ(Said(message, {Gone(1)}), "taken");
  EXPECT_EQ(Said(message, {Small(0), Full(1)}), kReasonOverQuota);
}

TEST(NewMessage, WhatWasPromisedIsTakenWhileSomebodyTakesIt) {
  engine::NewMessage message = Message();
  message.room_promised = true;
  EXPECT_EQ(Said(message, {Small(0)}), "taken");
  EXPECT_EQ(Said(message, {Gone(1)}), "taken");
  EXPECT_EQ(Said(message, {Small(0), Small(1)}), kReasonQuotaTooSmall);
  EXPECT_EQ(Said(message, {Gone(0), Small(1)}), "gone");
  // There may be room, and it was promised: it waits.
  EXPECT_EQ(Said(message, {Small(0), Full(1)}), "taken");
  EXPECT_EQ(Said(message, {Full(0), Full(1)}), "taken");
}

// The queue takes what mailboxes do not; but not what only waits there to be returned.
TEST(NewMessage, WhoIsQueuedIsServed) {
  engine::NewMessage message = Message();
  message.queued.recipients = {{1, "hidden@one.example", "one.example"}};
  EXPECT_EQ(Said(message, {Small(1)}), "taken");
  EXPECT_EQ(Said(message, {Small(0)}), kReasonQuotaTooSmall);
  EXPECT_EQ(Said(message, {Small(0), Small(1)}), kReasonQuotaTooSmall);
  message.room_promised = true;
  EXPECT_EQ(Said(message, {Small(0), Small(1)}), "taken");
  message.queued.recipients = {{1, "gone@example.test", MailboxDestination(AccountId{0})}};
  EXPECT_EQ(Said(message, {Small(0), Small(1)}), kReasonQuotaTooSmall);
}

TEST(NewMessage, WhatKeepsACopyOut) {
  engine::NewMessage message = Message();
  engine::NewCopy copy;
  Mailbox mailbox;
  mailbox.quota_bytes = 100;
  EXPECT_EQ(ObstacleOf(message, copy, nullptr, 1), Obstacle::kGone);
  EXPECT_EQ(ObstacleOf(message, copy, &mailbox, 101), Obstacle::kTooSmall);
  EXPECT_EQ(ObstacleOf(message, copy, &mailbox, 100), std::nullopt);
  mailbox.message_bytes = 100;
  EXPECT_EQ(ObstacleOf(message, copy, &mailbox, 1), Obstacle::kFull);
  message.room_promised = true;
  EXPECT_EQ(ObstacleOf(message, copy, &mailbox, 1), std::nullopt);
  copy.may_wait = true;
  EXPECT_EQ(ObstacleOf(message, copy, &mailbox, 1), Obstacle::kFull);
}

TEST(NewMessage, ThatOnlyGoesOutNeedsNoCopies) {
  engine::NewMessage message = Message();
  message.copies.clear();
  EXPECT_FALSE(Check(message).ok());
  message.queued.recipients = {{2, "a@one.example", "one.example"}};
  EXPECT_TRUE(Check(message).ok());
}

TEST(NewMessage, WithARefusalThereNeedBeNoCopies) {
  engine::NewMessage message = Message();
  message.copies.clear();
  message.refusal = absl::NotFoundError("gone");
  EXPECT_TRUE(Check(message).ok());
}

TEST(NewMessage, WhatNoCallerMayGetWrong) {
  EXPECT_TRUE(Check(Message()).ok());
  struct Case {
    const char* field;
    std::function<void(engine::NewMessage&)> spoil;
  };
  for (const Case& c : {
           Case{"delivery_scope", [](auto& m) { m.delivery_scope.clear(); }},
           Case{"delivery_scope", [](auto& m) { m.delivery_scope = std::string("a\0b", 3); }},
           Case{"envelope.delivery_id", [](auto& m) { m.envelope.delivery_id.clear(); }},
           Case{"sha256", [](auto& m) { m.sha256.pop_back(); }},
           Case{"sha256", [](auto& m) { m.sha256.push_back('x'); }},
           Case{"fingerprint", [](auto& m) { m.fingerprint.clear(); }},
           Case{"copies", [](auto& m) { m.copies.clear(); }},
           Case{"copies", [](auto& m) { m.copies[1].account = m.copies[0].account; }},
           Case{"copies.recipients", [](auto& m) { m.copies[0].recipients.clear(); }},
           Case{"copies.recipients",
                [](auto& m) {
                  m.copies[0].recipients = {0, 3};
                }},
           Case{"copies.recipients", [](auto& m) { m.copies[0].recipients = {-1}; }},
           Case{"copies.recipients",
                [](auto& m) {
                  m.copies[0].recipients = {2, 0};
                }},
           Case{"copies.recipients",
                [](auto& m) {
                  m.copies[0].recipients = {0, 0};
                }},
           Case{"copies.id", [](auto& m) { m.copies[1].id = MessageId{0}; }},
           Case{"copies.unique_id", [](auto& m) { m.copies[1].unique_id = ""; }},
           Case{"copies.unique_id", [](auto& m) { m.copies[1].unique_id = std::string(71, 'u'); }},
           Case{"copies.unique_id", [](auto& m) { m.copies[1].unique_id = "a b"; }},
           Case{"queued.recipients.recipient", [](auto& m) { m.queued.recipients[0].recipient = 3; }},
           Case{"queued.recipients.recipient", [](auto& m) { m.queued.recipients[0].recipient = -1; }},
           Case{"queued.recipients.address", [](auto& m) { m.queued.recipients[0].address = ""; }},
           Case{"queued.recipients.destination", [](auto& m) { m.queued.recipients[0].destination = ""; }},
           Case{"queued.recipients.destination",
                [](auto& m) { m.queued.recipients[0].destination = std::string("a\0b", 3); }},
           Case{"queued.recipients.destination",
                [](auto& m) { m.queued.recipients[0].destination = std::string(256, 'd'); }},
       }) {
    engine::NewMessage message = Message();
    if (std::string(c.field).starts_with("queued")) {
      message.queued.recipients = {{2, "a@one.example", "one.example"}};
    }
    c.spoil(message);
    const absl::Status status = Check(message);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(FieldOf(status), c.field);
  }
  engine::NewMessage message = Message();
  message.copies[1].unique_id = std::string(70, '~');
  message.queued.recipients = {{2, "a@one.example", std::string(255, 'd')}};
  EXPECT_TRUE(Check(message).ok());
}

TEST(NewMessage, AMailboxKeepsWhatIsItsOwn) {
  const engine::NewMessage message = Message();
  const Entry first = EntryOf(message, message.copies[0], 100, "chosen");
  EXPECT_EQ(first.unique_id, "chosen");
  EXPECT_EQ(first.prefix, "P: 1\r\n");
  EXPECT_EQ(first.content_bytes, 100);
  EXPECT_EQ(first.trace_bytes, 13);
  EXPECT_EQ(first.size_bytes(), 119);
  // In whole microseconds.
  EXPECT_EQ(first.deliver_time, absl::FromUnixMicros(1'234));
  ASSERT_THAT(first.envelope.recipients, SizeIs(2));
  EXPECT_EQ(first.envelope.recipients[0].address, "a@example.test");
  EXPECT_EQ(first.envelope.recipients[0].notify, (DsnNotify{true, true, false, false}));
  EXPECT_EQ(first.envelope.recipients[0].original_recipient, "rfc822;o@x");
  EXPECT_FALSE(first.envelope.recipients[0].remote);
  EXPECT_EQ(first.envelope.recipients[1].address, "alias@example.test");
  EXPECT_TRUE(first.envelope.recipients[1].remote);
  EXPECT_EQ(first.envelope.dsn_return, DsnReturn::kFull);
  EXPECT_EQ(first.envelope.dsn_envelope_id, "envid");
  EXPECT_TRUE(first.envelope.eight_bit_mime);
  EXPECT_TRUE(first.envelope.smtputf8);
  EXPECT_TRUE(first.envelope.require_tls);
  EXPECT_EQ(first.envelope.delivery_id, "delivery-id-0001");
  EXPECT_EQ(first.envelope.reverse_path, "s@example.org");
  // None of these is said where it was not.
  engine::NewMessage plain = message;
  plain.envelope.eight_bit_mime = plain.envelope.smtputf8 = plain.envelope.require_tls = false;
  const Entry of_plain = EntryOf(plain, plain.copies[0], 100, "chosen");
  EXPECT_FALSE(of_plain.envelope.eight_bit_mime || of_plain.envelope.smtputf8 ||
               of_plain.envelope.require_tls);

  const Entry second = EntryOf(message, message.copies[1], 100, "chosen");
  EXPECT_EQ(second.unique_id, "given");
  ASSERT_THAT(second.envelope.recipients, SizeIs(1));
  EXPECT_EQ(second.envelope.recipients[0].address, "hidden@example.test");
  EXPECT_EQ(AddressOf(message, message.copies[1]), "hidden@example.test");
}

TEST(NewMessage, Summaries) {
  const engine::NewMessage message = Message();
  const Entry entry = EntryOf(message, message.copies[0], 100, "chosen");
  const engine::MessageSummary summary = SummaryOf(MessageId{4}, entry);
  EXPECT_EQ(summary.id.value, 4);
  EXPECT_EQ(summary.unique_id, "chosen");
  EXPECT_EQ(summary.size_bytes, 119);
  EXPECT_EQ(summary.content_bytes, 100);
  EXPECT_EQ(summary.delivery_id, "delivery-id-0001");
  EXPECT_EQ(summary.reverse_path, "s@example.org");
  EXPECT_THAT(summary.recipients, SizeIs(2));
  EXPECT_EQ(summary.sha256, message.sha256);
  const engine::MaildropEntry listed = MaildropEntryOf(MessageId{4}, entry);
  EXPECT_EQ(listed.id.value, 4);
  EXPECT_EQ(listed.unique_id, "chosen");
  EXPECT_EQ(listed.size_bytes, 119);
}

}  // namespace
}  // namespace mailstead::rules
