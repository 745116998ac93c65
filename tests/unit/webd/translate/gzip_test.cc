#include "webd/translate/gzip.h"

#include <string>

#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Gzip, ThereAndBack) {
  for (const size_t size : {0, 1, 32767, 32768, 32769, 1'000'000}) {
    std::string bytes(size, 'x');
    for (size_t i = 0; i < size; i += 7) bytes[i] = static_cast<char>(i);
    const auto back = Gunzipped(Gzipped(bytes), 1'000'000);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, bytes);
  }
}

TEST(Gzip, NoMoreIsMadeThanIsAllowed) {
  const std::string packed = Gzipped(std::string(100'000, 'x'));
  EXPECT_LT(packed.size(), 1000u);
  EXPECT_TRUE(Gunzipped(packed, 100'000).ok());
  const absl::Status bomb = Gunzipped(packed, 99'999).status();
  EXPECT_TRUE(absl::IsResourceExhausted(bomb)) << bomb;
  EXPECT_EQ(ReasonOf(bomb), kReasonTooLarge);
}

TEST(Gzip, WhatIsNone) {
  const std::string packed = Gzipped("hello");
  for (size_t cut = 0; cut < packed.size(); ++cut) {
    EXPECT_TRUE(absl::IsInvalidArgument(Gunzipped(packed.substr(0, cut), 100).status())) << cut;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Gunzipped(packed + "x", 100).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Gunzipped("hello", 100).status()));
}

}  // namespace
}  // namespace mailstead::web
