#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/destination.h"
#include "stored/rules/queue.h"
#include "stored/rules/room.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using Kind = QueueOutcome::Kind;
using Sign = QueueReport::Sign;
using Decision = QueueDecision::Kind;

constexpr char kTrace[] = "Received: here\r\n";
constexpr char kContent[] = "Subject: x\r\n\r\nbody\r\n";

std::vector<std::string> Addresses(const QueuedMessage& message) {
  std::vector<std::string> addresses;
  for (const QueuedRecipient& recipient : message.recipients) addresses.push_back(recipient.address);
  return addresses;
}

std::vector<int32_t> Numbers(const QueuedMessage& message) {
  std::vector<int32_t> numbers;
  for (const QueuedRecipient& recipient : message.recipients) numbers.push_back(recipient.number);
  return numbers;
}

std::vector<QueueId> IdsOf(const std::vector<QueuedMessage>& messages) {
  std::vector<QueueId> ids;
  for (const QueuedMessage& message : messages) ids.push_back(message.id);
  return ids;
}

std::vector<QueueId> IdsOf(const std::vector<QueueAttempt>& attempts) {
  std::vector<QueueId> ids;
  for (const QueueAttempt& attempt : attempts) ids.push_back(attempt.message.id);
  return ids;
}

// "0@host" to the one before `count`.
std::vector<std::string> Many(int count, const std::string& host) {
  std::vector<std::string> addresses;
  for (int i = 0; i < count; ++i) addresses.push_back(absl::StrCat(i, "@", host));
  return addresses;
}

