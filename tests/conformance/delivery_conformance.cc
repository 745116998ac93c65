#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kPrefix[] = "Return-Path: <sender@example.org>\r\n";

Task<void> Count(Task<absl::StatusOr<Receipt>> task, std::atomic<int>& stored, std::atomic<int>& repeated) {
  const absl::StatusOr<Receipt> receipt = co_await std::move(task);
  if (receipt.ok()) ++(receipt->already_stored ? repeated : stored);
}

// Counts what was settled as stored.
Task<void> CountSettled(Task<absl::StatusOr<Settlement>> task, std::atomic<int>& stored) {
  const absl::StatusOr<Settlement> settled = co_await std::move(task);
  if (settled.ok() && settled->receipt.has_value()) ++stored;
}

TEST_P(DeliveryConformance, AMessageIsKeptWithItsEnvelope) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage delivery = NewDelivery("delivery-id-0001", {mailbox});
  delivery.envelope.recipients[0].address = "A+tag@Example.Test";
  delivery.deliver_time = absl::FromUnixMicros(1'700'000'001'000'002);
  const std::string content("Subject: x\r\n\r\n\0\xff body", 20);
  const auto receipt = Append(delivery, content);
  ASSERT_OK(receipt);
  EXPECT_FALSE(receipt->already_stored);
  EXPECT_EQ(receipt->sha256, Sha256(content));
  EXPECT_EQ(receipt->deliver_time, delivery.deliver_time);

  Restart();
  const auto messages = List(mailbox);
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_GE(messages[0].id.value, 1);
  EXPECT_THAT(messages[0].unique_id, testing::MatchesRegex("[!-~]{1,70}"));
  EXPECT_EQ(messages[0].size_bytes, static_cast<int64_t>(delivery.copies[0].prefix.size() + content.size()));
  EXPECT_EQ(messages[0].content_bytes, static_cast<int64_t>(content.size()));
  EXPECT_EQ(messages[0].deliver_time, delivery.deliver_time);
  EXPECT_EQ(messages[0].delivery_id, "delivery-id-0001");
  EXPECT_EQ(messages[0].reverse_path, "sender@example.org");
  ASSERT_THAT(messages[0].recipients, SizeIs(1));
  EXPECT_EQ(messages[0].recipients[0].address, "A+tag@Example.Test");
  EXPECT_EQ(messages[0].sha256, Sha256(content));
  EXPECT_EQ(Fetch(mailbox, messages[0].id).value(), kPrefix + content);
  const auto usage = engine().GetUsage(mailbox);
  ASSERT_OK(usage);
  EXPECT_EQ(usage->message_count, 1);
  EXPECT_EQ(usage->message_bytes, messages[0].size_bytes);
}

