#include "stored/engine/rocksdb/queue_marks.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mailstead::engine {
namespace {

ReadyPlace At(uint64_t lane, int64_t message) { return {lane, 0, QueueId{message}, 0}; }

TEST(QueueMarks, KnowsTheLanesOfADestinationThatHadNoneReady) {
  QueueMarks marks;
  marks.AddReady("far.example", At(7, 3), /*first=*/true);
  marks.AddReady("far.example", At(7, 2), /*first=*/false);
  marks.AddReady("far.example", At(9, 1), /*first=*/false);
  const QueueMarks::OfDestination& known = marks.Of("far.example");
  ASSERT_TRUE(known.lanes_known);
  ASSERT_EQ(known.lanes.size(), 2u);
  EXPECT_EQ(known.lanes.at(7).message, QueueId{2}) << "the first that is ready, whichever came first";
}

TEST(QueueMarks, DoesNotKnowThoseOfOneThatHadSome) {
  QueueMarks marks;
  marks.AddReady("far.example", At(7, 3), /*first=*/false);
  EXPECT_FALSE(marks.Of("far.example").lanes_known);
  EXPECT_TRUE(marks.Of("far.example").lanes.empty());
}

TEST(QueueMarks, KnowsNoMoreLanesThanItsBound) {
  QueueMarks marks;
  for (size_t lane = 0; lane < kMaxKnownLanes; ++lane) marks.AddReady("far.example", At(lane, 1), lane == 0);
  EXPECT_TRUE(marks.Of("far.example").lanes_known);
  EXPECT_EQ(marks.Of("far.example").lanes.size(), kMaxKnownLanes);
  marks.AddReady("far.example", At(kMaxKnownLanes, 1), /*first=*/false);
  EXPECT_FALSE(marks.Of("far.example").lanes_known);
  EXPECT_TRUE(marks.Of("far.example").lanes.empty());
}

TEST(QueueMarks, ForgetsAllWhereItWouldKnowTooMuch) {
  QueueMarks marks;
  for (size_t i = 0; i < kMaxKnown / 2; ++i)
    marks.AddReady(absl::StrCat(i, ".example"), At(1, 1), /*first=*/true);
  EXPECT_TRUE(marks.Of("0.example").lanes_known);
  marks.AddReady("one.more.example", At(1, 1), /*first=*/true);
  EXPECT_FALSE(marks.Of("0.example").lanes_known);
  EXPECT_TRUE(marks.Of("one.more.example").lanes_known);
}

TEST(QueueMarks, CountsWhatIsDropped) {
  QueueMarks marks;
  for (size_t i = 0; i < kMaxKnown; ++i) {
    marks.AddReady("passing.example", At(1, 1), /*first=*/true);
    marks.Drop("passing.example");
  }
  marks.AddReady("far.example", At(1, 1), /*first=*/true);
  for (size_t i = 0; i < kMaxKnown / 4; ++i) marks.Of(absl::StrCat(i, ".example"));
  EXPECT_TRUE(marks.Of("far.example").lanes_known);
}

TEST(QueueMarks, WhatWaitsBeginsAtTheFirstKey) {
  QueueMarks marks;
  marks.AddWaiting("far.example", "w5", /*first=*/false);
  EXPECT_EQ(marks.Of("far.example").waiting_from, "") << "there may be others before it";
  marks.AddWaiting("far.example", "w5", /*first=*/true);
  marks.AddWaiting("far.example", "w7", /*first=*/false);
  EXPECT_EQ(marks.Of("far.example").waiting_from, "w5");
  marks.AddWaiting("far.example", "w3", /*first=*/false);
  EXPECT_EQ(marks.Of("far.example").waiting_from, "w3");
}

TEST(QueueMarks, WhatIsDueBeginsNoLaterThanWhatIsAdded) {
  QueueMarks marks;
  marks.AddDue("t5");
  EXPECT_EQ(marks.due_from(), "");
  marks.DueBegins("t5");
  marks.AddDue("t7");
  EXPECT_EQ(marks.due_from(), "t5");
  marks.AddDue("t3");
  EXPECT_EQ(marks.due_from(), "t3");
  marks.Forget();
  EXPECT_EQ(marks.due_from(), "");
}

}  // namespace
}  // namespace mailstead::engine
