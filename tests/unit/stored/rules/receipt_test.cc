#include "stored/rules/receipt.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

const absl::Time kTime = absl::FromUnixMicros(5'000'007);

TEST(Receipt, Repeats) {
  engine::NewMessage message;
  message.sha256 = "content";
  message.fingerprint = "all";
  struct Case {
    const char* what;
    KeptReceipt before;
    bool same;
  };
  for (const Case& c : {
           Case{"the same", {"content", "all", kTime}, true},
           Case{"the same content to others", {"content", "other", kTime}, false},
           Case{"of an earlier store", {"content", "", kTime}, true},
           Case{"of an earlier store, another content", {"other", "", kTime}, false},
       }) {
    const auto repeated = DecideRepeat(c.before, message);
    if (c.same) {
      ASSERT_TRUE(repeated.ok()) << c.what;
      ASSERT_TRUE(repeated->has_value()) << c.what;
      EXPECT_TRUE((*repeated)->already_stored);
      EXPECT_EQ((*repeated)->sha256, c.before.sha256);
      EXPECT_EQ((*repeated)->deliver_time, kTime);
    } else {
      EXPECT_TRUE(absl::IsAlreadyExists(repeated.status())) << c.what;
      EXPECT_EQ(ReasonOf(repeated.status()), kReasonDeliveryIdReused);
    }
  }
  const auto first = DecideRepeat(std::nullopt, message);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->has_value());
}

TEST(Receipt, AVoidDeliveryIsNeverStored) {
  engine::NewMessage message;
  message.sha256 = "content";
  message.fingerprint = "all";
  const KeptReceipt made = VoidReceipt(kTime + absl::Nanoseconds(999));
  EXPECT_EQ(made, (KeptReceipt{"", "", kTime}));
  const auto repeated = DecideRepeat(made, message);
  EXPECT_TRUE(absl::IsFailedPrecondition(repeated.status())) << repeated.status();
  EXPECT_EQ(ReasonOf(repeated.status()), kReasonDeliveryVoided);
  EXPECT_FALSE(DecideSettlement(made).receipt.has_value());
  EXPECT_FALSE(DecideSettlement(std::nullopt).receipt.has_value());
  const auto stored = DecideSettlement(KeptReceipt{"content", "all", kTime}).receipt;
  ASSERT_TRUE(stored.has_value());
  EXPECT_TRUE(stored->already_stored);
  EXPECT_EQ(stored->sha256, "content");
  EXPECT_EQ(stored->deliver_time, kTime);
  // Of a store of version 1 or 2.
  EXPECT_TRUE(DecideSettlement(KeptReceipt{"content", "", kTime}).receipt.has_value());
}

TEST(Receipt, OfAMessage) {
  engine::NewMessage message;
  message.sha256 = "content";
  message.fingerprint = "all";
  message.deliver_time = kTime + absl::Nanoseconds(999);
  EXPECT_EQ(ReceiptOf(message), (KeptReceipt{"content", "all", kTime}));
}

TEST(Receipt, IsForgottenBehindItsAge) {
  const absl::Time made = absl::FromUnixSeconds(1000);
  EXPECT_FALSE(IsOld(made, made + absl::Hours(1), absl::Hours(1)));
  EXPECT_FALSE(IsOld(made, made + absl::Hours(1) + absl::Milliseconds(999), absl::Hours(1)));
  EXPECT_TRUE(IsOld(made, made + absl::Hours(1) + absl::Seconds(1), absl::Hours(1)));
}

}  // namespace
}  // namespace mailstead::rules
