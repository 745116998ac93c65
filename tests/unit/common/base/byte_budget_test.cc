#include "common/base/byte_budget.h"

#include <thread>
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

}  // namespace
}  // namespace mailstead
