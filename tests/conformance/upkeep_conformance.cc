#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::SizeIs;

TEST_P(UpkeepConformance, AFreshStoreIsHealthyAndEmpty) {
  EXPECT_OK(engine().Health());
  const auto status = engine().Status();
  ASSERT_OK(status);
  EXPECT_FALSE(status->engine.empty());
  EXPECT_FALSE(status->incarnation.empty());
  if (GetParam().keeps_on_disk) {
    EXPECT_GT(status->schema_version, 0);
  }
  EXPECT_EQ(status->domain_count, 1);
  EXPECT_EQ(status->account_count, 0);
  EXPECT_EQ(status->alias_count, 0);
  EXPECT_EQ(status->message_count, 0);
  EXPECT_EQ(status->message_bytes, 0);
  if (GetParam().keeps_on_disk) {
    EXPECT_GT(status->disk_free_bytes, 0);
  }
  EXPECT_EQ(status->open_maildrop_count, 0);
  EXPECT_TRUE(status->leases.empty());
}

TEST_P(UpkeepConformance, StatusCountsWhatIsThere) {
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  ASSERT_OK(engine().CreateAlias({"c@example.test", {"a@example.test"}, clock().Now()}));
  NewMessage delivery = NewDelivery("delivery-id-0001", {a, b});
  for (NewCopy& copy : delivery.copies) copy.prefix = "12345";
  ASSERT_OK(Append(delivery, "67890"));
  for (int round = 0; round < 2; ++round) {
    const auto status = engine().Status();
    ASSERT_OK(status);
    EXPECT_EQ(status->account_count, 2);
    EXPECT_EQ(status->alias_count, 1);
    EXPECT_EQ(status->message_count, 2);
    EXPECT_EQ(status->message_bytes, 20);
    if (GetParam().keeps_on_disk) {
      EXPECT_GT(status->disk_bytes, 0);
    }
    Restart();
  }
  ASSERT_OK(engine().DeleteAlias("c@example.test"));
  ASSERT_OK(engine().DeleteAccount("b@example.test"));
  ASSERT_EQ(engine().DeleteMessages(a, Ids(a)).value(), 1);
  const auto status = engine().Status();
  ASSERT_OK(status);
  EXPECT_EQ(status->account_count, 1);
  EXPECT_EQ(status->alias_count, 0);
  EXPECT_EQ(status->message_count, 0);
  EXPECT_EQ(status->message_bytes, 0);
}

TEST_P(UpkeepConformance, OldReceiptsAreForgotten) {
  const AccountId mailbox = NewMailbox("a@example.test");
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
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  for (int i = 0; i < 300; ++i) Put(a, absl::StrCat("message ", i));
  ASSERT_OK(AppendStaged(NewDelivery("delivery-id-0001", {a, b}), RandomText(500'000, 1), 65'536));
  const auto unexpected = [](AccountId, MessageId, const absl::Status& error) { ADD_FAILURE() << error; };
  EXPECT_EQ(engine().Verify(AccountId{0}, unexpected).value(), 302);
  EXPECT_EQ(engine().Verify(a, unexpected).value(), 301);
  EXPECT_EQ(engine().Verify(b, unexpected).value(), 1);
  EXPECT_THAT(engine().Verify(AccountId{999}, unexpected).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(UpkeepConformance, VerifyFindsAContentThatDiffersFromItsDigest) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "good");
  NewMessage message = NewDelivery("delivery-id-0001", {mailbox});
  message.sha256 = Sha256("other");
  ASSERT_OK(engine().Append(std::move(message), Content{"bad", nullptr}));
  std::vector<std::pair<AccountId, MessageId>> found;
  EXPECT_EQ(engine()
                .Verify(AccountId{0},
                        [&](AccountId in, MessageId message, const absl::Status& error) {
                          EXPECT_THAT(error, HasCode(StatusCode::kDataLoss));
                          found.emplace_back(in, message);
                        })
                .value(),
            2);
  EXPECT_THAT(found, testing::ElementsAre(std::make_pair(mailbox, Ids(mailbox)[1])));
}

TEST_P(UpkeepConformance, SpaceOfDeletedMessagesIsReclaimed) {
  const AccountId mailbox = NewMailbox("a@example.test");
  constexpr size_t kMessageBytes = 4'000'000;
  constexpr size_t kMessages = 50;
  for (size_t i = 0; i < kMessages; ++i) {
    const std::string content = RandomText(kMessageBytes, static_cast<uint32_t>(i));
    ASSERT_OK(AppendStaged(NewDelivery(absl::StrCat("delivery-number-", i), {mailbox}), content, 1'000'000));
  }
  const int64_t full = engine().Status()->disk_bytes;
  if (GetParam().keeps_on_disk) {
    EXPECT_GT(full, static_cast<int64_t>(kMessageBytes * kMessages * 9 / 10));
  }
  auto ids = Ids(mailbox);
  // A few stay, spread over all of them, and are whole afterwards.
  std::vector<MessageId> kept;
  for (size_t i = 0; i < ids.size(); i += 10) kept.push_back(ids[i]);
  std::erase_if(ids, [&](MessageId id) { return std::count(kept.begin(), kept.end(), id) > 0; });
  ASSERT_EQ(engine().DeleteMessages(mailbox, ids).value(), 45);
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  if (GetParam().keeps_on_disk) {
    EXPECT_LT(engine().Status()->disk_bytes, full / 3);
  }
  EXPECT_EQ(engine().Verify(mailbox, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            5);
}

TEST_P(UpkeepConformance, VerifyGoesOnWhereAStepEnded) {
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  for (int i = 0; i < 300; ++i) Put(i % 2 == 0 ? a : b, absl::StrCat("message ", i));
  const auto first = BlockOn(facets().upkeep().Verify(AccountId{0}, {.account = a, .message = Ids(a)[9]}));
  ASSERT_OK(first);
  ASSERT_TRUE(first->next.has_value()) << "a step is bounded";
  EXPECT_GT(first->checked_count, 0);
  int64_t checked = first->checked_count;
  for (auto next = first->next; next.has_value();) {
    const auto step = BlockOn(facets().upkeep().Verify(AccountId{0}, *next));
    ASSERT_OK(step);
    checked += step->checked_count;
    next = step->next;
  }
  EXPECT_EQ(checked, 290);
  EXPECT_FALSE(BlockOn(facets().upkeep().Verify(b, {.account = b, .message = Ids(b).back()}))->next.has_value());
}

TEST_P(UpkeepConformance, TheIncarnationStays) {
  const std::string incarnation = engine().Status()->incarnation;
  Restart();
  EXPECT_EQ(engine().Status()->incarnation, incarnation);
}

}  // namespace
}  // namespace mailstead::engine