QueueReply Reply(int32_t code, const std::string& status) {
  return {code, status, "what it said", "mx.example.net", absl::FromUnixSeconds(1'700'000'123)};
}

// One outcome for all recipients of an attempt.
QueueReport ReportOf(const QueueAttempt& attempt, Kind kind, Sign sign = Sign::kAnswered,
                     absl::Time next = absl::InfinitePast()) {
  QueueReport report;
  report.message = attempt.message.id;
  report.grant = attempt.grant;
  report.sign = sign;
  for (const QueuedRecipient& recipient : attempt.message.recipients) {
    report.outcomes.push_back({recipient.number, kind, Reply(451, "4.2.0"), next});
  }
  return report;
}

}  // namespace

NewMessage QueueConformance::NewMail(absl::string_view delivery_id, const std::vector<std::string>& addresses,
                                     std::string lane) {
  NewMessage message = NewDelivery(delivery_id, {});
  for (const std::string& address : addresses) AddRecipient(message, address);
  message.queued.lane = std::move(lane);
  message.trace = kTrace;
  return message;
}

void QueueConformance::AddRecipient(NewMessage& message, const std::string& address) {
  const int32_t index = static_cast<int32_t>(message.envelope.recipients.size());
  message.envelope.recipients.push_back({address, {}, "", true});
  message.queued.recipients.push_back({index, address, address.substr(address.find('@') + 1)});
}

QueueId QueueConformance::Put(NewMessage message) {
  EXPECT_OK(Append(std::move(message), kContent).status());
  const std::vector<QueueId> ids = Ids();
  return ids.empty() ? QueueId{0} : ids.back();
}

QueueId QueueConformance::PutTo(const std::vector<std::string>& addresses, std::string lane) {
  return Put(NewMail(absl::StrCat("queued-delivery-", ++delivery_count_), addresses, std::move(lane)));
}

std::vector<QueueId> QueueConformance::Ids() {
  return IdsOf(engine().ListQueued(QueueId{0}, 1'000'000, 0).value());
}

QueuedMessage QueueConformance::Find(QueueId id) {
  const absl::StatusOr<QueuedMessage> found = engine().FindQueued(id, 0, 1'000'000);
  EXPECT_OK(found.status());
  return found.ok() ? *found : QueuedMessage();
}

bool QueueConformance::IsThere(QueueId id) { return engine().FindQueued(id, 0, 0).ok(); }

QueuedRecipient QueueConformance::FindRecipient(QueueId id, int32_t number) {
  const absl::StatusOr<QueuedMessage> found = engine().FindQueued(id, number, 1);
  EXPECT_OK(found.status());
  return found.ok() && !found->recipients.empty() ? found->recipients[0] : QueuedRecipient();
}

std::string QueueConformance::Fetch(QueueId id) {
  const absl::StatusOr<std::unique_ptr<MessageReader>> reader = engine().OpenQueued(id);
  EXPECT_OK(reader.status());
  if (!reader.ok()) return "";
  const absl::StatusOr<std::string> all = ReadAll(**reader, 7);
  EXPECT_OK(all.status());
  return all.ok() ? *all : "";
}

QueueStatus QueueConformance::Status() {
  const absl::StatusOr<QueueStatus> status = engine().GetQueueStatus();
  EXPECT_OK(status.status());
  return status.ok() ? *status : QueueStatus();
}

std::vector<QueueAttempt> QueueConformance::Lease(size_t attempt_limit, size_t recipient_limit,
                                                  const std::string& lease_id) {
  EXPECT_OK(engine().RenewLease(lease_id, "host", absl::Hours(1)));
  absl::StatusOr<std::vector<QueueAttempt>> attempts =
      engine().Lease({lease_id, attempt_limit, recipient_limit});
  EXPECT_OK(attempts.status());
  return attempts.ok() ? *std::move(attempts) : std::vector<QueueAttempt>();
}

QueueAttempt QueueConformance::LeaseOne(const std::string& lease_id) {
  std::vector<QueueAttempt> attempts = Lease(1, 100, lease_id);
  EXPECT_THAT(attempts, SizeIs(1));
  return attempts.empty() ? QueueAttempt() : attempts[0];
}

QueueChange QueueConformance::Report(const QueueReport& report, std::vector<NewNotice> notices) {
  const absl::StatusOr<QueueChange> change = engine().Report(report, std::move(notices));
  EXPECT_OK(change.status());
  return change.ok() ? *change : QueueChange();
}

QueueChange QueueConformance::Report(const QueueAttempt& attempt, Kind kind, Sign sign) {
  return Report(ReportOf(attempt, kind, sign));
}

QueueChange QueueConformance::Decide(Decision kind, QueueId message, std::vector<int32_t> recipients) {
  const absl::StatusOr<QueueChange> change = engine().Decide({kind, message, std::move(recipients)});
  EXPECT_OK(change.status());
  return change.ok() ? *change : QueueChange();
}

std::vector<QueuedMessage> QueueConformance::Due() {
  const absl::StatusOr<std::vector<QueuedMessage>> due = engine().Due(1000, 1000);
  EXPECT_OK(due.status());
  return due.ok() ? *due : std::vector<QueuedMessage>();
}

NewNotice QueueConformance::NewNoticeTo(AccountId account, absl::string_view delivery_id) {
  NewNotice notice{NewDelivery(delivery_id, {account}), "a notice\r\n"};
  notice.message.delivery_scope = "queue";
  notice.message.envelope.reverse_path = "";
  notice.message.sha256 = Sha256(notice.content);
  return notice;
}

void QueueConformance::LetItBeAway(const std::string& destination) {
  for (int i = 0; i < 5; ++i) PutTo({absl::StrCat("away", i, "@", destination)});
  for (const QueueAttempt& attempt : Lease()) {
    ASSERT_EQ(attempt.destination, destination);
    Report(attempt, Kind::kDeferred, Sign::kUnreachable);
  }
  ASSERT_THAT(Lease(), IsEmpty());
}

namespace {

// How messages come in.

TEST_P(QueueConformance, AMessageIsKeptWithItsEnvelope) {
  NewMessage mail = NewMail("delivery-id-0001", {"a@one.example", "b@two.example"}, "the lane");
  mail.envelope.recipients[0].notify = {true, true, false, true};
  mail.envelope.recipients[0].original_recipient = "rfc822;o@x";
  mail.envelope.dsn_return = DsnReturn::kHeaders;
  mail.envelope.dsn_envelope_id = "envid";
  mail.envelope.eight_bit_mime = true;
  mail.envelope.require_tls = true;
  // An alias of ours that leads elsewhere.
  mail.envelope.recipients.push_back({"alias@example.test", {true, false, true, false}, "", false});
  mail.queued.recipients.push_back({2, "c@one.example", "one.example"});
  mail.queued.expire_time = clock().Now() + absl::Hours(120);
  mail.queued.delay_notice_time = clock().Now() + absl::Hours(4);
  const absl::Time now = clock().Now();
  const QueueId id = Put(mail);
  EXPECT_GE(id.value, 1);
  for (int round = 0; round < 2; ++round) {
    const QueuedMessage message = Find(id);
    EXPECT_EQ(message.id, id);
    EXPECT_EQ(message.envelope.delivery_id, "delivery-id-0001");
    EXPECT_EQ(message.envelope.reverse_path, "sender@example.org");
    EXPECT_THAT(message.envelope.recipients, IsEmpty());
    EXPECT_EQ(message.envelope.dsn_return, DsnReturn::kHeaders);
    EXPECT_EQ(message.envelope.dsn_envelope_id, "envid");
    EXPECT_TRUE(message.envelope.eight_bit_mime);
    EXPECT_FALSE(message.envelope.smtputf8);
    EXPECT_TRUE(message.envelope.require_tls);
    EXPECT_EQ(message.lane, "the lane");
    EXPECT_EQ(message.queue_time, now);
    EXPECT_EQ(message.expire_time, now + absl::Hours(120));
    EXPECT_FALSE(message.delay_told);
    EXPECT_EQ(message.size_bytes, static_cast<int64_t>(sizeof(kTrace) + sizeof(kContent) - 2));
    EXPECT_EQ(message.sha256, Sha256(kContent));
    EXPECT_EQ(message.recipient_count, 3);
    EXPECT_THAT(Numbers(message), ElementsAre(0, 1, 2));
    EXPECT_THAT(Addresses(message), ElementsAre("a@one.example", "b@two.example", "c@one.example"));
    const QueuedRecipient& first = message.recipients[0];
    EXPECT_EQ(first.destination, "one.example");
    EXPECT_EQ(first.notify, (DsnNotify{true, true, false, true}));
    EXPECT_EQ(first.original_recipient, "rfc822;o@x");
    EXPECT_EQ(first.forwarded_for, "");
    EXPECT_EQ(first.attempt_count, 0);
    EXPECT_EQ(first.next_attempt_time, now);
    EXPECT_FALSE(first.held || first.in_flight);
    EXPECT_EQ(first.last_reply, QueueReply());
    EXPECT_EQ(message.recipients[2].forwarded_for, "alias@example.test");
    EXPECT_EQ(message.recipients[2].notify, (DsnNotify{true, false, true, false}));
    EXPECT_EQ(Fetch(id), absl::StrCat(kTrace, kContent));
    Restart();
  }
}

TEST_P(QueueConformance, AFreshQueueIsEmpty) {
  const QueueStatus status = Status();
  EXPECT_EQ(status.message_count, 0);
  EXPECT_EQ(status.recipient_count, 0);
  EXPECT_EQ(status.in_flight_count, 0);
  EXPECT_EQ(status.held_count, 0);
  EXPECT_EQ(status.oldest_time, absl::InfiniteFuture());
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_THAT(Due(), IsEmpty());
  EXPECT_EQ(engine().TakeBack(10).value(), 0u);
  EXPECT_THAT(engine().ListDestinations("", 10).value(), IsEmpty());
  EXPECT_THAT(engine().FindQueued(QueueId{1}, 0, 1).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().OpenQueued(QueueId{1}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().Decide({Decision::kRetry, QueueId{1}, {}}).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(QueueConformance, AMessageGoesIntoMailboxesAndQueueTogetherOrNot) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage both = NewDelivery("delivery-id-0001", {mailbox});
  AddRecipient(both, "b@one.example");
  const QueueId id = Put(both);
  EXPECT_THAT(List(mailbox), SizeIs(1));
  // Neither learns of the other's recipient, nor of what stands in front of it.
  EXPECT_THAT(Addresses(Find(id)), ElementsAre("b@one.example"));
  EXPECT_EQ(Fetch(id), kContent);

  NewMessage gone = NewDelivery("delivery-id-0002", {AccountId{999}});
  AddRecipient(gone, "b@one.example");
  EXPECT_THAT(Append(gone, kContent).status(), HasCode(StatusCode::kNotFound));
  const AccountId full = NewMailbox("full@example.test", 0, 1);
  EngineConformance::Put(full, "fills it");
  NewMessage over = NewDelivery("delivery-id-0003", {full});
  AddRecipient(over, "b@one.example");
  EXPECT_THAT(Append(over, kContent).status(), HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  NewMessage refused = NewMail("delivery-id-0004", {"b@one.example"});
  refused.refusal = absl::InvalidArgumentError("no");
  EXPECT_THAT(Append(refused, kContent).status(), HasCode(StatusCode::kInvalidArgument));
  NewMessage nowhere = NewDelivery("delivery-id-0005", {});
  EXPECT_THAT(Append(nowhere, kContent).status(), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Ids(), ElementsAre(id));
}

TEST_P(QueueConformance, ARepeatedDeliveryIsQueuedOnce) {
  const NewMessage mail = NewMail("delivery-id-0001", {"b@one.example"});
  const auto first = Append(mail, kContent);
  ASSERT_OK(first);
  EXPECT_FALSE(first->already_stored);
  const auto second = Append(mail, kContent);
  ASSERT_OK(second);
  EXPECT_TRUE(second->already_stored);
  EXPECT_THAT(Ids(), SizeIs(1));
  // Also when it is gone already; ids are never used again.
  const QueueId id = Ids()[0];
  Decide(Decision::kEnd, id);
  Restart();
  EXPECT_TRUE(Append(mail, kContent)->already_stored);
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_GT(PutTo({"c@one.example"}), id);
}

TEST_P(QueueConformance, AMessageThatNoMailboxTakesStillGoesOut) {
  const AccountId small = NewMailbox("small@example.test", 5);
  NewMessage mail = NewDelivery("delivery-id-0001", {small});
  AddRecipient(mail, "b@one.example");
  // Its recipient was told nothing: it must be served.
  EXPECT_THAT(Append(mail, kContent).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonQuotaTooSmall));
  mail.room_promised = true;
  const auto receipt = Append(mail, kContent);
  ASSERT_OK(receipt);
  EXPECT_THAT(receipt->waiting, ElementsAre(0));
  EXPECT_THAT(List(small), IsEmpty());
  ASSERT_THAT(Ids(), SizeIs(1));
  EXPECT_EQ(Fetch(Ids()[0]), kContent);
  // The alias that leads there leads elsewhere too.
  NewMessage alias = NewDelivery("delivery-id-0002", {small});
  alias.queued.recipients.push_back({0, "b@one.example", "one.example"});
  EXPECT_OK(Append(alias, kContent).status());
  EXPECT_THAT(Ids(), SizeIs(2));
}

// Copies that wait for mailboxes here.

// To all of them by an alias, its first recipient.
NewMessage ToAll(NewMessage message) {
  message.envelope.recipients.resize(1);
  for (NewCopy& copy : message.copies) {
    copy.recipients = {0};
    copy.may_wait = true;
    copy.prefix = absl::StrCat("Delivered-To: ", copy.account.value, "\r\n");
    copy.address = absl::StrCat("account", copy.account.value, "@example.test");
  }
  message.trace = kTrace;
  message.queued.expire_time = message.deliver_time + absl::Hours(120);
  return message;
}

TEST_P(QueueConformance, ACopyForAFullMailboxWaitsUntilThereIsRoom) {
  const AccountId full = NewMailbox("full@example.test", 0, /*quota_messages=*/1);
  const AccountId other = NewMailbox("other@example.test");
  EngineConformance::Put(full, "fills it\r\n");
  for (const bool promised : {false, true}) {
    NewMessage mail = ToAll(NewDelivery(absl::StrCat("delivery-id-000", promised), {other, full}));
    mail.room_promised = promised;
    const auto receipt = Append(mail, kContent);
    ASSERT_OK(receipt);
    EXPECT_THAT(receipt->waiting, ElementsAre(1));
    EXPECT_TRUE(Append(mail, kContent)->already_stored);
  }
  EXPECT_THAT(List(other), SizeIs(2));
  EXPECT_THAT(List(full), SizeIs(1));
  ASSERT_THAT(Ids(), SizeIs(2));
  const QueueId id = Ids()[0];
  const QueuedRecipient waits = FindRecipient(id, 0);
  EXPECT_EQ(waits.destination, rules::MailboxDestination(full));
  EXPECT_EQ(waits.address, absl::StrCat("account", full.value, "@example.test"));
  EXPECT_EQ(waits.attempt_count, 1);
  EXPECT_EQ(waits.next_attempt_time, clock().Now() + absl::Minutes(6));
  EXPECT_EQ(Fetch(id), absl::StrCat(kTrace, kContent));
  // It is for no front-end, and no destination elsewhere.
  clock().Advance(absl::Minutes(6));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_THAT(engine().ListDestinations("", 10).value(), IsEmpty());
  Restart();
  // Still full.
  const auto tried = engine().DeliverHere(10);
  ASSERT_OK(tried.status());
  ASSERT_THAT(*tried, SizeIs(2));
  EXPECT_EQ((*tried)[0].obstacle, Obstacle::kFull);
  EXPECT_EQ((*tried)[0].message.id, id);
  ASSERT_THAT((*tried)[0].message.recipients, SizeIs(1));
  EXPECT_EQ((*tried)[0].message.recipients[0].attempt_count, 2);
  EXPECT_THAT(engine().DeliverHere(10).value(), IsEmpty()) << "not before its next time";
  ASSERT_EQ(engine().DeleteMessages(full, EngineConformance::Ids(full)).value(), 1);
  clock().Advance(absl::Minutes(12));
  // One there is room for. It is as if it had come now.
  const auto placed = engine().DeliverHere(10);
  ASSERT_OK(placed.status());
  ASSERT_THAT(*placed, SizeIs(2));
  EXPECT_EQ((*placed)[0].obstacle, std::nullopt);
  EXPECT_EQ((*placed)[1].obstacle, Obstacle::kFull);
  EXPECT_FALSE(IsThere(id));
  Restart();
  ASSERT_THAT(List(full), SizeIs(1));
  const MessageSummary summary = List(full)[0];
  EXPECT_EQ(summary.delivery_id, "delivery-id-0000");
  EXPECT_EQ(summary.deliver_time, clock().Now());
  ASSERT_THAT(summary.recipients, SizeIs(1));
  EXPECT_EQ(summary.recipients[0].address, absl::StrCat("box", other.value, "@example.test")) << "the alias";
  EXPECT_EQ(EngineConformance::Fetch(full, summary.id).value(),
            absl::StrCat("Delivered-To: ", full.value, "\r\n", kTrace, kContent));
  EXPECT_EQ(engine().GetUsage(full)->message_count, 1);
  EXPECT_EQ(engine().GetUsage(full)->message_bytes, summary.size_bytes);
  EXPECT_EQ(engine().Status()->message_count, 3);
  EXPECT_EQ(Status().recipient_count, 1);
  EXPECT_EQ(
      engine().Verify(AccountId{}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(), 4);
}

TEST_P(QueueConformance, ACopyOutlastsTheOthersOfItsMessage) {
  const AccountId full = NewMailbox("full@example.test", 0, 1);
  const AccountId other = NewMailbox("other@example.test");
  EngineConformance::Put(full, "fills it\r\n");
  const std::string content = RandomText(200'000, 1);
  ASSERT_OK(AppendStaged(ToAll(NewDelivery("delivery-id-0001", {full, other})), content, 1000).status());
  ASSERT_EQ(engine().DeleteMessages(other, EngineConformance::Ids(other)).value(), 1);
  ASSERT_EQ(engine().DeleteMessages(full, EngineConformance::Ids(full)).value(), 1);
  clock().Advance(absl::Minutes(6));
  ASSERT_THAT(engine().DeliverHere(10).value(), SizeIs(1));
  Restart();
  ASSERT_THAT(List(full), SizeIs(1));
  EXPECT_EQ(EngineConformance::Fetch(full, EngineConformance::Ids(full)[0]).value(),
            absl::StrCat("Delivered-To: ", full.value, "\r\n", kTrace, content));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_P(QueueConformance, WhatWaitsHereIsTriedInTheOrderOfItsTimesAndNoMoreThanAsked) {
  const AccountId full = NewMailbox("full@example.test", 0, 1);
  const AccountId other = NewMailbox("other@example.test");
  EngineConformance::Put(full, "fills it\r\n");
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(
        Append(ToAll(NewDelivery(absl::StrCat("delivery-id-000", i), {full, other})), kContent).status());
    clock().Advance(absl::Seconds(1));
  }
  const std::vector<QueueId> ids = Ids();
  Decide(Decision::kHold, ids[1]);
  Decide(Decision::kRetry, ids[4]);
  EXPECT_THAT(engine().DeliverHere(0).value(), IsEmpty());
  const auto asked_for = engine().DeliverHere(10).value();
  ASSERT_THAT(asked_for, SizeIs(1)) << "an operator wanted it now";
  EXPECT_EQ(asked_for[0].message.id, ids[4]);
  clock().Advance(absl::Minutes(6));
  std::vector<QueueId> tried;
  for (;;) {
    const auto step = engine().DeliverHere(2).value();
    if (step.empty()) break;
    EXPECT_LE(step.size(), 2u);
    for (const DeliveredHere& one : step) tried.push_back(one.message.id);
  }
  EXPECT_THAT(tried, ElementsAre(ids[0], ids[2], ids[3]));
  EXPECT_EQ(Status().held_count, 1);
  Decide(Decision::kRelease, ids[1]);
  EXPECT_THAT(engine().DeliverHere(10).value(), SizeIs(1));
  Decide(Decision::kEnd, ids[1]);
  EXPECT_FALSE(IsThere(ids[1]));
}

TEST_P(QueueConformance, WhatWaitsHereComesAsSoonAsThereIsRoom) {
  const AccountId full = NewMailbox("full@example.test", 0, 1);
  const AccountId other = NewMailbox("other@example.test");
  EngineConformance::Put(full, "fills it\r\n");
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(
        Append(ToAll(NewDelivery(absl::StrCat("delivery-id-000", i), {full, other})), kContent).status());
    clock().Advance(absl::Seconds(1));
  }
  const std::vector<QueueId> ids = Ids();
  EXPECT_THAT(engine().DeliverHere(10).value(), IsEmpty());
  EXPECT_EQ(FindRecipient(ids[0], 0).attempt_count, 1) << "it was looked at, not tried";
  // As much as there is room for, the first by its time first.
  ASSERT_EQ(engine().DeleteMessages(full, EngineConformance::Ids(full)).value(), 1);
  EXPECT_THAT(engine().DeliverHere(0).value(), IsEmpty());
  const auto placed = engine().DeliverHere(10).value();
  ASSERT_THAT(placed, SizeIs(1));
  EXPECT_EQ(placed[0].obstacle, std::nullopt);
  EXPECT_EQ(placed[0].message.id, ids[0]);
  EXPECT_THAT(List(full), SizeIs(1));
  EXPECT_THAT(engine().DeliverHere(10).value(), IsEmpty());
  // What is held stays.
  Decide(Decision::kHold, ids[1]);
  ASSERT_EQ(engine().DeleteMessages(full, EngineConformance::Ids(full)).value(), 1);
  Restart();
  const auto behind = engine().DeliverHere(10).value();
  ASSERT_THAT(behind, SizeIs(1));
  EXPECT_EQ(behind[0].message.id, ids[2]);
  ASSERT_EQ(engine().DeleteMessages(full, EngineConformance::Ids(full)).value(), 1);
  EXPECT_THAT(engine().DeliverHere(10).value(), IsEmpty());
  Decide(Decision::kRelease, ids[1]);
  EXPECT_THAT(engine().DeliverHere(10).value(), SizeIs(1));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_P(QueueConformance, OnlySoManyAreLookedAtForRoom) {
  const AccountId full = NewMailbox("full@example.test", 0, 1);
  const AccountId roomy = NewMailbox("roomy@example.test", 0, 1);
  const AccountId other = NewMailbox("other@example.test");
  for (const AccountId account : {full, roomy}) EngineConformance::Put(account, "fills it\r\n");
  for (size_t i = 0; i < rules::kLookedAtForEachTried; ++i) {
    ASSERT_OK(
        Append(ToAll(NewDelivery(absl::StrCat("delivery-id-000", i), {full, other})), kContent).status());
    clock().Advance(absl::Seconds(1));
  }
  ASSERT_OK(Append(ToAll(NewDelivery("delivery-id-roomy", {roomy, other})), kContent).status());
  ASSERT_EQ(engine().DeleteMessages(roomy, EngineConformance::Ids(roomy)).value(), 1);
  EXPECT_THAT(engine().DeliverHere(1).value(), IsEmpty());
  EXPECT_THAT(engine().DeliverHere(2).value(), SizeIs(1));
  EXPECT_THAT(List(roomy), SizeIs(1));
}

TEST_P(QueueConformance, WhatCannotBeDeliveredHereSaysSo) {
  const AccountId small = NewMailbox("small@example.test", /*quota_bytes=*/5);
  const AccountId other = NewMailbox("other@example.test");
  const AccountId leaves = NewMailbox("leaves@example.test");
  NewMessage mail = ToAll(NewDelivery("delivery-id-0001", {small, other, leaves}));
  ASSERT_OK(engine().DeleteAccount("leaves@example.test"));
  // One whose mailbox was gone before it was looked for.
  mail.envelope.recipients.push_back({"late@example.test", {}, "", false});
  mail.queued.recipients.push_back({1, "late@example.test", rules::MailboxDestination(AccountId{0})});
  mail.room_promised = true;
  const auto receipt = Append(mail, kContent);
  ASSERT_OK(receipt);
  EXPECT_THAT(receipt->waiting, ElementsAre(0, 2));
  const auto tried = engine().DeliverHere(10);
  ASSERT_OK(tried.status());
  ASSERT_THAT(*tried, SizeIs(3)) << "at once";
  EXPECT_EQ((*tried)[0].obstacle, Obstacle::kGone);
  EXPECT_EQ((*tried)[0].message.recipients[0].address, "late@example.test");
  EXPECT_EQ((*tried)[1].obstacle, Obstacle::kTooSmall);
  EXPECT_EQ((*tried)[2].obstacle, Obstacle::kGone);
  // They wait on until somebody ends them.
  EXPECT_EQ(Status().recipient_count, 3);
  EXPECT_TRUE(Decide(Decision::kEnd, Ids()[0]).message_ended);
  EXPECT_THAT(List(other), SizeIs(1));
  // Whatever is said of its destination, a mailbox that is there is no other host.
  NewMessage wrong = NewMail("delivery-id-0002", {"a@one.example"});
  wrong.queued.recipients[0].destination = rules::MailboxDestination(other);
  EXPECT_THAT(Append(wrong, kContent).status(), HasCode(StatusCode::kInvalidArgument));
}

TEST_P(QueueConformance, WhoeverIsFullAloneIsRefused) {
  const AccountId full = NewMailbox("full@example.test", 0, 1);
  EngineConformance::Put(full, "fills it\r\n");
  NewMessage mail = ToAll(NewDelivery("delivery-id-0001", {full}));
  EXPECT_THAT(Append(mail, kContent).status(), HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  // Another host takes it at once.
  mail.queued.recipients.push_back({0, "b@one.example", "one.example"});
  EXPECT_OK(Append(mail, kContent).status());
  ASSERT_THAT(Ids(), SizeIs(1));
  EXPECT_THAT(Addresses(Find(Ids()[0])), SizeIs(2));
  EXPECT_THAT(Addresses(LeaseOne().message), ElementsAre("b@one.example"));
}

// Notices of a message that is stored.

TEST_P(QueueConformance, NoticesComeWithTheMessageOrNotAtAll) {
  const AccountId sender = NewMailbox("sender@example.test");
  const AccountId small = NewMailbox("small@example.test", 5);
  const AccountId box = NewMailbox("box@example.test");
  NewMessage mail = NewDelivery("delivery-id-0001", {small, box});
  mail.room_promised = true;
  mail.sha256 = Sha256(kContent);
  const auto append = [&](const NewMessage& message) {
    std::vector<NewNotice> notices;
    notices.push_back(NewNoticeTo(sender, "notice-of-both-00"));
    notices.back().copies = {0, 1};
    notices.push_back(NewNoticeTo(sender, "notice-of-one-000"));
    notices.back().copies = {1};
    notices.push_back(NewNoticeTo(AccountId{999}, "notice-to-nobody-"));
    notices.push_back(NewNotice());
    return engine().Append(message, Content{kContent, nullptr}, std::move(notices));
  };
  const auto receipt = append(mail);
  ASSERT_OK(receipt.status());
  EXPECT_THAT(receipt->waiting, ElementsAre(0));
  EXPECT_THAT(receipt->notices_left_out, ElementsAre(0, 2, 3));
  EXPECT_THAT(List(box), SizeIs(1));
  ASSERT_THAT(List(sender), SizeIs(1));
  EXPECT_EQ(List(sender)[0].delivery_id, "notice-of-one-000");
  // A repeat tells nothing again, and neither does what is refused tell anything.
  EXPECT_TRUE(append(mail)->already_stored);
  NewMessage refused = NewDelivery("delivery-id-0002", {small});
  refused.sha256 = Sha256(kContent);
  EXPECT_THAT(append(refused).status(), HasCode(StatusCode::kResourceExhausted));
  Restart();
  EXPECT_THAT(List(sender), SizeIs(1));
}

TEST_P(QueueConformance, LargeMessagesAndEmptyOnesComeOutByteForByte) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{400'000}}) {
    const std::string content = RandomText(size, static_cast<uint32_t>(size));
    const std::string name = absl::StrCat("delivery-id-", size);
    ASSERT_OK(AppendStaged(NewMail(name, {"a@one.example"}), content, 1000));
    const auto reader = engine().OpenQueued(Ids().back());
    ASSERT_OK(reader);
    EXPECT_EQ((*reader)->size_bytes(), static_cast<int64_t>(sizeof(kTrace) - 1 + size));
    EXPECT_EQ((*reader)->delivery_id(), name);
    EXPECT_EQ(ReadAll(**reader, 65536).value(), kTrace + content);
  }
}

TEST_P(QueueConformance, AContentLastsAsLongAsAnybodyNeedsIt) {
  const std::string content = RandomText(200'000, 1);
  const AccountId mailbox = NewMailbox("a@example.test");
  const auto put = [&](absl::string_view delivery_id) {
    NewMessage mail = NewDelivery(delivery_id, {mailbox});
    AddRecipient(mail, "b@one.example");
    ASSERT_OK(Append(mail, content));
  };
  put("delivery-id-0001");
  const QueueId first = Ids().back();
  ASSERT_EQ(engine().DeleteMessages(mailbox, EngineConformance::Ids(mailbox)).value(), 1);
  EXPECT_EQ(Fetch(first), content);
  Report(LeaseOne(), Kind::kDelivered);
  EXPECT_THAT(engine().OpenQueued(first).status(), HasCode(StatusCode::kNotFound));

  put("delivery-id-0002");
  const QueueId second = Ids().back();
  Report(LeaseOne(), Kind::kDelivered);
  EXPECT_FALSE(IsThere(second));
  Restart();
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  EXPECT_EQ(EngineConformance::Fetch(mailbox, EngineConformance::Ids(mailbox).at(0)).value(),
            "Return-Path: <sender@example.org>\r\n" + content);
  EXPECT_EQ(engine().Verify(mailbox, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            1);
}

TEST_P(QueueConformance, VerifyReadsTheQueueBehindTheMailboxes) {
  const AccountId mailbox = NewMailbox("a@example.test");
  EngineConformance::Put(mailbox, "content");
  for (int i = 0; i < 300; ++i) PutTo({"b@one.example"});
  const auto none = [](AccountId account, MessageId message, const absl::Status& error) {
    ADD_FAILURE() << account.value << " " << message.value << " " << error;
  };
  EXPECT_EQ(engine().Verify(AccountId{0}, none).value(), 301);
  EXPECT_EQ(engine().Verify(mailbox, none).value(), 1);
}

// What a front-end is given.

TEST_P(QueueConformance, AnAttemptHasRecipientsOfOneMessageAtOneDestination) {
  const QueueId first = PutTo({"a@one.example", "b@two.example", "c@one.example"});
  const QueueId second = PutTo({"d@one.example"});
  const std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(3));
  std::map<std::pair<QueueId, std::string>, std::vector<std::string>> given;
  QueueGrant last{0};
  for (const QueueAttempt& attempt : attempts) {
    given[{attempt.message.id, attempt.destination}] = Addresses(attempt.message);
    EXPECT_GT(attempt.grant, last);
    last = attempt.grant;
    EXPECT_FALSE(attempt.probe);
    EXPECT_EQ(attempt.message.recipient_count, attempt.message.id == first ? 3 : 1);
    EXPECT_EQ(attempt.message.envelope.reverse_path, "sender@example.org");
  }
  EXPECT_THAT((given[{first, "one.example"}]), ElementsAre("a@one.example", "c@one.example"));
  EXPECT_THAT((given[{first, "two.example"}]), ElementsAre("b@two.example"));
  EXPECT_THAT((given[{second, "one.example"}]), ElementsAre("d@one.example"));
}

TEST_P(QueueConformance, AnAttemptHasBegunBeforeItIsGiven) {
  const QueueId id = PutTo({"a@one.example"});
  const absl::Time now = clock().Now();
  const QueueAttempt attempt = LeaseOne();
  ASSERT_THAT(attempt.message.recipients, SizeIs(1));
  EXPECT_TRUE(attempt.message.recipients[0].in_flight);
  EXPECT_EQ(attempt.message.recipients[0].attempt_count, 1);
  EXPECT_EQ(attempt.message.recipients[0].next_attempt_time, now + absl::Minutes(6));
  Restart();
  const QueuedRecipient kept = FindRecipient(id, 0);
  EXPECT_TRUE(kept.in_flight);
  EXPECT_EQ(kept.attempt_count, 1);
  EXPECT_EQ(kept.next_attempt_time, now + absl::Minutes(6));
  // And nobody else is at it.
  EXPECT_THAT(Lease(1000, 100, "another"), IsEmpty());
  clock().Advance(absl::Minutes(10));
  EXPECT_THAT(Lease(1000, 100, "another"), IsEmpty());
}

TEST_P(QueueConformance, WorkIsGivenUnderALiveLeaseOnly) {
  PutTo({"a@one.example"});
  EXPECT_THAT(engine().Lease({"nobody", 1, 1}).status(),
              HasReason(StatusCode::kFailedPrecondition, kReasonNoLease));
  ASSERT_OK(engine().RenewLease("worker", "host", absl::Minutes(1)));
  clock().Advance(absl::Minutes(1));
  EXPECT_THAT(engine().Lease({"worker", 1, 1}).status(),
              HasReason(StatusCode::kFailedPrecondition, kReasonNoLease));
  EXPECT_THAT(Lease(), SizeIs(1));
}

TEST_P(QueueConformance, NoMoreIsGivenThanWasAskedFor) {
  PutTo({"a@one.example", "b@one.example", "c@one.example"});
  PutTo({"d@two.example"});
  EXPECT_THAT(Lease(0, 100), IsEmpty());
  EXPECT_THAT(Lease(100, 0), IsEmpty());
  std::vector<QueueAttempt> attempts = Lease(1, 2);
  ASSERT_THAT(attempts, SizeIs(1));
  EXPECT_THAT(Addresses(attempts[0].message), ElementsAre("a@one.example", "b@one.example"));
  // The other destination has waited longer since.
  attempts = Lease(2, 2);
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_THAT(Addresses(attempts[0].message), ElementsAre("d@two.example"));
  EXPECT_THAT(Addresses(attempts[1].message), ElementsAre("c@one.example"));
}

TEST_P(QueueConformance, DestinationsThatHaveWaitedLongestComeFirst) {
  PutTo({"c@c.example"});
  clock().Advance(absl::Seconds(1));
  PutTo({"a@a.example"});
  PutTo({"c2@c.example"});
  clock().Advance(absl::Seconds(1));
  PutTo({"b@b.example"});
  clock().Advance(absl::Seconds(1));
  std::vector<std::string> order;
  for (const QueueAttempt& attempt : Lease()) order.push_back(attempt.destination);
  // Each with all that it takes at a time.
  EXPECT_THAT(order, ElementsAre("c.example", "c.example", "a.example", "b.example"));
}

TEST_P(QueueConformance, ADestinationThatWasServedStandsBehindTheOthers) {
  for (int i = 0; i < 20; ++i) PutTo({"a@a.example"});
  clock().Advance(absl::Seconds(1));
  PutTo({"b@b.example"});
  clock().Advance(absl::Seconds(1));
  for (const QueueAttempt& attempt : Lease(2)) {
    EXPECT_EQ(attempt.destination, "a.example");
    Report(attempt, Kind::kDelivered);
  }
  EXPECT_EQ(LeaseOne().destination, "b.example");
}

TEST_P(QueueConformance, ADestinationThatHadNothingStandsInFrontForItsFirstTurn) {
  for (int i = 0; i < 20; ++i) {
    PutTo({"a@a.example"});
    PutTo({"b@b.example"});
  }
  for (const QueueAttempt& attempt : Lease(4)) Report(attempt, Kind::kDelivered);
  clock().Advance(absl::Minutes(1));
  for (int i = 0; i < 20; ++i) PutTo({"new@new.example"});
  std::vector<std::string> order;
  for (const QueueAttempt& attempt : Lease(4)) order.push_back(attempt.destination);
  EXPECT_THAT(order, ElementsAre("new.example", "new.example", "a.example", "a.example"));
  // New ones without end do not keep the others waiting for ever.
  clock().Advance(rules::kHeadStart);
  PutTo({"newer@newer.example"});
  EXPECT_NE(LeaseOne().destination, "newer.example");
}

TEST_P(QueueConformance, ADestinationTakesSoManyAttemptsAtATime) {
  for (int i = 0; i < 100; ++i) PutTo({"a@one.example"});
  // It begins with five, and opens with its answers.
  std::vector<QueueAttempt> attempts = Lease();
  EXPECT_THAT(attempts, SizeIs(5));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_EQ(engine().ListDestinations("", 10)->at(0).window, 5);
  EXPECT_EQ(engine().ListDestinations("", 10)->at(0).in_flight_count, 5);
  for (int i = 0; i < 4; ++i) Report(attempts[i], Kind::kDelivered);
  EXPECT_THAT(Lease(), SizeIs(8));
  Report(attempts[4], Kind::kDelivered);
  EXPECT_THAT(Lease(), SizeIs(2));
  EXPECT_EQ(engine().ListDestinations("", 10)->at(0).window, 10);
}

TEST_P(QueueConformance, ADestinationTakesNeverMoreThanTheMost) {
  for (int i = 0; i < 400; ++i) PutTo({"a@one.example"});
  size_t most = 0;
  for (;;) {
    const std::vector<QueueAttempt> attempts = Lease();
    if (attempts.empty()) break;
    most = std::max(most, attempts.size());
    for (const QueueAttempt& attempt : attempts) Report(attempt, Kind::kDelivered);
  }
  EXPECT_EQ(most, 20u);
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_P(QueueConformance, TheWindowOfADestinationIsKept) {
  for (int i = 0; i < 30; ++i) PutTo({"a@one.example"});
  for (const QueueAttempt& attempt : Lease()) Report(attempt, Kind::kDelivered);
  Restart();
  EXPECT_EQ(engine().ListDestinations("", 10)->at(0).window, 10);
  EXPECT_THAT(Lease(), SizeIs(10));
}

TEST_P(QueueConformance, LanesTakeTurns) {
  std::map<QueueId, std::string> lanes;
  for (int i = 0; i < 12; ++i) lanes[PutTo({"a@one.example"}, "much mail")] = "much mail";
  lanes[PutTo({"b@one.example"}, "some mail")] = "some mail";
  lanes[PutTo({"c@one.example"}, "some mail")] = "some mail";
  lanes[PutTo({"d@one.example"}, "one mail")] = "one mail";
  std::vector<std::string> order;
  for (;;) {
    const std::vector<QueueAttempt> attempts = Lease(1);
    if (attempts.empty()) break;
    order.push_back(lanes[attempts[0].message.id]);
    Report(attempts[0], Kind::kDelivered);
  }
  ASSERT_THAT(order, SizeIs(15));
  EXPECT_THAT((std::set<std::string>(order.begin(), order.begin() + 3)), SizeIs(3));
  EXPECT_THAT((std::set<std::string>(order.begin() + 3, order.begin() + 5)), SizeIs(2));
}

TEST_P(QueueConformance, WithinALaneTheNextHundredOfAMessageWaitBehindTheFirstOfTheOthers) {
  const QueueId large = PutTo(Many(250, "one.example"));
  const QueueId small = PutTo({"a@one.example"});
  const std::vector<QueueAttempt> attempts = Lease(1000, 1000);
  EXPECT_THAT(IdsOf(attempts), ElementsAre(large, small, large, large));
  EXPECT_THAT(attempts[0].message.recipients, SizeIs(100));
  EXPECT_THAT(attempts[2].message.recipients, SizeIs(100));
  EXPECT_THAT(attempts[3].message.recipients, SizeIs(50));
}

// What becomes of attempts.

TEST_P(QueueConformance, DeliveredAndFailedEndARecipient) {
  const QueueId id = PutTo({"a@one.example", "b@one.example", "c@two.example"});
  const std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(2));
  QueueReport report = ReportOf(attempts[0], Kind::kDelivered);
  report.outcomes[1].kind = Kind::kFailed;
  QueueChange change = Report(report);
  EXPECT_THAT(change.ended, ElementsAre(0, 1));
  EXPECT_THAT(change.deferred, IsEmpty());
  EXPECT_FALSE(change.message_ended);
  EXPECT_THAT(Addresses(Find(id)), ElementsAre("c@two.example"));
  EXPECT_EQ(Find(id).recipient_count, 1);
  change = Report(attempts[1], Kind::kDelivered);
  EXPECT_THAT(change.ended, ElementsAre(2));
  EXPECT_TRUE(change.message_ended);
  EXPECT_FALSE(IsThere(id));
  EXPECT_THAT(engine().OpenQueued(id).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().ListDestinations("", 10).value(), IsEmpty());
}

TEST_P(QueueConformance, DeferredWaitsForItsTime) {
  const QueueId id = PutTo({"a@one.example"});
  const absl::Time now = clock().Now();
  const QueueAttempt attempt = LeaseOne();
  clock().Advance(absl::Minutes(2));
  const QueueChange change = Report(attempt, Kind::kDeferred);
  EXPECT_THAT(change.deferred, ElementsAre(0));
  EXPECT_THAT(change.ended, IsEmpty());
  QueuedRecipient recipient = FindRecipient(id, 0);
  EXPECT_FALSE(recipient.in_flight);
  EXPECT_EQ(recipient.last_reply, Reply(451, "4.2.0"));
  // Chosen when the attempt began.
  EXPECT_EQ(recipient.next_attempt_time, now + absl::Minutes(6));
  clock().Advance(absl::Minutes(4) - absl::Seconds(1));
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Seconds(1));
  EXPECT_THAT(LeaseOne().message.recipients[0].attempt_count, 2);
}

TEST_P(QueueConformance, APeersWordOfWhenToComeBackCountsWithinBounds) {
  struct Case {
    absl::Duration asked;
    absl::Duration waits;
  };
  for (const Case& c : {Case{absl::Seconds(1), absl::Minutes(1)}, Case{absl::Minutes(3), absl::Minutes(3)},
                        Case{absl::Hours(4), absl::Hours(4)}, Case{absl::Hours(40), absl::Hours(4)}}) {
    const QueueId id = PutTo({"a@one.example"});
    const absl::Time now = clock().Now();
    Report(ReportOf(LeaseOne(), Kind::kDeferred, Sign::kAnswered, now + c.asked));
    EXPECT_EQ(FindRecipient(id, 0).next_attempt_time, now + c.waits) << c.asked;
    clock().Advance(c.waits - absl::Seconds(1));
    EXPECT_THAT(Lease(), IsEmpty());
    clock().Advance(absl::Seconds(1));
    Report(LeaseOne(), Kind::kDelivered);
  }
}

TEST_P(QueueConformance, FiveDaysOfRetries) {
  NewMessage mail = NewMail("delivery-id-0001", {"a@one.example"});
  const absl::Time begin = clock().Now();
  mail.queued.expire_time = begin + absl::Hours(120);
  mail.queued.delay_notice_time = begin + absl::Hours(4);
  const QueueId id = Put(mail);
  std::vector<absl::Duration> attempts;
  std::vector<absl::Duration> told;
  // Looked at each minute, as a front-end and the store itself do.
  while (IsThere(id)) {
    for (const QueueAttempt& attempt : Lease()) {
      attempts.push_back(clock().Now() - begin);
      Report(attempt, Kind::kDeferred);
    }
    for (const QueuedMessage& due : Due()) {
      told.push_back(clock().Now() - begin);
      const bool expired = due.expire_time <= clock().Now();
      Decide(expired ? Decision::kEnd : Decision::kDelayTold, due.id);
    }
    clock().Advance(absl::Minutes(1));
  }
  ASSERT_GT(attempts.size(), 7u);
  EXPECT_THAT((std::vector<absl::Duration>(attempts.begin(), attempts.begin() + 7)),
              ElementsAre(absl::ZeroDuration(), absl::Minutes(6), absl::Minutes(18), absl::Minutes(43),
                          absl::Minutes(103), absl::Minutes(223), absl::Minutes(463)));
  for (size_t i = 7; i < attempts.size(); ++i) EXPECT_EQ(attempts[i] - attempts[i - 1], absl::Hours(4)) << i;
  EXPECT_GT(attempts.back(), absl::Hours(115));
  EXPECT_THAT(told, ElementsAre(absl::Hours(4), absl::Hours(120)));
  EXPECT_THAT(engine().ListDestinations("", 10).value(), IsEmpty());
}

TEST_P(QueueConformance, WaitsAreLongerOrShorterByTheDice) {
  const absl::Time now = clock().Now();
  for (const auto& [dice, wait] : {std::pair(0.0, absl::Seconds(324)), std::pair(0.75, absl::Seconds(378))}) {
    under_test_->SetDice(dice);
    const QueueId id = PutTo({"a@one.example", "b@one.example"});
    LeaseOne();
    EXPECT_EQ(FindRecipient(id, 0).next_attempt_time, now + wait);
    // What went together comes back together.
    EXPECT_EQ(FindRecipient(id, 1).next_attempt_time, now + wait);
  }
}

TEST_P(QueueConformance, RecipientsWithoutAnOutcomeArePutBack) {
  const QueueId id = PutTo({"a@one.example", "b@one.example", "c@one.example"});
  QueueReport report = ReportOf(LeaseOne(), Kind::kDelivered);
  report.outcomes.resize(1);
  EXPECT_THAT(Report(report).ended, ElementsAre(0));
  for (const int32_t number : {1, 2}) {
    EXPECT_FALSE(FindRecipient(id, number).in_flight);
    EXPECT_EQ(FindRecipient(id, number).attempt_count, 1);
  }
  EXPECT_EQ(Status().in_flight_count, 0);
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Minutes(6));
  EXPECT_THAT(Numbers(LeaseOne().message), ElementsAre(1, 2));
}

TEST_P(QueueConformance, AReportNamesEachRecipientOnce) {
  PutTo({"a@one.example"});
  const QueueAttempt attempt = LeaseOne();
  QueueReport twice = ReportOf(attempt, Kind::kDelivered);
  twice.outcomes.push_back(twice.outcomes[0]);
  EXPECT_THAT(engine().Report(twice).status(), HasCode(StatusCode::kInvalidArgument));
  QueueReport negative = ReportOf(attempt, Kind::kDelivered);
  negative.outcomes[0].number = -1;
  EXPECT_THAT(engine().Report(negative).status(), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Report(attempt, Kind::kDelivered).ended, ElementsAre(0));
}

TEST_P(QueueConformance, ARepeatedReportChangesNothing) {
  const QueueId id = PutTo({"a@one.example", "b@one.example", "c@one.example"});
  QueueReport report = ReportOf(LeaseOne(), Kind::kDelivered);
  report.outcomes[1].kind = Kind::kFailed;
  report.outcomes[2].kind = Kind::kDeferred;
  report.outcomes[2].next_attempt_time = clock().Now() + absl::Minutes(5);
  Report(report);
  const absl::Time due = FindRecipient(id, 2).next_attempt_time;
  // It is tried again, and a repeat comes late.
  clock().Advance(absl::Minutes(1));
  Restart();
  const QueueChange change = Report(report);
  EXPECT_THAT(change.ended, IsEmpty());
  EXPECT_THAT(change.deferred, IsEmpty());
  EXPECT_FALSE(change.message_ended);
  EXPECT_EQ(FindRecipient(id, 2).next_attempt_time, due);
  Decide(Decision::kRetry, id);
  Report(report);
  EXPECT_EQ(FindRecipient(id, 2).next_attempt_time, clock().Now());
  EXPECT_EQ(engine().ListDestinations("", 1)->at(0).in_flight_count, 0);
  // And when the message is gone.
  Report(LeaseOne(), Kind::kDelivered);
  EXPECT_FALSE(IsThere(id));
  EXPECT_FALSE(Report(report).message_ended);
}

// A destination that does not answer.

TEST_P(QueueConformance, ADestinationThatIsAwayCostsOneAttemptAPause) {
  LetItBeAway("gone.example");
  for (int i = 0; i < 300; ++i) PutTo({"a@gone.example"});
  PutTo({"a@there.example"});
  // Others go on meanwhile.
  EXPECT_EQ(LeaseOne().destination, "there.example");
  const absl::Time begin = clock().Now();
  std::vector<absl::Duration> probes;
  while (clock().Now() - begin < absl::Hours(6)) {
    for (const QueueAttempt& attempt : Lease()) {
      EXPECT_EQ(attempt.destination, "gone.example");
      EXPECT_TRUE(attempt.probe);
      probes.push_back(clock().Now() - begin);
      EXPECT_THAT(Lease(), IsEmpty());
      Report(attempt, Kind::kDeferred, Sign::kUnreachable);
    }
    clock().Advance(absl::Minutes(1));
  }
  EXPECT_THAT(probes, ElementsAre(absl::Minutes(1), absl::Minutes(3), absl::Minutes(7), absl::Minutes(15),
                                  absl::Minutes(31), absl::Minutes(63), absl::Minutes(123),
                                  absl::Minutes(183), absl::Minutes(243), absl::Minutes(303)));
  int untouched = 0;
  for (const QueueId id : Ids()) untouched += FindRecipient(id, 0).attempt_count == 0 ? 1 : 0;
  EXPECT_GE(untouched, 290);

  // It answers: what waits goes out at once.
  clock().Advance(absl::Hours(1));
  const QueueAttempt back = LeaseOne();
  EXPECT_TRUE(back.probe);
  Report(back, Kind::kDelivered, Sign::kAnswered);
  const std::vector<QueueAttempt> next = Lease();
  ASSERT_THAT(next, SizeIs(4));
  EXPECT_FALSE(next[0].probe);
}

TEST_P(QueueConformance, AnAnswerInBetweenMeansThatItIsThere) {
  for (int i = 0; i < 9; ++i) PutTo({"a@one.example"});
  std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(5));
  for (int i = 0; i < 4; ++i) Report(attempts[i], Kind::kDeferred, Sign::kUnreachable);
  Report(attempts[4], Kind::kDeferred, Sign::kAnswered);
  attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(4));
  Report(attempts[0], Kind::kDeferred, Sign::kUnreachable);
  EXPECT_EQ(engine().ListDestinations("", 1)->at(0).paused_until, absl::InfinitePast());
  // As many failures as it was wide have made it narrower.
  EXPECT_EQ(engine().ListDestinations("", 1)->at(0).window, 4);
}

TEST_P(QueueConformance, ThatADestinationIsAwayIsKept) {
  LetItBeAway("gone.example");
  const absl::Time until = clock().Now() + absl::Minutes(1);
  Restart();
  EXPECT_EQ(engine().ListDestinations("", 1)->at(0).paused_until, until);
  PutTo({"a@gone.example"});
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Minutes(1));
  EXPECT_TRUE(LeaseOne().probe);
}

TEST_P(QueueConformance, AnAttemptOfWhichNothingIsHeardCostsAPauseToo) {
  LetItBeAway("gone.example");
  PutTo({"a@gone.example"});
  clock().Advance(absl::Minutes(1));
  ASSERT_OK(engine().RenewLease("short", "host", absl::Seconds(1)));
  ASSERT_THAT(engine().Lease({"short", 10, 10}).value(), SizeIs(1));
  clock().Advance(absl::Seconds(1));
  PutTo({"b@gone.example"});
  EXPECT_EQ(engine().TakeBack(10).value(), 1u);
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Seconds(59));
  EXPECT_THAT(Lease(), SizeIs(1));
}

// Front-ends that are gone.

TEST_P(QueueConformance, WhatALeaseHeldIsPutBackWhenItHasEnded) {
  const QueueId id = PutTo({"a@one.example", "b@one.example"});
  const absl::Time now = clock().Now();
  LeaseOne("first");
  const QueueId other = PutTo({"c@one.example"});
  LeaseOne("second");
  EXPECT_EQ(engine().TakeBack(10).value(), 0u);
  EXPECT_EQ(Status().in_flight_count, 3);
  ASSERT_OK(engine().EndLease("first"));
  EXPECT_EQ(engine().TakeBack(10).value(), 2u);
  EXPECT_EQ(engine().TakeBack(10).value(), 0u);
  EXPECT_FALSE(FindRecipient(id, 0).in_flight);
  EXPECT_TRUE(FindRecipient(other, 0).in_flight);
  // Due when their attempt said.
  EXPECT_EQ(FindRecipient(id, 0).next_attempt_time, now + absl::Minutes(6));
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Minutes(6));
  EXPECT_THAT(IdsOf(Lease()), ElementsAre(id));
}

