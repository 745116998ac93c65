#include "stored/engine/rocksdb/write_stalls.h"

#include <gtest/gtest.h>

namespace mailstead::engine {
namespace {

TEST(WriteStallsTest, TheWorstOfAllFamiliesCounts) {
  FakeClock clock;
  WriteStalls stalls(clock);
  EXPECT_EQ(stalls.now(), WriteStall::kNone);
  clock.Advance(absl::Seconds(100));
  stalls.Set("body", WriteStall::kSlowed);
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(stalls.now(), WriteStall::kSlowed);
  EXPECT_EQ(stalls.total(WriteStall::kSlowed), absl::Seconds(1)) << "also while it goes on";
  stalls.Set("message", WriteStall::kStopped);
  clock.Advance(absl::Seconds(2));
  EXPECT_EQ(stalls.now(), WriteStall::kStopped);
  stalls.Set("body", WriteStall::kNone);
  clock.Advance(absl::Seconds(4));
  EXPECT_EQ(stalls.now(), WriteStall::kStopped);
  stalls.Set("message", WriteStall::kSlowed);
  clock.Advance(absl::Seconds(8));
  stalls.Set("message", WriteStall::kNone);
  clock.Advance(absl::Seconds(16));
  EXPECT_EQ(stalls.now(), WriteStall::kNone);
  EXPECT_EQ(stalls.total(WriteStall::kSlowed), absl::Seconds(9));
  EXPECT_EQ(stalls.total(WriteStall::kStopped), absl::Seconds(6));
}

TEST(WriteStallsTest, NothingIsHeldUpByAClosedDatabase) {
  FakeClock clock;
  WriteStalls stalls(clock);
  stalls.Set("body", WriteStall::kStopped);
  clock.Advance(absl::Seconds(1));
  stalls.Clear();
  clock.Advance(absl::Seconds(2));
  EXPECT_EQ(stalls.now(), WriteStall::kNone);
  EXPECT_EQ(stalls.total(WriteStall::kStopped), absl::Seconds(1));
}

}  // namespace
}  // namespace mailstead::engine
