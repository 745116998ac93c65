#include "stored/rules/mailbox.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

TEST(Mailbox, HasRoomUntilItsQuotaIsReached) {
  struct Case {
    int64_t bytes, quota_bytes, count, quota_messages;
    bool room;
  };
  for (const Case& c : {
           Case{0, 0, 0, 0, true},
           Case{1'000'000, 0, 1'000'000, 0, true},
           Case{99, 100, 0, 0, true},
           Case{100, 100, 0, 0, false},
           Case{101, 100, 0, 0, false},
           Case{0, 0, 9, 10, true},
           Case{0, 0, 10, 10, false},
           Case{0, 100, 10, 10, false},
       }) {
    Mailbox mailbox;
    mailbox.message_bytes = c.bytes;
    mailbox.quota_bytes = c.quota_bytes;
    mailbox.message_count = c.count;
    mailbox.quota_messages = c.quota_messages;
    EXPECT_EQ(IsFull(mailbox), !c.room) << c.bytes << " " << c.count;
  }
}

TEST(Mailbox, NeverTakesWhatIsLargerThanItsWholeQuota) {
  EXPECT_FALSE(NeverTakes(0, 1'000'000));
  EXPECT_FALSE(NeverTakes(100, 99));
  EXPECT_FALSE(NeverTakes(100, 100));
  EXPECT_TRUE(NeverTakes(100, 101));
}

TEST(Mailbox, NumbersGrow) {
  Mailbox mailbox;
  EXPECT_EQ(ChooseMessageId(mailbox, std::nullopt)->value, 1);
  EXPECT_EQ(ChooseMessageId(mailbox, MessageId{7})->value, 7);
  Add(mailbox, MessageId{7}, 100);
  EXPECT_EQ(mailbox.next_message, 8);
  EXPECT_EQ(ChooseMessageId(mailbox, std::nullopt)->value, 8);
  EXPECT_EQ(ChooseMessageId(mailbox, MessageId{8})->value, 8);
  // Also one that it never had: what a session has been shown stays as it is.
  EXPECT_TRUE(absl::IsAlreadyExists(ChooseMessageId(mailbox, MessageId{3}).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(ChooseMessageId(mailbox, MessageId{7}).status()));
  Remove(mailbox, 100);
  EXPECT_EQ(mailbox.next_message, 8);
  EXPECT_EQ(mailbox.message_count, 0);
  EXPECT_EQ(mailbox.message_bytes, 0);
}

TEST(Mailbox, HasTheQuotaOfItsAccount) {
  engine::Account account;
  account.quota_bytes = 5;
  account.quota_messages = 6;
  Mailbox mailbox;
  CopyQuota(account, mailbox);
  EXPECT_EQ(mailbox.quota_bytes, 5);
  EXPECT_EQ(mailbox.quota_messages, 6);
}

TEST(Body, GoesWithItsLastReference) {
  int64_t count = 2;
  EXPECT_FALSE(*Unreference(count));
  EXPECT_TRUE(*Unreference(count));
  EXPECT_TRUE(absl::IsDataLoss(Unreference(count).status()));
  EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace mailstead::rules