TEST_P(QueueConformance, AnOverdueLeaseIsEndedToo) {
  const QueueId id = PutTo({"a@one.example"});
  LeaseOne();
  clock().Advance(absl::Hours(1) - absl::Seconds(1));
  EXPECT_EQ(engine().TakeBack(10).value(), 0u);
  clock().Advance(absl::Seconds(1));
  EXPECT_EQ(engine().TakeBack(10).value(), 1u);
  EXPECT_FALSE(FindRecipient(id, 0).in_flight);
}

TEST_P(QueueConformance, ALeaseOfTheSameNameIsAnotherOne) {
  PutTo({"a@one.example"});
  LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_OK(engine().RenewLease("worker", "host", absl::Hours(1)));
  EXPECT_EQ(engine().TakeBack(10).value(), 1u);
}

TEST_P(QueueConformance, AfterARestartALeaseHasItsWholeTimeAgain) {
  PutTo({"a@one.example"});
  LeaseOne();
  clock().Advance(absl::Minutes(59));
  Restart();
  clock().Advance(absl::Minutes(59));
  EXPECT_EQ(engine().TakeBack(10).value(), 0u);
  clock().Advance(absl::Minutes(1));
  EXPECT_EQ(engine().TakeBack(10).value(), 1u);
}

TEST_P(QueueConformance, NoMoreIsPutBackThanWasAskedFor) {
  PutTo(Many(70, "one.example"));
  PutTo(Many(50, "two.example"));
  EXPECT_THAT(Lease(), SizeIs(2));
  ASSERT_OK(engine().EndLease("worker"));
  EXPECT_EQ(engine().TakeBack(0).value(), 0u);
  for (const auto& [expected, still] : {std::pair(50u, 70), {50u, 20}, {20u, 0}, {0u, 0}}) {
    EXPECT_EQ(engine().TakeBack(50).value(), expected);
    EXPECT_EQ(Status().in_flight_count, still);
  }
  const std::vector<QueueDestination> destinations = engine().ListDestinations("", 10).value();
  for (const QueueDestination& destination : destinations) {
    EXPECT_EQ(destination.in_flight_count, 0);
  }
}

