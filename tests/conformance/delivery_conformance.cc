#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::store {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kPrefix[] = "Return-Path: <sender@example.org>\r\n";

TEST_P(DeliveryConformance, AMessageIsKeptWithItsEnvelope) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Delivery delivery = NewDelivery("delivery-id-0001", {});
  delivery.recipients = {{mailbox, "A+tag@Example.Test"}};
  delivery.deliver_time = absl::FromUnixMicros(1'700'000'001'000'002);
  const std::string content("Subject: x\r\n\r\n\0\xff body", 20);
  const auto receipt = Append(delivery, content);
  ASSERT_OK(receipt);
  EXPECT_EQ(receipt->delivery_id, "delivery-id-0001");
  EXPECT_FALSE(receipt->already_stored);
  EXPECT_EQ(receipt->sha256, Sha256(content));
  EXPECT_EQ(receipt->deliver_time, delivery.deliver_time);

  Restart();
  const auto messages = List(mailbox);
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_GE(messages[0].id.value, 1u);
  EXPECT_THAT(messages[0].unique_id, testing::MatchesRegex("[!-~]{1,70}"));
  EXPECT_EQ(messages[0].size_bytes, delivery.prefix.size() + content.size());
  EXPECT_EQ(messages[0].deliver_time, delivery.deliver_time);
  EXPECT_EQ(messages[0].delivery_id, "delivery-id-0001");
  EXPECT_EQ(messages[0].reverse_path, "sender@example.org");
  EXPECT_EQ(messages[0].recipient, "A+tag@Example.Test");
  EXPECT_EQ(messages[0].sha256, Sha256(content));
  EXPECT_EQ(Fetch(mailbox, messages[0].id).value(), kPrefix + content);
  const auto usage = engine().GetUsage(mailbox);
  ASSERT_OK(usage);
  EXPECT_EQ(usage->message_count, 1u);
  EXPECT_EQ(usage->message_bytes, messages[0].size_bytes);
}

TEST_P(DeliveryConformance, ContentsOfAllSizesComeBackByteForByte) {
  const MailboxId mailbox = NewMailbox("a@example.test");
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
            44u);
}

TEST_P(DeliveryConformance, AnEmptyPrefixAndAnEmptyContent) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Delivery delivery = NewDelivery("delivery-id-0001", {mailbox});
  delivery.prefix.clear();
  delivery.reverse_path.clear();
  ASSERT_OK(Append(delivery, ""));
  EXPECT_EQ(List(mailbox)[0].size_bytes, 0u);
  EXPECT_EQ(Fetch(mailbox, Ids(mailbox)[0]).value(), "");
}

TEST_P(DeliveryConformance, ARepeatFindsTheFirst) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  const absl::Time first_time = clock().Now();
  ASSERT_OK(Append(NewDelivery("delivery-id-0001", {mailbox}), "first"));
  for (int round = 0; round < 2; ++round) {
    clock().Advance(absl::Minutes(1));
    // Also with a body that was streamed, and even with another content.
    const auto repeat =
        AppendStaged(NewDelivery("delivery-id-0001", {mailbox}), RandomText(200'000, 1), 10'000);
    ASSERT_OK(repeat);
    EXPECT_TRUE(repeat->already_stored);
    EXPECT_EQ(repeat->delivery_id, "delivery-id-0001");
    EXPECT_EQ(repeat->sha256, Sha256("first"));
    EXPECT_EQ(repeat->deliver_time, first_time);
    EXPECT_THAT(List(mailbox), SizeIs(1));
    EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 1u);
    Restart();
  }
}

