#include "webd/http/frame_allowance.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(FrameAllowance, SoManyAtOnceAndThenSoManyInEachSecond) {
  FrameAllowance allowance(10, 2, kStart);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(allowance.Take(1, kStart)) << i;
  EXPECT_FALSE(allowance.Take(1, kStart));
  EXPECT_FALSE(allowance.Take(1, kStart + absl::Milliseconds(499)));
  EXPECT_TRUE(allowance.Take(1, kStart + absl::Milliseconds(500)));
  EXPECT_FALSE(allowance.Take(1, kStart + absl::Milliseconds(500)));
}

TEST(FrameAllowance, NoMoreThanThatGatherInSilence) {
  FrameAllowance allowance(10, 2, kStart);
  const absl::Time later = kStart + absl::Hours(24);
  EXPECT_FALSE(allowance.Take(11, later));
  EXPECT_TRUE(allowance.Take(10, later)) << "what is refused takes none";
  EXPECT_FALSE(allowance.Take(1, later));
}

}  // namespace
}  // namespace mailstead::web