TEST_P(QueueConformance, DeliveredCountsWhateverBecameOfTheGrant) {
  // Put back.
  const QueueId first = PutTo({"a@one.example"});
  QueueAttempt late = LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 1u);
  EXPECT_TRUE(Report(late, Kind::kDelivered).message_ended);
  EXPECT_FALSE(IsThere(first));
  clock().Advance(absl::Minutes(6));
  EXPECT_THAT(Lease(), IsEmpty());

  // In flight again.
  const QueueId second = PutTo({"a@one.example", "b@one.example"});
  late = LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 2u);
  clock().Advance(absl::Minutes(6));
  const QueueAttempt now = LeaseOne();
  QueueReport report = ReportOf(late, Kind::kDelivered);
  report.outcomes.resize(1);
  EXPECT_THAT(Report(report).ended, ElementsAre(0));
  EXPECT_EQ(Status().in_flight_count, 1);
  EXPECT_THAT(Numbers(Find(second)), ElementsAre(1));
  // The attempt under way ends as any other, of what is left.
  EXPECT_THAT(Report(now, Kind::kDeferred).deferred, ElementsAre(1));
  EXPECT_EQ(Status().in_flight_count, 0);
  EXPECT_EQ(engine().ListDestinations("", 1)->at(0).in_flight_count, 0);
}