TEST_P(DeliveryConformance, ARepeatIsKnownAfterTheMessageWasDeleted) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(Append(NewDelivery("delivery-id-0001", {mailbox}), "first"));
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 1u);
  EXPECT_TRUE(Append(NewDelivery("delivery-id-0001", {mailbox}), "first")->already_stored);
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(DeliveryConformance, RepeatsAtTheSameTimeStoreOnce) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  constexpr int kRepeats = 50;
  absl::BlockingCounter answers(kRepeats);
  std::atomic<int> stored{0};
  std::atomic<int> repeated{0};
  for (int i = 0; i < kRepeats; ++i) {
    engine().AppendDelivery(NewDelivery("delivery-id-0001", {mailbox}), std::string("content"),
                            Sha256("content"), [&](absl::StatusOr<Receipt> receipt) {
                              if (receipt.ok()) ++(receipt->already_stored ? repeated : stored);
                              answers.DecrementCount();
                            });
  }
  answers.Wait();
  EXPECT_EQ(stored, 1);
  EXPECT_EQ(repeated, kRepeats - 1);
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(DeliveryConformance, OneMessageForManyMailboxes) {
  std::vector<MailboxId> mailboxes;
  for (int i = 0; i < 1000; ++i) mailboxes.push_back(NewMailbox(absl::StrCat("box", i, "@example.test")));
  const std::string content = RandomText(150'000, 5);
  ASSERT_OK(AppendStaged(NewDelivery("delivery-id-0001", mailboxes), content, 50'000));
  std::set<std::string> unique_ids;
  for (const MailboxId mailbox : mailboxes) {
    const auto messages = List(mailbox);
    ASSERT_THAT(messages, SizeIs(1));
    unique_ids.insert(messages[0].unique_id);
    EXPECT_EQ(messages[0].recipient, absl::StrCat("box", mailbox.value, "@example.test"));
  }
  EXPECT_EQ(unique_ids.size(), mailboxes.size());
  EXPECT_LT(engine().Status()->disk_bytes, 20'000'000u) << "stored once for each mailbox";

  // Deleted in all but one it is still whole; deleted there too it is gone.
  for (size_t i = 1; i < mailboxes.size(); ++i) {
    ASSERT_EQ(engine().DeleteMessages(mailboxes[i], Ids(mailboxes[i])).value(), 1u);
  }
  const MessageId last = Ids(mailboxes[0])[0];
  EXPECT_EQ(Fetch(mailboxes[0], last).value(), kPrefix + content);
  ASSERT_EQ(engine().DeleteMessages(mailboxes[0], {last}).value(), 1u);
  EXPECT_THAT(engine().OpenMessage(mailboxes[0], last).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DeliveryConformance, AllMailboxesOrNone) {
  const MailboxId good = NewMailbox("a@example.test");
  const MailboxId full = NewMailbox("full@example.test", /*quota_bytes=*/1);
  Put(full, "x");
  const auto gone = Append(NewDelivery("delivery-id-0001", {good, MailboxId{999}}), "x");
  EXPECT_THAT(gone.status(), HasCode(StatusCode::kNotFound));
  const auto over =
      AppendStaged(NewDelivery("delivery-id-0001", {good, full}), RandomText(200'000, 2), 70'000);
  EXPECT_THAT(over.status(), HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  EXPECT_THAT(List(good), IsEmpty());
  EXPECT_EQ(engine().GetUsage(good)->message_bytes, 0u);
  // What failed is not remembered as done.
  const auto retried = Append(NewDelivery("delivery-id-0001", {good}), "x");
  ASSERT_OK(retried);
  EXPECT_FALSE(retried->already_stored);
  EXPECT_EQ(Ids(good)[0].value, 1u);
}

TEST_P(DeliveryConformance, FieldsThatNoCallerMayGetWrong) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  EXPECT_THAT(Append(NewDelivery("", {mailbox}), "x").status(), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Append(NewDelivery("delivery-id-0001", {}), "x").status(),
              HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Append(NewDelivery("delivery-id-0001", {mailbox, mailbox}), "x").status(),
              HasCode(StatusCode::kInvalidArgument));
  absl::Notification done;
  engine().AppendDelivery(NewDelivery("delivery-id-0001", {mailbox}), std::string("x"), "short",
                          [&](absl::StatusOr<Receipt> receipt) {
                            EXPECT_THAT(receipt.status(), HasCode(StatusCode::kInvalidArgument));
                            done.Notify();
                          });
  done.WaitForNotification();
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(DeliveryConformance, TheMessageThatCrossesTheQuotaIsTaken) {
  const std::string message(100 - (sizeof(kPrefix) - 1), 'x');  // 100 bytes with its prefix
  const MailboxId mailbox = NewMailbox("a@example.test", /*quota_bytes=*/250);
  Put(mailbox, message);
  Put(mailbox, message);
  Put(mailbox, message);  // 200 of 250 were taken: this one still comes in
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, 300u);
  EXPECT_THAT(Append(NewDelivery("one-too-many-1", {mailbox}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  // Room again after a deletion: 200 of 250.
  ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox)[0]}).value(), 1u);
  EXPECT_OK(Append(NewDelivery("one-too-many-1", {mailbox}), "").status());
}

TEST_P(DeliveryConformance, AQuotaIsReachedAtItsVeryNumber) {
  const std::string message(100 - (sizeof(kPrefix) - 1), 'x');
  const MailboxId bytes = NewMailbox("bytes@example.test", /*quota_bytes=*/200);
  Put(bytes, message);
  Put(bytes, message);  // 100 of 200
  EXPECT_THAT(Append(NewDelivery("delivery-bytes-1", {bytes}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  const MailboxId count = NewMailbox("count@example.test", 0, /*quota_messages=*/2);
  Put(count, message);
  Put(count, message);
  EXPECT_THAT(Append(NewDelivery("delivery-count-1", {count}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  // A changed quota holds at once.
  AccountChange change;
  change.address = "count@example.test";
  const uint64_t three = 3;
  change.quota_messages = &three;
  ASSERT_OK(engine().UpdateAccount(change));
  EXPECT_OK(Append(NewDelivery("delivery-count-1", {count}), "").status());
  EXPECT_THAT(Append(NewDelivery("delivery-count-2", {count}), "").status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
}

TEST_P(DeliveryConformance, MessageNumbersGrowAndAreNeverUsedAgain) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  Put(mailbox, "two");
  const auto before = Ids(mailbox);
  ASSERT_LT(before[0], before[1]);
  ASSERT_EQ(engine().DeleteMessages(mailbox, before).value(), 2u);
  Restart();
  Put(mailbox, "three");
  EXPECT_GT(Ids(mailbox)[0], before[1]);
}

TEST_P(DeliveryConformance, UniqueIdsStay) {
  const MailboxId mailbox = NewMailbox("a@example.test");
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
  std::vector<MailboxId> mailboxes;
  for (int i = 0; i < 4; ++i) mailboxes.push_back(NewMailbox(absl::StrCat("box", i, "@example.test")));
  const auto content_of = [](int thread, int i) {
    // Some are large enough to be staged.
    return absl::StrCat(thread, "/", i, RandomText(i % 15 == 0 ? 150'000 : 1000, static_cast<uint32_t>(i)));
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        Delivery delivery =
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
  uint64_t total = 0;
  for (int thread = 0; thread < kThreads; ++thread) {
    for (int i = 0; i < kEach; ++i) expected.insert(Sha256(content_of(thread, i)));
  }
  for (const MailboxId mailbox : mailboxes) {
    uint64_t bytes = 0;
    const auto messages = List(mailbox);
    for (const MessageSummary& message : messages) {
      bytes += message.size_bytes;
      found.insert(Sha256(Fetch(mailbox, message.id)->substr(sizeof(kPrefix) - 1)));
    }
    total += messages.size();
    EXPECT_EQ(engine().GetUsage(mailbox)->message_count, messages.size());
    EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, bytes);
  }
  EXPECT_EQ(total, uint64_t{kThreads} * kEach);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(engine().Status()->message_count, total);
}

TEST_P(DeliveryConformance, ABodyThatWasNotAppendedLeavesNothing) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 20; ++i) {
    auto body = engine().NewBody();
    ASSERT_OK(body);
    ASSERT_OK((*body)->Append(RandomText(300'000, 7)));
    EXPECT_EQ((*body)->size_bytes(), 300'000u);
  }
  EXPECT_THAT(List(mailbox), IsEmpty());
  Restart();
  EXPECT_EQ(engine().Status()->message_count, 0u);
  EXPECT_EQ(engine().Status()->message_bytes, 0u);
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
  const MailboxId mailbox = NewMailbox("a@example.test");
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
    ASSERT_OK((*body)->Append(piece));
    most = std::max(most, ResidentBytes());
  }
  absl::Notification done;
  Delivery delivery = NewDelivery("delivery-id-0001", {mailbox});
  delivery.prefix.clear();
  engine().AppendDelivery(std::move(delivery), *std::move(body), Sha256(digests),
                          [&](absl::StatusOr<Receipt> receipt) {
                            EXPECT_OK(receipt.status());
                            done.Notify();
                          });
  done.WaitForNotification();
  auto reader = engine().OpenMessage(mailbox, Ids(mailbox)[0]);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->size_bytes(), kPiece * kPieces);
  EXPECT_EQ((*reader)->delivery_id(), List(mailbox)[0].delivery_id);
  for (size_t i = 0; i < kPieces; ++i) {
    std::string piece;
    while (piece.size() < kPiece) {
      const auto part = (*reader)->Read(i * kPiece + piece.size(), kPiece - piece.size());
      ASSERT_OK(part);
      ASSERT_FALSE(part->empty());
      ASSERT_LE(part->size(), 65536u);
      piece += *part;
    }
    ASSERT_EQ(Sha256(piece), digests.substr(i * 32, 32)) << i;
    most = std::max(most, ResidentBytes());
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(most - before, size_t{45} << 20);
#endif
}

}  // namespace
}  // namespace mailstead::store
