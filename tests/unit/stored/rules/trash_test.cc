#include "stored/rules/trash.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

using engine::DeletionCause;

const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000);

TEST(Trash, IsAsLongAsTheDomainsWindowIsNow) {
  const Deletion deletion{kTime, DeletionCause::kPop3, "x.test"};
  const absl::Duration window = absl::Hours(1);
  EXPECT_TRUE(IsRestorable(deletion, window, kTime));
  EXPECT_TRUE(IsRestorable(deletion, window, kTime + window - absl::Microseconds(1)));
  EXPECT_FALSE(IsRestorable(deletion, window, kTime + window));
  EXPECT_TRUE(IsRestorable(deletion, 2 * window, kTime + window));
  // A clock that was set back.
  EXPECT_TRUE(IsRestorable(deletion, window, kTime - 24 * window));
  const engine::MessageDeletion told = Told(deletion, window);
  EXPECT_EQ(told.time, kTime);
  EXPECT_EQ(told.cause, DeletionCause::kPop3);
  EXPECT_EQ(told.restorable_until, kTime + window);
}

TEST(Trash, NothingIsKeptWithoutAWindow) {
  EXPECT_FALSE(KeepsDeleted(absl::ZeroDuration()));
  EXPECT_TRUE(KeepsDeleted(absl::Microseconds(1)));
  const Deletion deletion{kTime, DeletionCause::kApi, "x.test"};
  EXPECT_FALSE(IsRestorable(deletion, absl::ZeroDuration(), kTime - absl::Hours(1)));
}

TEST(Trash, NoRoomIsToldAsOfADelivery) {
  EXPECT_EQ(NoRoomToRestore().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(NoRoomToRestore()), kReasonOverQuota);
}

}  // namespace
}  // namespace mailstead::rules