TEST_P(QueueConformance, AnAttemptOutlivesItsRecipients) {
  const QueueId id = PutTo({"a@one.example"});
  const QueueAttempt late = LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 1u);
  clock().Advance(absl::Minutes(6));
  const QueueAttempt now = LeaseOne();
  Report(late, Kind::kDelivered);
  EXPECT_FALSE(IsThere(id));
  EXPECT_THAT(engine().ListDestinations("", 1).value(), IsEmpty());
  for (int i = 0; i < 9; ++i) PutTo({"b@one.example"});
  // It is still at it.
  EXPECT_THAT(Lease(), SizeIs(4));
  EXPECT_THAT(Report(now, Kind::kDelivered).ended, IsEmpty());
  // Its place, and one more for the answer.
  EXPECT_THAT(Lease(), SizeIs(2));
}

TEST_P(QueueConformance, FailedAndDeferredCountOfTheLastAttemptOnly) {
  const QueueId id = PutTo({"a@one.example"});
  const QueueAttempt late = LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 1u);
  clock().Advance(absl::Minutes(6));
  const QueueAttempt now = LeaseOne();
  EXPECT_THAT(Report(late, Kind::kFailed).ended, IsEmpty());
  EXPECT_THAT(Report(late, Kind::kDeferred).deferred, IsEmpty());
  EXPECT_TRUE(FindRecipient(id, 0).in_flight);
  EXPECT_EQ(FindRecipient(id, 0).last_reply, QueueReply());
  EXPECT_THAT(Report(now, Kind::kFailed).ended, ElementsAre(0));
}

