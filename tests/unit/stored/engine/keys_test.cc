#include "stored/engine/rocksdb/keys.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace mailstead::engine {
namespace {

TEST(Keys, NumbersSortAsNumbers) {
  EXPECT_LT(MessageKey(AccountId{1}, MessageId{255}), MessageKey(AccountId{1}, MessageId{256}));
  EXPECT_LT(MessageKey(AccountId{1}, MessageId{std::numeric_limits<int64_t>::max()}),
            MessageKey(AccountId{2}, MessageId{0}));
  EXPECT_LT(ChunkKey(1, 255), ChunkKey(1, 256));
  const std::string key = MessageKey(AccountId{0x0102030405060708}, MessageId{9});
  EXPECT_EQ(key, std::string("\1\2\3\4\5\6\7\x08\0\0\0\0\0\0\0\x09", 16));
  EXPECT_EQ(AccountOfKey(key).value, 0x0102030405060708);
  EXPECT_EQ(MessageOfKey(key).value, 9);
  EXPECT_EQ(BodyOfKey(ChunkKey(77, 3)), 77);
  EXPECT_LT(RemovalKey(AccountId{1}, 255), RemovalKey(AccountId{1}, 256));
  EXPECT_EQ(RemovalKey(AccountId{1}, 1).rfind(MailboxKey(AccountId{1}), 0), 0u);
}

TEST(Keys, AddressesSortByDomainThenLocalPart) {
  const std::vector<std::string> sorted = {"@a.test", "z@a.test", "a@a.test.org", "A@b.test",
                                           "\"a@z\"@c.test"};
  for (size_t i = 1; i < sorted.size(); ++i) {
    EXPECT_LT(AddressKey(kAccountKind, sorted[i - 1]), AddressKey(kAccountKind, sorted[i])) << sorted[i];
  }
  EXPECT_EQ(AddressKey(kAccountKind, "A@B.test"), AddressKey(kAccountKind, "a@b.TEST"));
  EXPECT_NE(AddressKey(kAccountKind, "a@b.test"), AddressKey(kAliasKind, "a@b.test"));
  // One domain's prefix does not take in another that begins with its name.
  EXPECT_NE(AddressKey(kAccountKind, "x@a.test.org").rfind(AddressPrefix(kAccountKind, "a.test"), 0), 0u);
  EXPECT_EQ(AddressKey(kAccountKind, "x@a.test").rfind(AddressPrefix(kAccountKind, "a.test"), 0), 0u);
}

TEST(Keys, RoutesSortAsTheirKeys) {
  const std::vector<RouteKey> sorted = {{".a.test", ""},   {"a", "b.test"},      {"a.test", ""},
                                        {"a.test", "b.a"}, {"a.test", "b.test"}, {"a.test.org", ""},
                                        {"default", ""}};
  for (size_t i = 1; i < sorted.size(); ++i) {
    EXPECT_LT(sorted[i - 1], sorted[i]) << sorted[i].destination;
    EXPECT_LT(KeyOfRoute(sorted[i - 1]), KeyOfRoute(sorted[i])) << sorted[i].destination;
  }
}

TEST(Keys, WhatIsToBeTakenAwayIsTogether) {
  const std::string deletion = DeletionKey(AccountId{7}, 9);
  EXPECT_EQ(deletion.rfind(DeletionPrefix(AccountId{7}), 0), 0u);
  EXPECT_EQ(AccountOfDeletionKey(deletion), AccountId{7});
  EXPECT_EQ(DeletionOfKey(deletion), 9);
  const std::string runs = RunsKey(9, MessageId{256});
  EXPECT_EQ(runs.rfind(RunsPrefix(9), 0), 0u);
  EXPECT_LT(RunsKey(9, MessageId{255}), runs);
  EXPECT_EQ(DeletionOfRunsKey(runs), 9);
  EXPECT_EQ(FirstOfRunsKey(runs), MessageId{256});
  EXPECT_EQ(BodyOfDeadBodyKey(DeadBodyKey(77)), 77);
}

TEST(Keys, PrefixEnd) {
  EXPECT_EQ(PrefixEnd("a"), "b");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff"), "");
  EXPECT_EQ(PrefixEnd(""), "");
}

TEST(Keys, TheTrashIsFoundByMailboxAndByTheTimeOfADomain) {
  const std::string key = TrashKey(AccountId{7}, MessageId{256});
  EXPECT_EQ(key.rfind(TrashPrefix(AccountId{7}), 0), 0u);
  EXPECT_LT(TrashKey(AccountId{7}, MessageId{255}), key);
  EXPECT_EQ(AccountOfTrashKey(key), AccountId{7});
  EXPECT_EQ(MessageOfTrashKey(key), MessageId{256});
  const absl::Time time = absl::FromUnixMicros(1'700'000'000'000'001);
  const std::string by_time = TrashTimeKey("x.test", time, AccountId{7}, MessageId{256});
  EXPECT_EQ(by_time.rfind(TrashTimePrefix("x.test"), 0), 0u);
  EXPECT_NE(by_time.rfind(TrashTimePrefix("x.tes"), 0), 0u);
  EXPECT_EQ(DomainOfTrashTimeKey(by_time), "x.test");
  EXPECT_EQ(TimeOfTrashTimeKey(by_time), time);
  EXPECT_EQ(TrashKeyOfTimeKey(by_time), key);
  EXPECT_LT(by_time, TrashTimeKey("x.test", time + absl::Microseconds(1), AccountId{1}, MessageId{1}));
  EXPECT_EQ(DomainOfAddressKey(AddressKey(kAccountKind, "A@X.test")), "x.test");
}

TEST(Keys, RetentionsSortByTheirLength) {
  const absl::Duration day = absl::Hours(24);
  const std::string of_account = AccountRetentionKey(2 * day, AccountId{7});
  EXPECT_EQ(RetentionOfKey(of_account), 2 * day);
  EXPECT_EQ(AccountOfRetentionKey(of_account), AccountId{7});
  EXPECT_LT(of_account, AccountRetentionKey(2 * day, AccountId{8}));
  EXPECT_LT(of_account, AccountRetentionKey(3 * day, AccountId{1}));
  const std::string of_domain = DomainRetentionKey(300 * day, "x.test");
  EXPECT_EQ(RetentionOfKey(of_domain), 300 * day);
  EXPECT_EQ(DomainOfRetentionKey(of_domain), "x.test");
  EXPECT_LT(of_account, of_domain);
  const absl::Time time = absl::FromUnixMicros(1'700'000'000'000'001);
  const std::string of_message = ExpireTimeKey(time, AccountId{7}, MessageId{256});
  EXPECT_EQ(TimeOfExpireKey(of_message), time);
  EXPECT_EQ(AccountOfExpireKey(of_message), AccountId{7});
  EXPECT_EQ(MessageOfExpireKey(of_message), MessageId{256});
  EXPECT_LT(of_domain, of_message);
  EXPECT_LT(of_message, ExpireTimeKey(time + absl::Microseconds(1), AccountId{1}, MessageId{1}));
}

TEST(Keys, ReceiptsSortByTime) {
  const absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  const std::string key = ReceiptTimeKey(time, "smtp", "delivery");
  EXPECT_EQ(ReceiptOfTimeKey(key), ReceiptKey("smtp", "delivery"));
  EXPECT_LT(key, ReceiptTimeBound(kReceiptTimeKind, time + absl::Seconds(1)));
  EXPECT_GE(key, ReceiptTimeBound(kReceiptTimeKind, time));
  EXPECT_LE(ReceiptTimeBound(kReceiptTimeKind, absl::FromUnixSeconds(-5)),
            ReceiptTimeBound(kReceiptTimeKind, absl::UnixEpoch()));
}

TEST(Keys, ReceiptsOfDifferentScopesDoNotMeet) {
  EXPECT_NE(ReceiptKey("smtp", "delivery"), ReceiptKey("operator", "delivery"));
  EXPECT_NE(ReceiptKey("a", "bc"), ReceiptKey("ab", "c"));
  // Nor those of an earlier store, whose time keys lead to them.
  EXPECT_NE(ReceiptKey("", "delivery"), OldReceiptKey("delivery"));
  EXPECT_EQ(ReceiptOfTimeKey(ReceiptTimeBound(kOldReceiptTimeKind, absl::UnixEpoch()) + "delivery"),
            OldReceiptKey("delivery"));
}

TEST(Keys, OfTheQueueSayWhatTheyAreOf) {
  const absl::Time time = absl::FromUnixMicros(0x0102030405060708);
  const QueueId message{0x1112131415161718};
  EXPECT_EQ(QueuedKey(message), "m\x11\x12\x13\x14\x15\x16\x17\x18");
  EXPECT_EQ(QueuedOfKey(QueuedKey(message)), message);
  const std::string recipient = QueuedRecipientKey(message, 0x21222324);
  EXPECT_EQ(recipient, "n\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24");
  EXPECT_EQ(recipient.rfind(QueuedRecipientPrefix(message), 0), 0u);
  EXPECT_EQ(NumberOfQueuedRecipientKey(recipient), 0x21222324);
  EXPECT_EQ(DestinationKey("one.example"), "done.example");
  EXPECT_EQ(DestinationOfKey("done.example"), "one.example");
  EXPECT_EQ(SiteKey("mx.example"), "smx.example");
  EXPECT_EQ(DueKey(time, "one"), "t\1\2\3\4\5\6\7\x08one");
  EXPECT_EQ(NameOfTimeKey(DueKey(time, "one")), "one");
  EXPECT_EQ(RememberedKey(time, "one"), "x\1\2\3\4\5\6\7\x08one");
  const std::string place = PlaceKey("mx.example", time, "one");
  EXPECT_EQ(place, std::string("pmx.example\0\1\2\3\4\5\6\7\x08one", 23));
  EXPECT_EQ(place.rfind(PlacePrefix("mx.example"), 0), 0u);
  EXPECT_EQ(TimeOfPlaceKey("mx.example", place), time);
  EXPECT_EQ(DestinationOfPlaceKey("mx.example", place), "one");
  EXPECT_LT(DueKey(time, "one"), QueueTimeBound(kDueKind, time + absl::Microseconds(1)));
  const std::string ready = ReadyKey("one", 0xf1f2f3f4f5f6f7f8, message, 0x0304);
  EXPECT_EQ(ready, std::string("rone\0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\0\0\0\7"
                               "\x11\x12\x13\x14\x15\x16\x17\x18\0\0\3\4",
                               29));
  EXPECT_EQ(ready.rfind(ReadyTurnPrefix("one", 0xf1f2f3f4f5f6f7f8, 7, message), 0), 0u);
  EXPECT_EQ(ready.rfind(ReadyLanePrefix("one", 0xf1f2f3f4f5f6f7f8), 0), 0u);
  EXPECT_EQ(PlaceOfReadyKey(ready).lane, 0xf1f2f3f4f5f6f7f8);
  EXPECT_EQ(PlaceOfReadyKey(ready).turn, 7);
  EXPECT_EQ(PlaceOfReadyKey(ready).message, message);
  EXPECT_EQ(PlaceOfReadyKey(ready).number, 0x0304);
  const std::string waiting = WaitingKey("one", time, message, 0x0304);
  EXPECT_EQ(waiting, std::string("wone\0\1\2\3\4\5\6\7\x08\x11\x12\x13\x14\x15\x16\x17\x18\0\0\3\4", 25));
  EXPECT_EQ(waiting.rfind(WaitingPrefix("one"), 0), 0u);
  EXPECT_EQ(TimeOfWaitingKey(waiting), time);
  EXPECT_EQ(QueuedOfWaitingKey(waiting), message);
  EXPECT_EQ(NumberOfWaitingKey(waiting), 0x0304);
  EXPECT_EQ(AttemptKey(QueueGrant{9}), std::string("g\0\0\0\0\0\0\0\x09", 9));
  const std::string flight = FlightKey(7, QueueGrant{9});
  EXPECT_EQ(flight.rfind(FlightBound(7), 0), 0u);
  EXPECT_LT(flight, FlightBound(8));
  EXPECT_EQ(LeaseOfFlightKey(flight), 7);
  EXPECT_EQ(GrantOfFlightKey(flight), QueueGrant{9});
  EXPECT_EQ(QueuedOfEventKey(EventKey(time, message)), message);
  const std::string here = HereKey(time, message, 0x0304);
  EXPECT_EQ(here, std::string("h\1\2\3\4\5\6\7\x08\x11\x12\x13\x14\x15\x16\x17\x18\0\0\3\4", 21));
  EXPECT_LT(here, QueueTimeBound(kHereKind, time + absl::Microseconds(1)));
  EXPECT_EQ(QueuedOfHereKey(here), message);
  EXPECT_EQ(NumberOfHereKey(here), 0x0304);
  EXPECT_EQ(WaitingCopyKey(message, 0x21222324), "c\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24");
  EXPECT_EQ(EventKey(absl::InfinitePast(), QueueId{1}), EventKey(absl::UnixEpoch(), QueueId{1}));
}

TEST(Keys, DestinationsAndSitesWhoseNamesBeginAlikeAreApart) {
  EXPECT_NE(PlaceKey("mx.example.org", absl::UnixEpoch(), "x").rfind(PlacePrefix("mx.example"), 0), 0u);
  EXPECT_NE(ReadyKey("one.example", 1, QueueId{1}, 1).rfind(ReadyPrefix("one"), 0), 0u);
  EXPECT_NE(WaitingKey("one.example", absl::UnixEpoch(), QueueId{1}, 1).rfind(WaitingPrefix("one"), 0), 0u);
}

}  // namespace
}  // namespace mailstead::engine
