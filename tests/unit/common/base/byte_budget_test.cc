#include "common/base/byte_budget.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(ByteBudget, IsFullAtItsLimit) {
  ByteBudget budget(10);
  EXPECT_FALSE(budget.full());
  budget.Take(9);
  EXPECT_FALSE(budget.full());
  budget.Take(1);
  EXPECT_TRUE(budget.full());
  budget.Take(5);
  EXPECT_EQ(budget.used_bytes(), 15u);
  EXPECT_TRUE(budget.full());
  budget.Return(6);
  EXPECT_EQ(budget.used_bytes(), 9u);
  EXPECT_FALSE(budget.full());
}

TEST(ByteBudget, OfNothingIsAlwaysFull) { EXPECT_TRUE(ByteBudget(0).full()); }

TEST(ByteBudget, CountsWhatManyThreadsTakeAndReturn) {
  ByteBudget budget(1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&budget] {
      for (int k = 0; k < 10'000; ++k) {
        budget.Take(3);
        budget.Return(2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used_bytes(), 40'000u);
}

TEST(ByteBudget, GivesAllOrNothing) {
  ByteBudget budget(10);
  EXPECT_TRUE(budget.TryTake(4));
  EXPECT_FALSE(budget.TryTake(7));
  EXPECT_EQ(budget.used_bytes(), 4u);
  EXPECT_TRUE(budget.TryTake(6));
  EXPECT_FALSE(budget.TryTake(1));
  EXPECT_TRUE(budget.TryTake(0));
  // Also when somebody took more than there is.
  budget.Take(5);
  EXPECT_FALSE(budget.TryTake(0));
  EXPECT_FALSE(ByteBudget(10).TryTake(11));
}

TEST(ByteBudget, ManyThreadsNeverGetMoreThanThereIs) {
  ByteBudget budget(1000);
  std::vector<std::thread> threads;
  std::atomic<int> given = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) {
        if (budget.TryTake(3)) ++given;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(given, 333);
  EXPECT_EQ(budget.used_bytes(), 999u);
}

TEST(ByteHold, GoesBackWithItsHolder) {
  ByteBudget budget(100);
  {
    ByteHold hold(budget);
    EXPECT_TRUE(hold.TryTake(60));
    EXPECT_FALSE(hold.TryTake(41));
    hold.Take(50);
    EXPECT_EQ(hold.bytes(), 110u);
    EXPECT_EQ(budget.used_bytes(), 110u);
    ByteHold moved = std::move(hold);
    EXPECT_EQ(moved.bytes(), 110u);
    EXPECT_EQ(budget.used_bytes(), 110u);
    ByteHold other(budget);
    other.Take(7);
    other = std::move(moved);
    EXPECT_EQ(budget.used_bytes(), 110u);
    other.Clear();
    EXPECT_EQ(budget.used_bytes(), 0u);
    other.Take(1);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(ByteHold, IsSplitAndPutTogether) {
  ByteBudget budget(100);
  ByteHold hold(budget);
  hold.Take(10);
  std::optional<ByteHold> part = hold.Split(4);
  EXPECT_EQ(hold.bytes(), 6u);
  EXPECT_EQ(part->bytes(), 4u);
  EXPECT_EQ(budget.used_bytes(), 10u);
  // What is lacking is taken.
  const ByteHold more = hold.Split(9);
  EXPECT_EQ(hold.bytes(), 0u);
  EXPECT_EQ(more.bytes(), 9u);
  EXPECT_EQ(budget.used_bytes(), 13u);
  hold.Add(*std::move(part));
  part.reset();
  EXPECT_EQ(hold.bytes(), 4u);
  EXPECT_EQ(budget.used_bytes(), 13u);
}

TEST(ByteHold, OfNoBudgetCountsForItself) {
  ByteHold hold;
  EXPECT_TRUE(hold.TryTake(5));
  EXPECT_EQ(hold.Split(9).bytes(), 9u);
}

}  // namespace
}  // namespace mailstead