TEST_P(QueueConformance, TheLastAttemptCountsAlsoWhenItWasPutBack) {
  const QueueId failed = PutTo({"a@one.example"});
  const QueueId deferred = PutTo({"b@one.example"});
  const std::vector<QueueAttempt> late = Lease();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 2u);
  EXPECT_THAT(Report(late[0], Kind::kFailed).ended, ElementsAre(0));
  EXPECT_FALSE(IsThere(failed));
  const absl::Time later = clock().Now() + absl::Hours(1);
  EXPECT_THAT(Report(ReportOf(late[1], Kind::kDeferred, Sign::kAnswered, later)).deferred, ElementsAre(0));
  EXPECT_EQ(FindRecipient(deferred, 0).next_attempt_time, later);
  clock().Advance(absl::Minutes(59));
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Minutes(1));
  EXPECT_THAT(Lease(), SizeIs(1));
}

// Notices.

TEST_P(QueueConformance, NoticesAreStoredOnceWithWhatTheyTell) {
  const AccountId sender = NewMailbox("sender@example.test");
  PutTo({"a@one.example"});
  const QueueAttempt attempt = LeaseOne();
  const QueueReport report = ReportOf(attempt, Kind::kFailed);
  EXPECT_TRUE(Report(report, {NewNoticeTo(sender, "notice-id-0001")}).message_ended);
  ASSERT_THAT(List(sender), SizeIs(1));
  EXPECT_EQ(List(sender)[0].reverse_path, "");
  Report(report, {NewNoticeTo(sender, "notice-id-0001")});
  // Also should its receipt be forgotten.
  Report(report, {NewNoticeTo(sender, "notice-id-0002")});
  EXPECT_THAT(List(sender), SizeIs(1));
}

