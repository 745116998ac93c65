#include "common/mail/date_time.h"

#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(DateTime, HasTheFormOfRfc5322) {
  EXPECT_EQ(DateTime(absl::FromUnixSeconds(1'700'000'000)), "Tue, 14 Nov 2023 22:13:20 +0000");
  EXPECT_EQ(DateTime(absl::FromUnixSeconds(1'709'251'199)), "Thu, 29 Feb 2024 23:59:59 +0000");
  EXPECT_EQ(DateTime(absl::FromUnixMillis(999)), "Thu, 01 Jan 1970 00:00:00 +0000");
}

}  // namespace
}  // namespace mailstead