TEST_P(DeliveryConformance, ContentsOfAllSizesComeBackByteForByte) {
  const AccountId mailbox = NewMailbox("a@example.test");
  uint32_t seed = 1;
  for (const size_t size : {0, 1, 2047, 2048, 65535, 65536, 65537, 131071, 131072, 131073, 400'000}) {
    const std::string content = RandomText(size, seed++);
    ASSERT_OK(Append(NewDelivery(absl::StrCat("whole-delivery-", size), {mailbox}), content)) << size;
    EXPECT_EQ(Fetch(mailbox, Ids(mailbox).back()).value(), kPrefix + content) << size;
    for (const size_t piece : {size_t{1000}, size_t{65536}, size_t{100'000}}) {
      ASSERT_OK(AppendStaged(NewDelivery(absl::StrCat("staged-delivery-", size, "-", piece), {mailbox}),
                             content, piece));
      EXPECT_EQ(Fetch(mailbox, Ids(mailbox).back()).value(), kPrefix + content) << size << " by " << piece;
    }
  }
  Restart();
  EXPECT_EQ(engine().Verify(mailbox, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            44);
}

TEST_P(DeliveryConformance, AnEmptyPrefixAndAnEmptyContent) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage delivery = NewDelivery("delivery-id-0001", {mailbox});
  delivery.copies[0].prefix.clear();
  delivery.envelope.reverse_path.clear();
  ASSERT_OK(Append(delivery, ""));
  EXPECT_EQ(List(mailbox)[0].size_bytes, 0);
  EXPECT_EQ(Fetch(mailbox, Ids(mailbox)[0]).value(), "");
}

TEST_P(DeliveryConformance, ARepeatFindsTheFirst) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const absl::Time first_time = clock().Now();
  // Finer than what is kept: all of them say the same time.
  clock().Advance(absl::Nanoseconds(999));
  const auto first = Append(NewDelivery("delivery-id-0001", {mailbox}), "first");
  ASSERT_OK(first);
  EXPECT_EQ(first->deliver_time, first_time);
  EXPECT_EQ(List(mailbox)[0].deliver_time, first_time);
  for (int round = 0; round < 2; ++round) {
    clock().Advance(absl::Minutes(1));
    // Also with a body that was streamed, and even with another content.
    const auto repeat =
        AppendStaged(NewDelivery("delivery-id-0001", {mailbox}), RandomText(200'000, 1), 10'000);
    ASSERT_OK(repeat);
    EXPECT_TRUE(repeat->already_stored);
    EXPECT_EQ(repeat->sha256, Sha256("first"));
    EXPECT_EQ(repeat->deliver_time, first_time);
    EXPECT_THAT(List(mailbox), SizeIs(1));
    EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 1);
    Restart();
  }
}

TEST_P(DeliveryConformance, ARepeatIsKnownAfterTheMessageWasDeleted) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(Append(NewDelivery("delivery-id-0001", {mailbox}), "first"));
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 1);
  EXPECT_TRUE(Append(NewDelivery("delivery-id-0001", {mailbox}), "first")->already_stored);
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(DeliveryConformance, RepeatsAtTheSameTimeStoreOnce) {
  const AccountId mailbox = NewMailbox("a@example.test");
  constexpr int kRepeats = 50;
  absl::BlockingCounter answers(kRepeats);
  std::atomic<int> stored{0};
  std::atomic<int> repeated{0};
  for (int i = 0; i < kRepeats; ++i) {
    NewMessage message = NewDelivery("delivery-id-0001", {mailbox});
    message.sha256 = Sha256("content");
    Start(
        Count(facets().messages().Append(std::move(message), Content{"content", nullptr}, {}), stored, repeated),
        [&answers] { answers.DecrementCount(); });
  }
  answers.Wait();
  EXPECT_EQ(stored, 1);
  EXPECT_EQ(repeated, kRepeats - 1);
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(DeliveryConformance, WhatIsStoredIsSettledSo) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const absl::Time time = clock().Now();
  ASSERT_OK(Append(NewDelivery("delivery-id-0001", {mailbox}), "first"));
  clock().Advance(absl::Minutes(1));
  for (int round = 0; round < 2; ++round) {
    const auto settled = engine().Settle("smtp", "delivery-id-0001");
    ASSERT_OK(settled);
    ASSERT_TRUE(settled->receipt.has_value());
    EXPECT_TRUE(settled->receipt->already_stored);
    EXPECT_EQ(settled->receipt->sha256, Sha256("first"));
    EXPECT_EQ(settled->receipt->deliver_time, time);
    Restart();
  }
  EXPECT_TRUE(Append(NewDelivery("delivery-id-0001", {mailbox}), "first")->already_stored);
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(DeliveryConformance, WhatIsNotStoredIsVoidFromThenOn) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int round = 0; round < 2; ++round) {
    const auto settled = engine().Settle("smtp", "delivery-id-0001");
    ASSERT_OK(settled);
    EXPECT_FALSE(settled->receipt.has_value());
    EXPECT_THAT(Append(NewDelivery("delivery-id-0001", {mailbox}), "late").status(),
                HasReason(StatusCode::kFailedPrecondition, kReasonDeliveryVoided));
    const std::string large = RandomText(200'000, 1);
    EXPECT_THAT(AppendStaged(NewDelivery("delivery-id-0001", {mailbox}), large, 60'000).status(),
                HasReason(StatusCode::kFailedPrecondition, kReasonDeliveryVoided));
    EXPECT_THAT(List(mailbox), IsEmpty());
    Restart();
  }
  // An id of another scope is another one.
  NewMessage other = NewDelivery("delivery-id-0001", {mailbox});
  other.delivery_scope = "operator";
  ASSERT_OK(Append(std::move(other), "of an operator"));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  // Forgotten as receipts are.
  clock().Advance(absl::Hours(72));
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  EXPECT_FALSE(engine().Settle("smtp", "delivery-id-0001")->receipt.has_value());
  clock().Advance(absl::Seconds(1));
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  ASSERT_OK(Append(NewDelivery("delivery-id-0001", {mailbox}), "much later"));
  EXPECT_THAT(List(mailbox), SizeIs(2));
}

TEST_P(DeliveryConformance, ADeliveryIsStoredOrVoidAndNeverBoth) {
  const AccountId mailbox = NewMailbox("a@example.test");
  constexpr int kDeliveries = 200;
  absl::BlockingCounter answers(2 * kDeliveries);
  std::atomic<int> stored{0};
  std::atomic<int> repeated{0};
  std::atomic<int> settled{0};
  const auto done = [&answers] { answers.DecrementCount(); };
  for (int i = 0; i < kDeliveries; ++i) {
    const std::string id = absl::StrCat("delivery-id-", 1000 + i);
    NewMessage message = NewDelivery(id, {mailbox});
    message.sha256 = Sha256("content");
    const bool settle_first = i % 2 == 0;
    if (settle_first) Start(CountSettled(facets().messages().Settle("smtp", id), settled), done);
    Start(
        Count(facets().messages().Append(std::move(message), Content{"content", nullptr}, {}), stored, repeated),
        done);
    if (!settle_first) Start(CountSettled(facets().messages().Settle("smtp", id), settled), done);
  }
  answers.Wait();
  EXPECT_EQ(stored, settled);
  EXPECT_EQ(repeated, 0);
  EXPECT_THAT(List(mailbox), SizeIs(static_cast<size_t>(stored)));
}

TEST_P(DeliveryConformance, OneMessageForManyMailboxes) {
  std::vector<AccountId> mailboxes;
  for (int i = 0; i < 1000; ++i) mailboxes.push_back(NewMailbox(absl::StrCat("box", i, "@example.test")));
  const std::string content = RandomText(150'000, 5);
  ASSERT_OK(AppendStaged(NewDelivery("delivery-id-0001", mailboxes), content, 50'000));
  std::set<std::string> unique_ids;
  for (const AccountId mailbox : mailboxes) {
    const auto messages = List(mailbox);
    ASSERT_THAT(messages, SizeIs(1));
    unique_ids.insert(messages[0].unique_id);
    ASSERT_THAT(messages[0].recipients, SizeIs(1));
    EXPECT_EQ(messages[0].recipients[0].address, absl::StrCat("box", mailbox.value, "@example.test"));
  }
  EXPECT_EQ(unique_ids.size(), mailboxes.size());
  EXPECT_LT(engine().Status()->disk_bytes, 20'000'000) << "stored once for each mailbox";

  // Deleted in all but one it is still whole; deleted there too it is gone.
  for (size_t i = 1; i < mailboxes.size(); ++i) {
    ASSERT_EQ(engine().DeleteMessages(mailboxes[i], Ids(mailboxes[i])).value(), 1);
  }
  const MessageId last = Ids(mailboxes[0])[0];
  EXPECT_EQ(Fetch(mailboxes[0], last).value(), kPrefix + content);
  ASSERT_EQ(engine().DeleteMessages(mailboxes[0], {last}).value(), 1);
  EXPECT_THAT(engine().OpenMessage(mailboxes[0], last).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DeliveryConformance, AllMailboxesOrNone) {
  const AccountId good = NewMailbox("a@example.test");
  const AccountId full = NewMailbox("full@example.test", 0, /*quota_messages=*/1);
  Put(full, "x");
  const auto gone = Append(NewDelivery("delivery-id-0001", {good, AccountId{999}}), "x");
  EXPECT_THAT(gone.status(), HasCode(StatusCode::kNotFound));
  const auto over =
      AppendStaged(NewDelivery("delivery-id-0001", {good, full}), RandomText(200'000, 2), 70'000);
  EXPECT_THAT(over.status(), HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  EXPECT_THAT(List(good), IsEmpty());
  EXPECT_EQ(engine().GetUsage(good)->message_bytes, 0);
  // What failed is not remembered as done.
  const auto retried = Append(NewDelivery("delivery-id-0001", {good}), "x");
  ASSERT_OK(retried);
  EXPECT_FALSE(retried->already_stored);
  EXPECT_EQ(Ids(good)[0].value, 1);
}

TEST_P(DeliveryConformance, FieldsThatNoCallerMayGetWrong) {
  const AccountId mailbox = NewMailbox("a@example.test");
  EXPECT_THAT(Append(NewDelivery("", {mailbox}), "x").status(), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Append(NewDelivery("delivery-id-0001", {}), "x").status(),
              HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Append(NewDelivery("delivery-id-0001", {mailbox, mailbox}), "x").status(),
              HasCode(StatusCode::kInvalidArgument));
  NewMessage message = NewDelivery("delivery-id-0001", {mailbox});
  const auto expect_refused = [&](NewMessage wrong, const char* field) {
    const auto refused = engine().Append(std::move(wrong), Content{"x", nullptr});
    EXPECT_THAT(refused.status(), HasCode(StatusCode::kInvalidArgument)) << field;
    EXPECT_EQ(FieldOf(refused.status()), field);
  };
  message.sha256 = "short";
  expect_refused(message, "sha256");
  message.sha256 = Sha256("x");
  NewMessage wrong = message;
  wrong.fingerprint = "short";
  expect_refused(wrong, "fingerprint");
  wrong = message;
  wrong.delivery_scope.clear();
  expect_refused(wrong, "delivery_scope");
  for (const std::vector<int32_t>& recipients : {std::vector<int32_t>{}, {1}, {-1}, {0, 0}}) {
    wrong = message;
    wrong.copies[0].recipients = recipients;
    expect_refused(wrong, "copies.recipients");
  }
  wrong = message;
  wrong.copies[0].id = MessageId{0};
  expect_refused(wrong, "copies.id");
  for (const std::string& unique_id : {std::string(), std::string(71, 'x'), std::string("a b")}) {
    wrong = message;
    wrong.copies[0].unique_id = unique_id;
    expect_refused(wrong, "copies.unique_id");
  }
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(DeliveryConformance, TheMessageThatCrossesTheQuotaIsTaken) {
  const std::string message(100 - (sizeof(kPrefix) - 1), 'x');  // 100 bytes with its prefix
  const AccountId mailbox = NewMailbox("a@example.test", /*quota_bytes=*/250);
  Put(mailbox, message);
  Put(mailbox, message);
  Put(mailbox, message);  // 200 of 250 were taken: this one still comes in
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, 300);
  EXPECT_THAT(Append(NewDelivery("one-too-many-1", {mailbox}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  // Room again after a deletion: 200 of 250.
  ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox)[0]}).value(), 1);
  EXPECT_OK(Append(NewDelivery("one-too-many-1", {mailbox}), "").status());
}

TEST_P(DeliveryConformance, AQuotaIsReachedAtItsVeryNumber) {
  const std::string message(100 - (sizeof(kPrefix) - 1), 'x');
  const AccountId bytes = NewMailbox("bytes@example.test", /*quota_bytes=*/200);
  Put(bytes, message);
  Put(bytes, message);  // 100 of 200
  EXPECT_THAT(Append(NewDelivery("delivery-bytes-1", {bytes}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  const AccountId count = NewMailbox("count@example.test", 0, /*quota_messages=*/2);
  Put(count, message);
  Put(count, message);
  EXPECT_THAT(Append(NewDelivery("delivery-count-1", {count}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  // A changed quota holds at once.
  AccountChange change;
  change.id = count;
  change.quota_messages = 3;
  ASSERT_OK(engine().UpdateAccount(change));
  EXPECT_OK(Append(NewDelivery("delivery-count-1", {count}), "").status());
  EXPECT_THAT(Append(NewDelivery("delivery-count-2", {count}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
}

TEST_P(DeliveryConformance, WhereRoomWasPromisedAFullMailboxTakesIt) {
  const AccountId full = NewMailbox("full@example.test", /*quota_bytes=*/100, /*quota_messages=*/1);
  const AccountId other = NewMailbox("other@example.test");
  Put(full, "x");
  NewMessage message = NewDelivery("delivery-id-0001", {full, other});
  EXPECT_THAT(Append(message, "x").status(), HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  message.room_promised = true;
  ASSERT_OK(Append(message, "x"));
  EXPECT_THAT(List(full), SizeIs(2));
  EXPECT_THAT(List(other), SizeIs(1));
}

TEST_P(DeliveryConformance, AMailboxWhoseQuotaIsSmallerThanTheContentDoesNotGetIt) {
  const AccountId small = NewMailbox("small@example.test", /*quota_bytes=*/100);
  const AccountId other = NewMailbox("other@example.test");
  const AccountId last = NewMailbox("last@example.test");
  // The content counts, not our fields: 100 fit, whichever way they come.
  for (const int64_t size : {100, 101}) {
    const bool fits = size == 100;
    NewMessage message = NewDelivery(absl::StrCat("delivery-size-", size), {other, small, last});
    if (!fits) {
      EXPECT_THAT(Append(message, std::string(101, 'x')).status(),
                  HasReason(StatusCode::kResourceExhausted, kReasonQuotaTooSmall));
    }
    message.room_promised = true;
    const auto receipt = AppendStaged(message, std::string(static_cast<size_t>(size), 'x'), 50);
    ASSERT_OK(receipt);
    if (fits) {
      EXPECT_THAT(receipt->waiting, IsEmpty());
    } else {
      EXPECT_THAT(receipt->waiting, ElementsAre(1));
      EXPECT_THAT(Append(message, std::string(101, 'x'))->waiting, IsEmpty()) << "a repeat";
    }
  }
  EXPECT_THAT(List(small), SizeIs(1));
  EXPECT_THAT(List(other), SizeIs(2));
  EXPECT_THAT(List(last), SizeIs(2));
  EXPECT_EQ(engine().Status()->message_count, 5);
  NewMessage alone = NewDelivery("delivery-alone-1", {small});
  alone.room_promised = true;
  EXPECT_THAT(Append(alone, std::string(101, 'x')).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonQuotaTooSmall));
  // What waits in the queue to be returned.
  const auto queued = engine().ListQueued(QueueId{0}, 10, 10);
  ASSERT_OK(queued.status());
  ASSERT_THAT(*queued, SizeIs(1));
  ASSERT_OK(engine().Decide({QueueDecision::Kind::kEnd, queued->front().id, {}}).status());
  // The body that two mailboxes share goes with the last of them.
  const MessageId shared = Ids(other).back();
  ASSERT_EQ(engine().DeleteMessages(last, {Ids(last).back()}).value(), 1);
  EXPECT_EQ(Fetch(other, shared).value(), kPrefix + std::string(101, 'x'));
  ASSERT_EQ(engine().DeleteMessages(other, {shared}).value(), 1);
  Restart();
  EXPECT_EQ(engine().Verify(AccountId{}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(), 3);
}

TEST_P(DeliveryConformance, ARefusalIsToldUnlessItWasStored) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage message = NewDelivery("delivery-id-0001", {mailbox});
  NewMessage refused = message;
  refused.copies.clear();
  refused.refusal = absl::NotFoundError("gone");
  EXPECT_THAT(Append(refused, "x").status(), HasCode(StatusCode::kNotFound));
  ASSERT_OK(Append(message, "x"));
  const auto repeat = Append(refused, "x");
  ASSERT_OK(repeat);
  EXPECT_TRUE(repeat->already_stored);
}

TEST_P(DeliveryConformance, MessageNumbersGrowAndAreNeverUsedAgain) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  Put(mailbox, "two");
  const auto before = Ids(mailbox);
  ASSERT_LT(before[0], before[1]);
  ASSERT_EQ(engine().DeleteMessages(mailbox, before).value(), 2);
  Restart();
  Put(mailbox, "three");
  EXPECT_GT(Ids(mailbox)[0], before[1]);
}

TEST_P(DeliveryConformance, UniqueIdsStay) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 50; ++i) Put(mailbox, "the same");
  std::set<std::string> unique_ids;
  const auto before = List(mailbox);
  for (const MessageSummary& message : before) unique_ids.insert(message.unique_id);
  EXPECT_EQ(unique_ids.size(), 50u);
  Restart();
  const auto after = List(mailbox);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].unique_id, after[i].unique_id);
}

TEST_P(DeliveryConformance, ManyThreadsAppendAtOnce) {
  constexpr int kThreads = 16;
  constexpr int kEach = 60;
  std::vector<AccountId> mailboxes;
  for (int i = 0; i < 4; ++i) mailboxes.push_back(NewMailbox(absl::StrCat("box", i, "@example.test")));
  const auto content_of = [](int thread, int i) {
    // Some are large enough to be staged.
    return absl::StrCat(thread, "/", i, RandomText(i % 15 == 0 ? 150'000 : 1000, static_cast<uint32_t>(i)));
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        NewMessage delivery =
            NewDelivery(absl::StrCat("delivery-", thread, "-", i), {mailboxes[(thread + i) % 4]});
        const std::string content = content_of(thread, i);
        const auto receipt = i % 2 == 0 ? AppendStaged(std::move(delivery), content, 30'000)
                                        : Append(std::move(delivery), content);
        ASSERT_TRUE(receipt.ok()) << receipt.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  Restart();
  std::set<std::string> expected;
  std::set<std::string> found;
  int64_t total = 0;
  for (int thread = 0; thread < kThreads; ++thread) {
    for (int i = 0; i < kEach; ++i) expected.insert(Sha256(content_of(thread, i)));
  }
  for (const AccountId mailbox : mailboxes) {
    int64_t bytes = 0;
    const auto messages = List(mailbox);
    for (const MessageSummary& message : messages) {
      bytes += message.size_bytes;
      found.insert(Sha256(Fetch(mailbox, message.id)->substr(sizeof(kPrefix) - 1)));
    }
    total += static_cast<int64_t>(messages.size());
    EXPECT_EQ(engine().GetUsage(mailbox)->message_count, static_cast<int64_t>(messages.size()));
    EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, bytes);
  }
  EXPECT_EQ(total, int64_t{kThreads} * kEach);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(engine().Status()->message_count, total);
}

TEST_P(DeliveryConformance, ABodyThatWasNotAppendedLeavesNothing) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 20; ++i) {
    auto body = engine().NewBody();
    ASSERT_OK(body);
    ASSERT_OK(BlockOn((*body)->Append(RandomText(300'000, 7))));
    EXPECT_EQ((*body)->size_bytes(), 300'000);
  }
  EXPECT_THAT(List(mailbox), IsEmpty());
  Restart();
  EXPECT_EQ(engine().Status()->message_count, 0);
  EXPECT_EQ(engine().Status()->message_bytes, 0);
}

// The resident memory of this process, in bytes.
size_t ResidentBytes() {
  FILE* file = std::fopen("/proc/self/statm", "r");
  long pages = 0;
  long resident = 0;
  if (file != nullptr) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<size_t>(resident) * 4096;
}

TEST_P(DeliveryConformance, FiftyMegabytesStreamInAndOutInBoundedMemory) {
  const AccountId mailbox = NewMailbox("a@example.test");
  constexpr size_t kPiece = 100'000;
  constexpr size_t kPieces = 525;
  // The digest of the whole comes from the pieces' digests, so that the test itself does not hold it.
  std::string digests;
  auto body = engine().NewBody();
  ASSERT_OK(body);
  const size_t before = ResidentBytes();
  size_t most = before;
  for (size_t i = 0; i < kPieces; ++i) {
    const std::string piece = RandomText(kPiece, static_cast<uint32_t>(i));
    digests += Sha256(piece);
    ASSERT_OK(BlockOn((*body)->Append(piece)));
    most = std::max(most, ResidentBytes());
  }
  NewMessage delivery = NewDelivery("delivery-id-0001", {mailbox});
  delivery.copies[0].prefix.clear();
  delivery.sha256 = Sha256(digests);
  EXPECT_OK(engine().Append(std::move(delivery), Content{"", *std::move(body)}).status());
  auto reader = engine().OpenMessage(mailbox, Ids(mailbox)[0]);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->size_bytes(), static_cast<int64_t>(kPiece * kPieces));
  EXPECT_EQ((*reader)->delivery_id(), List(mailbox)[0].delivery_id);
  for (size_t i = 0; i < kPieces; ++i) {
    std::string piece;
    while (piece.size() < kPiece) {
      const auto part =
          Read(**reader, static_cast<int64_t>(i * kPiece + piece.size()), kPiece - piece.size());
      ASSERT_OK(part);
      ASSERT_FALSE(part->empty());
      ASSERT_LE(part->size(), 65536u);
      piece += *part;
    }
    ASSERT_EQ(Sha256(piece), digests.substr(i * 32, 32)) << i;
    most = std::max(most, ResidentBytes());
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (GetParam().keeps_on_disk) {
    EXPECT_LT(most - before, size_t{45} << 20);
  }
#endif
}

TEST_P(DeliveryConformance, ADeliveryIdOfAnotherMessageIsRefused) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(Append(NewDelivery("delivery-id-0001", {mailbox}), "first"));
  NewMessage other = NewDelivery("delivery-id-0001", {mailbox});
  other.fingerprint = Sha256("another");
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(Append(other, "second").status(),
                HasReason(StatusCode::kAlreadyExists, kReasonDeliveryIdReused));
    EXPECT_THAT(AppendStaged(other, RandomText(200'000, 1), 70'000).status(),
                HasReason(StatusCode::kAlreadyExists, kReasonDeliveryIdReused));
    Restart();
  }
  EXPECT_THAT(List(mailbox), SizeIs(1));
  // Ids of different scopes never meet.
  other.delivery_scope = "operator";
  const auto receipt = Append(other, "second");
  ASSERT_OK(receipt);
  EXPECT_FALSE(receipt->already_stored);
  EXPECT_TRUE(Append(other, "second")->already_stored);
  EXPECT_THAT(List(mailbox), SizeIs(2));
}

TEST_P(DeliveryConformance, EachMailboxKeepsItsOwnEnvelopeAndPrefix) {
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  NewMessage message = NewDelivery("delivery-id-0001", {a, b});
  message.trace = "Received: here\r\n";
  message.envelope.recipients.resize(3);
  message.envelope.recipients[0].address = "a@example.test";
  message.envelope.recipients[0].notify = {true, true, false, true};
  message.envelope.recipients[0].original_recipient = "rfc822;original@example.org";
  message.envelope.recipients[1].address = "hidden@example.test";
  message.envelope.recipients[2].address = "alias@example.test";
  message.copies[0].recipients = {0, 2};
  message.copies[1].recipients = {1};
  message.copies[0].prefix = "Delivered-To: a\r\n";
  message.copies[1].prefix = "Delivered-To: b\r\nX: y\r\n";
  ASSERT_OK(Append(message, "content"));
  Restart();
  const MessageSummary of_a = List(a)[0];
  ASSERT_THAT(of_a.recipients, SizeIs(2));
  EXPECT_EQ(of_a.recipients[0].address, "a@example.test");
  EXPECT_EQ(of_a.recipients[0].notify, (DsnNotify{true, true, false, true}));
  EXPECT_EQ(of_a.recipients[0].original_recipient, "rfc822;original@example.org");
  EXPECT_EQ(of_a.recipients[1].address, "alias@example.test");
  EXPECT_EQ(of_a.recipients[1].notify, DsnNotify());
  const MessageSummary of_b = List(b)[0];
  ASSERT_THAT(of_b.recipients, SizeIs(1));
  EXPECT_EQ(of_b.recipients[0].address, "hidden@example.test");
  EXPECT_EQ(Fetch(a, of_a.id).value(), "Delivered-To: a\r\nReceived: here\r\ncontent");
  EXPECT_EQ(Fetch(b, of_b.id).value(), "Delivered-To: b\r\nX: y\r\nReceived: here\r\ncontent");
  for (const MessageSummary& summary : {of_a, of_b}) {
    EXPECT_EQ(summary.content_bytes, 7);
    EXPECT_EQ(summary.sha256, Sha256("content"));
  }
  EXPECT_EQ(of_a.size_bytes, 17 + 16 + 7);
  EXPECT_EQ(engine().FindAccount(b)->usage.message_bytes, of_b.size_bytes);
}

TEST_P(DeliveryConformance, TheTraceStandsBetweenThePrefixAndContentsOfAllSizes) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const std::string trace = absl::StrCat("Received: ", std::string(300, 't'), "\r\n");
  uint32_t seed = 100;
  for (const size_t size : {0, 1, 65000, 65224, 65225, 65535, 65536, 65537, 130'900, 131'072, 300'000}) {
    const std::string content = RandomText(size, seed++);
    for (const bool staged : {false, true}) {
      NewMessage message = NewDelivery(absl::StrCat("traced-delivery-", size, staged), {mailbox});
      message.trace = trace;
      ASSERT_OK(staged ? AppendStaged(message, content, 33'333) : Append(message, content));
      auto reader = engine().OpenMessage(mailbox, Ids(mailbox).back());
      ASSERT_OK(reader);
      const std::string whole = kPrefix + trace + content;
      EXPECT_EQ((*reader)->size_bytes(), static_cast<int64_t>(whole.size()));
      EXPECT_EQ(ReadAll(**reader, 65536).value(), whole) << size << " " << staged;
      EXPECT_EQ(ReadAll(**reader, 9973).value(), whole) << size << " " << staged;
      EXPECT_EQ(List(mailbox).back().content_bytes, static_cast<int64_t>(size));
    }
  }
  EXPECT_EQ(engine().Verify(mailbox, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            22);
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 22);
}

TEST_P(DeliveryConformance, ARestoreGivesMessagesTheirNumbersAndUniqueIds) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage message = NewDelivery("delivery-id-0001", {mailbox});
  message.copies[0].id = MessageId{40};
  message.copies[0].unique_id = "unique-of-old";
  ASSERT_OK(Append(message, "x"));
  EXPECT_THAT(Ids(mailbox), ElementsAre(MessageId{40}));
  EXPECT_EQ(List(mailbox)[0].unique_id, "unique-of-old");
  Put(mailbox, "y");
  EXPECT_THAT(Ids(mailbox), ElementsAre(MessageId{40}, MessageId{41}));
  // Numbers grow: neither one that is there, nor one that may have been.
  for (const int64_t id : {40, 41, 7}) {
    NewMessage late = NewDelivery(absl::StrCat("delivery-of-restore-", id), {mailbox});
    late.copies[0].id = MessageId{id};
    EXPECT_THAT(Append(late, "z").status(), HasCode(StatusCode::kAlreadyExists)) << id;
  }
  EXPECT_THAT(List(mailbox), SizeIs(2));
}

}  // namespace
}  // namespace mailstead::engine