TEST_P(QueueConformance, ANoticeMayGoOutItself) {
  PutTo({"a@one.example"});
  NewNotice notice{NewMail("notice-id-0001", {"sender@one.example"}), kContent};
  notice.message.sha256 = Sha256(kContent);
  Report(ReportOf(LeaseOne(), Kind::kFailed), {notice});
  ASSERT_THAT(Ids(), SizeIs(1));
  EXPECT_EQ(Fetch(Ids()[0]), absl::StrCat(kTrace, kContent));
  EXPECT_THAT(Addresses(LeaseOne().message), ElementsAre("sender@one.example"));
}

TEST_P(QueueConformance, ANoticeThatCannotBeStoredFailsTheWholeReport) {
  const AccountId sender = NewMailbox("sender@example.test");
  const QueueId id = PutTo({"a@one.example", "b@one.example"});
  QueueReport report = ReportOf(LeaseOne(), Kind::kFailed);
  report.outcomes[1].kind = Kind::kDeferred;
  const auto failed = engine().Report(
      report, {NewNoticeTo(sender, "notice-id-0001"), NewNoticeTo(AccountId{999}, "notice-id-0002")});
  EXPECT_THAT(failed.status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(List(sender), IsEmpty());
  for (const int32_t number : {0, 1}) EXPECT_TRUE(FindRecipient(id, number).in_flight);
  EXPECT_EQ(Status().in_flight_count, 2);
  EXPECT_EQ(Status().recipient_count, 2);
  // As if it had not been.
  EXPECT_THAT(Report(report, {NewNoticeTo(sender, "notice-id-0001")}).ended, ElementsAre(0));
  EXPECT_THAT(List(sender), SizeIs(1));
  EXPECT_EQ(Status().in_flight_count, 0);
}

TEST_P(QueueConformance, WhatIsNotSoIsNotTold) {
  const AccountId sender = NewMailbox("sender@example.test");
  const QueueId id = PutTo({"a@one.example", "b@one.example", "c@one.example"});
  const QueueAttempt late = LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 3u);
  clock().Advance(absl::Minutes(6));
  // One of them is tried again; the others are still as the late report says.
  const std::vector<QueueAttempt> now = Lease(1, 1);
  ASSERT_THAT(Numbers(now.at(0).message), ElementsAre(0));
  QueueReport report = ReportOf(late, Kind::kFailed);
  report.outcomes[2].kind = Kind::kDelivered;
  const QueueChange change = Report(report, {NewNoticeTo(sender, "notice-id-0001")});
  EXPECT_THAT(change.ended, ElementsAre(2));
  EXPECT_THAT(List(sender), IsEmpty());
  EXPECT_THAT(Numbers(Find(id)), ElementsAre(0, 1));
}

TEST_P(QueueConformance, ANoticeOfADecisionIsStoredWithIt) {
  const AccountId sender = NewMailbox("sender@example.test");
  const QueueId id = PutTo({"a@one.example", "b@two.example"});
  const QueueDecision end{Decision::kEnd, id, {0}};
  const auto failed = engine().Decide(end, {NewNoticeTo(AccountId{999}, "notice-id-0001")});
  EXPECT_THAT(failed.status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Numbers(Find(id)), ElementsAre(0, 1));
  ASSERT_OK(engine().Decide(end, {NewNoticeTo(sender, "notice-id-0002")}));
  EXPECT_THAT(Numbers(Find(id)), ElementsAre(1));
  EXPECT_THAT(List(sender), SizeIs(1));
  // Again: it is so already.
  ASSERT_OK(engine().Decide(end, {NewNoticeTo(sender, "notice-id-0003")}));
  EXPECT_THAT(List(sender), SizeIs(1));

  const QueueDecision told{Decision::kDelayTold, id, {}};
  ASSERT_OK(engine().Decide(told, {NewNoticeTo(sender, "notice-id-0004")}));
  ASSERT_OK(engine().Decide(told, {NewNoticeTo(sender, "notice-id-0005")}));
  EXPECT_THAT(List(sender), SizeIs(2));
  for (const Decision kind : {Decision::kHold, Decision::kRelease, Decision::kRetry}) {
    EXPECT_THAT(engine().Decide({kind, id, {}}, {NewNoticeTo(sender, "notice-id-0006")}).status(),
                HasCode(StatusCode::kInvalidArgument));
  }
}

TEST_P(QueueConformance, ANoticeOfADecisionTellsAllOfItOrNothingIsDone) {
  const AccountId sender = NewMailbox("sender@example.test");
  const QueueId id = PutTo({"a@one.example", "b@two.example"});
  ASSERT_EQ(LeaseOne().destination, "one.example");
  const auto none = engine().Decide({Decision::kEnd, id, {0, 1}}, {NewNoticeTo(sender, "notice-id-0001")});
  ASSERT_OK(none);
  EXPECT_THAT(none->ended, IsEmpty());
  EXPECT_THAT(Numbers(Find(id)), ElementsAre(0, 1));
  EXPECT_THAT(List(sender), IsEmpty());
  // Without one, those that are in flight are passed over.
  EXPECT_THAT(Decide(Decision::kEnd, id, {0, 1}).ended, ElementsAre(1));
}

// What an operator decides, and the store itself.

TEST_P(QueueConformance, WhatIsHeldIsKeptUntilItIsReleased) {
  const QueueId id = PutTo({"a@one.example", "b@one.example", "c@one.example"});
  EXPECT_THAT(Decide(Decision::kHold, id, {1}).deferred, ElementsAre(1));
  EXPECT_THAT(Decide(Decision::kHold, id, {1}).deferred, IsEmpty());
  EXPECT_TRUE(FindRecipient(id, 1).held);
  EXPECT_EQ(Status().held_count, 1);
  Restart();
  const QueueAttempt attempt = LeaseOne();
  EXPECT_THAT(Numbers(attempt.message), ElementsAre(0, 2));
  // Those in flight are passed over.
  EXPECT_THAT(Decide(Decision::kHold, id).deferred, IsEmpty());
  Report(attempt, Kind::kDelivered);
  clock().Advance(absl::Hours(1000));
  EXPECT_THAT(Lease(), IsEmpty());
  Decide(Decision::kRetry, id);
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_TRUE(FindRecipient(id, 1).held);
  Decide(Decision::kRelease, id);
  EXPECT_EQ(Status().held_count, 0);
  EXPECT_THAT(Numbers(LeaseOne().message), ElementsAre(1));
}

TEST_P(QueueConformance, WhatIsReleasedIsDueWhenItWas) {
  const QueueId id = PutTo({"a@one.example"});
  Report(LeaseOne(), Kind::kDeferred);
  Decide(Decision::kHold, id);
  Decide(Decision::kRelease, id);
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Minutes(6));
  EXPECT_THAT(Lease(), SizeIs(1));
}

TEST_P(QueueConformance, AHeldRecipientThatWasDeliveredAfterAllEnds) {
  const QueueId id = PutTo({"a@one.example", "b@one.example"});
  const QueueAttempt late = LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  ASSERT_EQ(engine().TakeBack(10).value(), 2u);
  EXPECT_THAT(Decide(Decision::kHold, id).deferred, ElementsAre(0, 1));
  QueueReport report = ReportOf(late, Kind::kDelivered);
  report.outcomes[1].kind = Kind::kDeferred;
  Report(report);
  EXPECT_EQ(Status().held_count, 1);
  EXPECT_TRUE(FindRecipient(id, 1).held);
  clock().Advance(absl::Hours(10));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_TRUE(Decide(Decision::kEnd, id).message_ended);
  EXPECT_EQ(Status().held_count, 0);
}

TEST_P(QueueConformance, RetryIsNow) {
  const QueueId id = PutTo({"a@one.example", "b@one.example"});
  Report(LeaseOne(), Kind::kDeferred);
  Decide(Decision::kRetry, id, {1});
  EXPECT_THAT(Numbers(LeaseOne().message), ElementsAre(1));
  // Whatever the destination's pause says.
  LetItBeAway("gone.example");
  const QueueId away = PutTo({"c@gone.example"});
  Decide(Decision::kRetry, away);
  const QueueAttempt probe = LeaseOne();
  EXPECT_EQ(probe.destination, "gone.example");
  EXPECT_TRUE(probe.probe);
}

