#include "stored/rules/route.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

TEST(Route, IsNamedForPeople) {
  EXPECT_EQ(RouteName({"default", ""}), "default");
  EXPECT_EQ(RouteName({".b.test", "a.test"}), ".b.test for mail from a.test");
  EXPECT_EQ(NoRoute({"b.test", ""}).message(), "there is no route b.test");
  EXPECT_EQ(ReasonOf(NoRoute({"b.test", ""})), kReasonRouteNotFound);
}

TEST(Route, ThereIsRoomForAThousand) {
  EXPECT_TRUE(CheckRoomForRoute(0).ok());
  EXPECT_TRUE(CheckRoomForRoute(999).ok());
  for (const size_t count : {1000, 1001}) {
    EXPECT_TRUE(absl::IsResourceExhausted(CheckRoomForRoute(count))) << count;
    EXPECT_EQ(ReasonOf(CheckRoomForRoute(count)), kReasonTooManyRoutes) << count;
  }
}

}  // namespace
}  // namespace mailstead::rules
