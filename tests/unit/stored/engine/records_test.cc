#include "stored/engine/rocksdb/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "absl/strings/escaping.h"

namespace mailstead::store {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

template <typename Record>
Record Again(const Record& record) {
  Record again;
  const absl::Status status = Decode(Encode(record), again);
  EXPECT_TRUE(status.ok()) << status;
  return again;
}

MessageRecord SampleMessage() {
  MessageRecord message;
  message.body = 0x10000000001;
  message.size_bytes = 300;
  message.unique_id = "uid";
  message.deliver_time = absl::FromUnixMicros(1);
  message.delivery_id = "d";
  message.reverse_path = "s@x";
  message.recipient = "r@y";
  message.sha256 = "\x01\xff";
  message.prefix = "P\r\n";
  message.dsn_ret = "HDRS";
  message.dsn_envid = "e";
  return message;
}

Account SampleAccount() {
  Account account;
  account.address = "A@x";
  account.mailbox = MailboxId{7};
  account.disabled = true;
  account.quota_bytes = 128;
  account.quota_messages = 127;
  account.create_time = absl::FromUnixMicros(-1);
  account.credential.kind = Credential::Kind::kScramSha256;
  account.credential.iterations = 20000;
  account.credential.salt = std::string("\0s", 2);
  account.credential.stored_key = "k";
  account.credential.server_key = "v";
  account.credential.crypt_hash = "";
  account.credential.version = 2;
  return account;
}

// The bytes on disk. A change here is a change of the format: it needs another version byte.
TEST(Records, GoldenBytes) {
  const auto hex = [](const std::string& bytes) { return absl::BytesToHexString(bytes); };
  EXPECT_EQ(hex(Encode(Domain{"x.test", true, absl::FromUnixMicros(64)})),
            "0106782e74657374"
            "01"
            "8001");
  EXPECT_EQ(hex(Encode(SampleAccount())),
            "01"
            "03414078"
            "07"
            "01"
            "8001"
            "7f"
            "01"
            "01"
            "a09c01"
            "020073"
            "016b"
            "0176"
            "00"
            "02");
  EXPECT_EQ(hex(Encode(Alias{"@x", {"a", "b@y"}, absl::FromUnixMicros(0)})),
            "01"
            "024078"
            "00"
            "02"
            "0161"
            "03624079");
  EXPECT_EQ(hex(Encode(Counters{1, 2, 3, 4, 5, 6, 300})),
            "01"
            "01"
            "02"
            "03"
            "04"
            "05"
            "06"
            "ac02");
  MailboxRecord mailbox;
  mailbox.message_count = 1;
  mailbox.message_bytes = kMost;
  mailbox.next_message = 2;
  mailbox.last_committed_token = LeaseToken{3};
  EXPECT_EQ(hex(Encode(mailbox)),
            "01"
            "01"
            "ffffffffffffffffff01"
            "02"
            "00"
            "00"
            "ffffffffffffffffff01"
            "03");
  EXPECT_EQ(hex(Encode(SampleMessage())),
            "01"
            "818080808020"
            "ac02"
            "03756964"
            "02"
            "0164"
            "03734078"
            "03724079"
            "0201ff"
            "03500d0a"
            "0448445253"
            "0165");
  EXPECT_EQ(hex(Encode(BodyRef{2, 65536})),
            "01"
            "02"
            "808004");
  EXPECT_EQ(hex(Encode(ReceiptRecord{"h", absl::FromUnixMicros(2)})),
            "01"
            "0168"
            "04");
  EXPECT_EQ(hex(Encode(LeaseRecord{"host", absl::Seconds(6), 5})),
            "01"
            "04686f7374"
            "80b6dc05"
            "05");
  EXPECT_EQ(hex(Encode(LockRecord{LeaseToken{9}, "L", 5})),
            "01"
            "09"
            "014c"
            "05");
}

TEST(Records, ComeBackAsTheyWere) {
  const Account account = Again(SampleAccount());
  EXPECT_EQ(account.address, "A@x");
  EXPECT_EQ(account.mailbox.value, 7u);
  EXPECT_TRUE(account.disabled);
  EXPECT_EQ(account.create_time, absl::FromUnixMicros(-1));
  EXPECT_EQ(account.credential.kind, Credential::Kind::kScramSha256);
  EXPECT_EQ(account.credential.salt, std::string("\0s", 2));
  const MessageRecord message = Again(SampleMessage());
  EXPECT_EQ(message.body, 0x10000000001u);
  EXPECT_EQ(message.prefix, "P\r\n");
  EXPECT_EQ(message.dsn_envid, "e");
  EXPECT_EQ(Again(Alias{"@x", {"a", ""}, absl::UnixEpoch()}).targets, (std::vector<std::string>{"a", ""}));
  const Counters counters{kMost, 0, 1, kMost - 1, 127, 128, 16384};
  EXPECT_EQ(Again(counters), counters);
}

TEST(Records, TimesOfAllSizes) {
  for (const absl::Time time :
       {absl::InfinitePast(), absl::InfiniteFuture(), absl::UnixEpoch(), absl::FromUnixMicros(-1),
        absl::FromUnixMicros(1), absl::FromUnixMicros(std::numeric_limits<int64_t>::max() - 1),
        absl::FromUnixMicros(std::numeric_limits<int64_t>::min() + 1)}) {
    EXPECT_EQ(Again(ReceiptRecord{"", time}).deliver_time, time);
  }
}

template <typename Record>
absl::Status DecodeHex(absl::string_view hex) {
  Record record;
  return Decode(absl::HexStringToBytes(hex), record);
}

TEST(Records, BadBytesAreDataLoss) {
  const auto is_loss = [](const absl::Status& status) { return absl::IsDataLoss(status); };
  EXPECT_TRUE(is_loss(DecodeHex<BodyRef>("")));
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("00"
                                 "02"
                                 "03")))
      << "version 0";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("02"
                                 "02"
                                 "03")))
      << "version 2";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02")))
      << "cut short";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02"
                                 "03"
                                 "00")))
      << "bytes after the end";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02"
                                 "ffffffffffffffffff02")))
      << "65 bits";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02"
                                 "ffffffffffffffffffff01")))
      << "11 bytes";
  EXPECT_TRUE(
      is_loss(DecodeHex<ReceiptRecord>("01"
                                       "05"
                                       "6868")))
      << "string past the end";
  EXPECT_TRUE(
      is_loss(DecodeHex<ReceiptRecord>("01"
                                       "ffffffffffffffffff01"
                                       "68")))
      << "string of 2^64-1 bytes";
  EXPECT_TRUE(
      is_loss(DecodeHex<Domain>("01"
                                "0178"
                                "02"
                                "00")))
      << "flag 2";
  EXPECT_TRUE(
      is_loss(DecodeHex<Alias>("01"
                               "0178"
                               "00"
                               "ffffffffffffffffff01")))
      << "2^64-1 targets";
  EXPECT_TRUE(
      is_loss(DecodeHex<Account>("01"
                                 "0178"
                                 "01"
                                 "00"
                                 "00"
                                 "00"
                                 "00"
                                 "03"
                                 "00"
                                 "00"
                                 "00"
                                 "00"
                                 "00"
                                 "00")))
      << "credential of kind 3";
  MessageRecord message = SampleMessage();
  message.size_bytes = message.prefix.size() - 1;
  EXPECT_TRUE(is_loss(Decode(Encode(message), message))) << "prefix longer than the message";
}

TEST(Records, EveryCutAndEveryFlippedBitIsARecordOrDataLoss) {
  const std::string good = Encode(SampleMessage());
  MessageRecord message;
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(Decode(absl::string_view(good).substr(0, size), message))) << size;
  }
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const absl::Status status = Decode(bytes, message);
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
}

}  // namespace
}  // namespace mailstead::store