TEST_P(QueueConformance, EndTakesAway) {
  const QueueId id = PutTo({"a@one.example", "b@two.example", "c@three.example"});
  EXPECT_THAT(Decide(Decision::kEnd, id, {1, 7}).ended, ElementsAre(1));
  EXPECT_THAT(Numbers(Find(id)), ElementsAre(0, 2));
  Decide(Decision::kHold, id, {2});
  const QueueChange change = Decide(Decision::kEnd, id);
  EXPECT_THAT(change.ended, ElementsAre(0, 2));
  EXPECT_TRUE(change.message_ended);
  EXPECT_THAT(engine().Decide({Decision::kEnd, id, {}}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_EQ(Status().recipient_count, 0);
  EXPECT_THAT(engine().Decide({Decision::kEnd, id, {-1}}).status(), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(engine().Decide({Decision::kEnd, id, {1, 1}}).status(), HasCode(StatusCode::kInvalidArgument));
}

TEST_P(QueueConformance, MessagesAreDueForANoticeAndForTheirReturn) {
  NewMessage early = NewMail("delivery-id-0001", {"a@one.example", "b@one.example"});
  early.queued.delay_notice_time = clock().Now() + absl::Hours(4);
  early.queued.expire_time = clock().Now() + absl::Hours(20);
  const QueueId first = Put(early);
  NewMessage later = NewMail("delivery-id-0002", {"c@one.example"});
  later.queued.expire_time = clock().Now() + absl::Hours(5);
  const QueueId second = Put(later);
  PutTo({"d@one.example"});
  clock().Advance(absl::Hours(4) - absl::Seconds(1));
  EXPECT_THAT(Due(), IsEmpty());
  clock().Advance(absl::Seconds(1));
  std::vector<QueuedMessage> due = Due();
  EXPECT_THAT(IdsOf(due), ElementsAre(first));
  EXPECT_THAT(Numbers(due[0]), ElementsAre(0, 1));
  EXPECT_FALSE(due[0].delay_told);
  clock().Advance(absl::Hours(1));
  EXPECT_THAT(IdsOf(Due()), ElementsAre(first, second));
  EXPECT_THAT(engine().Due(1, 1).value(), SizeIs(1));
  EXPECT_THAT(engine().Due(1, 1)->at(0).recipients, SizeIs(1));
  Restart();
  Decide(Decision::kDelayTold, first);
  EXPECT_TRUE(Find(first).delay_told);
  EXPECT_THAT(IdsOf(Due()), ElementsAre(second));
  Decide(Decision::kEnd, second);
  EXPECT_THAT(Due(), IsEmpty());
  clock().Advance(absl::Hours(15));
  EXPECT_THAT(IdsOf(Due()), ElementsAre(first));
}

TEST_P(QueueConformance, OnlyWhatIsNeitherHeldNorInFlightIsDue) {
  NewMessage mail = NewMail("delivery-id-0001", {"a@one.example", "b@two.example", "c@three.example"});
  mail.queued.expire_time = clock().Now() + absl::Minutes(1);
  const QueueId id = Put(mail);
  ASSERT_THAT(Numbers(LeaseOne().message), ElementsAre(0));
  Decide(Decision::kHold, id, {1});
  clock().Advance(absl::Minutes(1));
  std::vector<QueuedMessage> due = Due();
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_THAT(Numbers(due[0]), ElementsAre(2));
  EXPECT_EQ(due[0].recipient_count, 3);
  const QueueAttempt attempt = LeaseOne();
  EXPECT_THAT(Due(), IsEmpty());
  Decide(Decision::kRelease, id);
  EXPECT_THAT(Numbers(Due().at(0)), ElementsAre(1));
  Decide(Decision::kHold, id);
  EXPECT_THAT(Due(), IsEmpty());
  Report(attempt, Kind::kDeferred);
  EXPECT_THAT(Numbers(Due().at(0)), ElementsAre(2));
}

// The queue as a whole.

TEST_P(QueueConformance, StatusCountsWhatIsThere) {
  const absl::Time first_time = clock().Now();
  const QueueId first = PutTo({"a@one.example", "b@two.example"});
  clock().Advance(absl::Minutes(1));
  const absl::Time second_time = clock().Now();
  const QueueId second = PutTo({"c@one.example"});
  Decide(Decision::kHold, second);
  const std::vector<QueueAttempt> attempts = Lease(1);
  Restart();
  QueueStatus status = Status();
  EXPECT_EQ(status.message_count, 2);
  EXPECT_EQ(status.recipient_count, 3);
  EXPECT_EQ(status.in_flight_count, 1);
  EXPECT_EQ(status.held_count, 1);
  EXPECT_EQ(status.oldest_time, first_time);
  Report(attempts[0], Kind::kDelivered);
  Decide(Decision::kEnd, first);
  status = Status();
  EXPECT_EQ(status.message_count, 1);
  EXPECT_EQ(status.recipient_count, 1);
  EXPECT_EQ(status.in_flight_count, 0);
  EXPECT_EQ(status.oldest_time, second_time);
}

TEST_P(QueueConformance, PagesOfMessagesRecipientsAndDestinations) {
  std::vector<QueueId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(PutTo(Many(3, absl::StrCat("d", i, ".example"))));
  const auto page = engine().ListQueued(ids[0], 2, 2);
  ASSERT_OK(page);
  EXPECT_THAT(IdsOf(*page), ElementsAre(ids[1], ids[2]));
  EXPECT_THAT(Numbers(page->at(0)), ElementsAre(0, 1));
  EXPECT_EQ(page->at(0).recipient_count, 3);
  EXPECT_THAT(engine().ListQueued(ids[4], 2, 2).value(), IsEmpty());
  EXPECT_THAT(Numbers(engine().FindQueued(ids[3], 1, 1).value()), ElementsAre(1));
  EXPECT_THAT(Numbers(engine().FindQueued(ids[3], 3, 1).value()), IsEmpty());
  Lease(2);
  std::vector<std::string> names;
  for (std::string after;;) {
    const auto destinations = engine().ListDestinations(after, 2);
    ASSERT_OK(destinations);
    for (const QueueDestination& destination : *destinations) {
      EXPECT_EQ(destination.recipient_count, 3);
      EXPECT_EQ(destination.window, 5);
      EXPECT_EQ(destination.in_flight_count, names.size() < 2 ? 1 : 0);
      EXPECT_EQ(destination.paused_until, absl::InfinitePast());
      names.push_back(destination.name);
    }
    if (destinations->size() < 2) break;
    after = names.back();
  }
  EXPECT_THAT(names, ElementsAre("d0.example", "d1.example", "d2.example", "d3.example", "d4.example"));
}

// What is between NUL and the end of a name is not another destination's.
TEST_P(QueueConformance, DestinationsWhoseNamesBeginAlikeAreApart) {
  PutTo({"a@one.example"});
  PutTo({"b@one.example.org"});
  PutTo({"c@one"});
  std::vector<std::string> names;
  for (const QueueAttempt& attempt : Lease()) {
    names.push_back(attempt.destination);
    EXPECT_THAT(attempt.message.recipients, SizeIs(1));
  }
  EXPECT_THAT(names, UnorderedElementsAre("one", "one.example", "one.example.org"));
}

TEST_P(QueueConformance, TheVersionGrowsWithWhatMayBeDue) {
  int64_t version = engine().QueueVersion();
  const auto has_grown = [&] {
    const int64_t before = std::exchange(version, engine().QueueVersion());
    return version > before;
  };
  const QueueId id = PutTo({"a@one.example"});
  EXPECT_TRUE(has_grown());
  QueueAttempt attempt = LeaseOne();
  has_grown();
  Report(attempt, Kind::kDeferred);
  EXPECT_TRUE(has_grown());
  Decide(Decision::kHold, id);
  has_grown();
  Decide(Decision::kRelease, id);
  EXPECT_TRUE(has_grown());
  Decide(Decision::kRetry, id);
  EXPECT_TRUE(has_grown());
  LeaseOne();
  ASSERT_OK(engine().EndLease("worker"));
  has_grown();
  ASSERT_EQ(engine().TakeBack(1).value(), 1u);
  EXPECT_TRUE(has_grown());
  EXPECT_FALSE(has_grown());
  // What goes into mailboxes alone is nothing to the queue.
  EngineConformance::Put(NewMailbox("a@example.test"), "content");
  EXPECT_FALSE(has_grown());
}

TEST_P(QueueConformance, TenThousandRecipientsInOneMessage) {
  constexpr int kCount = 10'000;
  const QueueId id = PutTo(Many(kCount, "one.example"));
  EXPECT_EQ(Status().recipient_count, kCount);
  std::set<int32_t> seen;
  while (IsThere(id)) {
    const std::vector<QueueAttempt> attempts = Lease(100, 1000);
    ASSERT_FALSE(attempts.empty());
    for (const QueueAttempt& attempt : attempts) {
      EXPECT_LE(attempt.message.recipients.size(), 100u);
      for (const int32_t number : Numbers(attempt.message)) EXPECT_TRUE(seen.insert(number).second);
      Report(attempt, Kind::kDelivered);
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kCount));
  EXPECT_EQ(Status().recipient_count, 0);
}

TEST_P(QueueConformance, AQueueMuchLongerThanAnyLimit) {
  constexpr int kMessages = 400;
  for (int i = 0; i < kMessages; ++i) {
    PutTo({absl::StrCat("a@d", i % 7, ".example"), absl::StrCat("b@d", i % 5, ".example")},
          absl::StrCat("lane ", i % 3));
  }
  std::set<std::pair<QueueId, int32_t>> delivered;
  int rounds = 0;
  while (!Ids().empty()) {
    ASSERT_LT(++rounds, 2000);
    const std::vector<QueueAttempt> attempts = Lease(3, 1);
    for (const QueueAttempt& attempt : attempts) {
      // A third of them later.
      const bool later = attempt.message.recipients[0].attempt_count == 1 && attempt.grant.value % 3 == 0;
      Report(attempt, later ? Kind::kDeferred : Kind::kDelivered);
      if (later) continue;
      EXPECT_TRUE(delivered.insert({attempt.message.id, attempt.message.recipients[0].number}).second);
    }
    if (attempts.empty()) clock().Advance(absl::Minutes(1));
    if (rounds == 100) Restart();
  }
  EXPECT_EQ(delivered.size(), 2u * kMessages);
  EXPECT_EQ(Status().message_count, 0);
  EXPECT_THAT(engine().ListDestinations("", 100).value(), IsEmpty());
}

TEST_P(QueueConformance, OneCommitHasABound) {
  for (int i = 0; i < 30; ++i) PutTo(Many(100, absl::StrCat("d", i, ".example")));
  size_t count = 0;
  for (const QueueAttempt& attempt : Lease(1000, 1000)) count += attempt.message.recipients.size();
  EXPECT_EQ(count, rules::kEnoughLeasedRecipients);
}

}  // namespace
}  // namespace mailstead::engine
