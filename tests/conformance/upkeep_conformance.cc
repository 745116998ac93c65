#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/conformance/conformance.h"

namespace mailstead::store {
namespace {

using absl::StatusCode;
using testing::SizeIs;

TEST_P(UpkeepConformance, AFreshStoreIsHealthyAndEmpty) {
  EXPECT_OK(engine().Health());
  const auto status = engine().Status();
  ASSERT_OK(status);
  EXPECT_FALSE(status->engine.empty());
  EXPECT_GT(status->schema_version, 0u);
  EXPECT_EQ(status->domain_count, 1u);
  EXPECT_EQ(status->account_count, 0u);
  EXPECT_EQ(status->alias_count, 0u);
  EXPECT_EQ(status->message_count, 0u);
  EXPECT_EQ(status->message_bytes, 0u);
  EXPECT_GT(status->disk_free_bytes, 0u);
  EXPECT_EQ(status->open_maildrop_count, 0u);
  EXPECT_TRUE(status->leases.empty());
}

TEST_P(UpkeepConformance, StatusCountsWhatIsThere) {
  const MailboxId a = NewMailbox("a@example.test");
  const MailboxId b = NewMailbox("b@example.test");
  ASSERT_OK(engine().CreateAlias({"c@example.test", {"a@example.test"}, clock().Now()}));
  Delivery delivery = NewDelivery("delivery-id-0001", {a, b});
  delivery.prefix = "12345";
  ASSERT_OK(Append(delivery, "67890"));
  for (int round = 0; round < 2; ++round) {
    const auto status = engine().Status();
    ASSERT_OK(status);
    EXPECT_EQ(status->account_count, 2u);
    EXPECT_EQ(status->alias_count, 1u);
    EXPECT_EQ(status->message_count, 2u);
    EXPECT_EQ(status->message_bytes, 20u);
    EXPECT_GT(status->disk_bytes, 0u);
    Restart();
  }
  ASSERT_OK(engine().DeleteAlias("c@example.test"));
  ASSERT_OK(engine().DeleteAccount("b@example.test"));
  ASSERT_EQ(engine().DeleteMessages(a, Ids(a)).value(), 1u);
  const auto status = engine().Status();
  ASSERT_OK(status);
  EXPECT_EQ(status->account_count, 1u);
  EXPECT_EQ(status->alias_count, 0u);
  EXPECT_EQ(status->message_count, 0u);
  EXPECT_EQ(status->message_bytes, 0u);
}

TEST_P(UpkeepConformance, OldReceiptsAreForgotten) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 5; ++i)
    ASSERT_OK(Append(NewDelivery(absl::StrCat("old-delivery-", i), {mailbox}), "old"));
  clock().Advance(absl::Hours(71));
  ASSERT_OK(Append(NewDelivery("young-delivery-1", {mailbox}), "young"));
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  EXPECT_TRUE(Append(NewDelivery("old-delivery-0", {mailbox}), "old")->already_stored);
  clock().Advance(absl::Hours(1) + absl::Seconds(1));
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  EXPECT_TRUE(Append(NewDelivery("young-delivery-1", {mailbox}), "young")->already_stored);
  EXPECT_FALSE(Append(NewDelivery("old-delivery-0", {mailbox}), "old")->already_stored);
  // The messages themselves stay.
  EXPECT_THAT(List(mailbox), SizeIs(7));
}

TEST_P(UpkeepConformance, VerifyChecksEveryMessageOfTheMailbox) {
  const MailboxId a = NewMailbox("a@example.test");
  const MailboxId b = NewMailbox("b@example.test");
  for (int i = 0; i < 300; ++i) Put(a, absl::StrCat("message ", i));
  ASSERT_OK(AppendStaged(NewDelivery("delivery-id-0001", {a, b}), RandomText(500'000, 1), 65'536));
  const auto unexpected = [](MailboxId, MessageId, const absl::Status& error) { ADD_FAILURE() << error; };
  EXPECT_EQ(engine().Verify(MailboxId{0}, unexpected).value(), 302u);
  EXPECT_EQ(engine().Verify(a, unexpected).value(), 301u);
  EXPECT_EQ(engine().Verify(b, unexpected).value(), 1u);
  EXPECT_THAT(engine().Verify(MailboxId{999}, unexpected).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(UpkeepConformance, VerifyFindsAContentThatDiffersFromItsDigest) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "good");
  absl::Notification done;
  engine().AppendDelivery(NewDelivery("delivery-id-0001", {mailbox}), std::string("bad"), Sha256("other"),
                          [&](absl::StatusOr<Receipt>) { done.Notify(); });
  done.WaitForNotification();
  std::vector<std::pair<MailboxId, MessageId>> found;
  EXPECT_EQ(engine()
                .Verify(MailboxId{0},
                        [&](MailboxId in, MessageId message, const absl::Status& error) {
                          EXPECT_THAT(error, HasCode(StatusCode::kDataLoss));
                          found.emplace_back(in, message);
                        })
                .value(),
            2u);
  EXPECT_THAT(found, testing::ElementsAre(std::make_pair(mailbox, Ids(mailbox)[1])));
}

TEST_P(UpkeepConformance, SpaceOfDeletedMessagesIsReclaimed) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  constexpr size_t kMessageBytes = 4'000'000;
  constexpr size_t kMessages = 50;
  for (size_t i = 0; i < kMessages; ++i) {
    const std::string content = RandomText(kMessageBytes, static_cast<uint32_t>(i));
    ASSERT_OK(AppendStaged(NewDelivery(absl::StrCat("delivery-number-", i), {mailbox}), content, 1'000'000));
  }
  const uint64_t full = engine().Status()->disk_bytes;
  EXPECT_GT(full, kMessageBytes * kMessages * 9 / 10);
  auto ids = Ids(mailbox);
  // A few stay, spread over all of them, and are whole afterwards.
  std::vector<MessageId> kept;
  for (size_t i = 0; i < ids.size(); i += 10) kept.push_back(ids[i]);
  std::erase_if(ids, [&](MessageId id) { return std::count(kept.begin(), kept.end(), id) > 0; });
  ASSERT_EQ(engine().DeleteMessages(mailbox, ids).value(), 45u);
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  EXPECT_LT(engine().Status()->disk_bytes, full / 3);
  EXPECT_EQ(engine().Verify(mailbox, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            5u);
}

}  // namespace
}  // namespace mailstead::store
