#include "common/base/worker_pool.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(WorkerPoolTest, RunsEveryTaskOnce) {
  std::atomic<int> sum = 0;
  {
    WorkerPool pool(4, 1000);
    for (int i = 1; i <= 1000; ++i) ASSERT_TRUE(pool.Submit([&sum, i] { sum += i; }));
  }
  EXPECT_EQ(sum, 500'500);
}

TEST(WorkerPoolTest, TakesTasksFromManyThreads) {
  std::atomic<int> runs = 0;
  {
    WorkerPool pool(2, 4000);
    std::vector<std::thread> submitters;
    for (int i = 0; i < 4; ++i) {
      submitters.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) EXPECT_TRUE(pool.Submit([&runs] { ++runs; }));
      });
    }
    for (std::thread& submitter : submitters) submitter.join();
  }
  EXPECT_EQ(runs, 4000);
}

TEST(WorkerPoolTest, RunsAsManyAtOnceAsItHasThreads) {
  constexpr int kThreads = 3;
  absl::BlockingCounter all_started(kThreads);
  absl::Notification release;
  WorkerPool pool(kThreads, kThreads);
  for (int i = 0; i < kThreads; ++i) {
    ASSERT_TRUE(pool.Submit([&] {
      all_started.DecrementCount();
      release.WaitForNotification();
    }));
  }
  all_started.Wait();  // hangs, and fails by the test's time limit, if fewer run
  release.Notify();
}

TEST(WorkerPoolTest, RefusesWhenTheQueueIsFullAndTakesAgainLater) {
  absl::Notification started, release, ran;
  std::atomic<int> runs = 0;
  WorkerPool pool(1, 2);
  ASSERT_TRUE(pool.Submit([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.Submit([&] { ++runs; }));
  EXPECT_TRUE(pool.Submit([&] {
    ++runs;
    ran.Notify();
  }));
  EXPECT_FALSE(pool.Submit([&] { runs += 100; }));
  release.Notify();
  ran.WaitForNotification();
  EXPECT_EQ(runs, 2);
  absl::Notification last;
  EXPECT_TRUE(pool.Submit([&] { last.Notify(); }));
  last.WaitForNotification();
}

TEST(WorkerPoolTest, RunsWhatIsQueuedBeforeItEnds) {
  absl::Notification started, release;
  std::atomic<int> runs = 0;
  auto pool = std::make_unique<WorkerPool>(1, 10);
  ASSERT_TRUE(pool->Submit([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool->Submit([&] { ++runs; }));
  std::thread ender([&] { pool.reset(); });
  release.Notify();
  ender.join();
  EXPECT_EQ(runs, 10);
}

TEST(WorkerPoolTest, TasksMayOwnWhatOnlyMoves) {
  auto value = std::make_unique<int>(42);
  std::atomic<int> seen = 0;
  {
    WorkerPool pool(1, 1);
    ASSERT_TRUE(pool.Submit([value = std::move(value), &seen] { seen = *value; }));
  }
  EXPECT_EQ(seen, 42);
}

TEST(WorkerPoolTest, TasksMaySubmitTasks) {
  absl::Notification done;
  WorkerPool pool(1, 1);
  ASSERT_TRUE(pool.Submit([&] { EXPECT_TRUE(pool.Submit([&] { done.Notify(); })); }));
  done.WaitForNotification();
}

}  // namespace
}  // namespace mailstead
