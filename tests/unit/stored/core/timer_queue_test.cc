#include "stored/core/timer_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace mailstead::stored {
namespace {

TEST(TimerQueue, RunsInTheOrderOfTime) {
  std::vector<int> order;  // only the queue's thread writes it
  absl::Notification done;
  TimerQueue timers;
  timers.RunAfter(absl::Milliseconds(30), [&] {
    order.push_back(3);
    done.Notify();
  });
  timers.RunAfter(absl::Milliseconds(20), [&] { order.push_back(2); });
  timers.RunAfter(absl::ZeroDuration(), [&] { order.push_back(1); });
  done.WaitForNotification();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(TimerQueue, NeverRunsEarly) {
  absl::Notification done;
  TimerQueue timers;
  const auto begin = std::chrono::steady_clock::now();
  timers.RunAfter(absl::Milliseconds(50), [&] { done.Notify(); });
  done.WaitForNotification();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(50));
}

TEST(TimerQueue, CancelSaysWhetherItWillRun) {
  std::atomic<bool> ran = false;
  absl::Notification other_ran;
  TimerQueue timers;
  const TimerQueue::Ticket cancelled = timers.RunAfter(absl::Milliseconds(10), [&] { ran = true; });
  const TimerQueue::Ticket other = timers.RunAfter(absl::Milliseconds(20), [&] { other_ran.Notify(); });
  EXPECT_TRUE(timers.Cancel(cancelled));
  EXPECT_FALSE(timers.Cancel(cancelled));
  other_ran.WaitForNotification();
  EXPECT_FALSE(ran);
  EXPECT_FALSE(timers.Cancel(other));
}

TEST(TimerQueue, WhatRunsMayAskForMore) {
  absl::Notification done;
  TimerQueue timers;
  timers.RunAfter(absl::ZeroDuration(),
                  [&] { timers.RunAfter(absl::ZeroDuration(), [&] { done.Notify(); }); });
  done.WaitForNotification();
}

TEST(TimerQueue, RunsAllNowAndOnce) {
  TimerQueue timers;
  int runs = 0;
  const TimerQueue::Ticket ticket = timers.RunAfter(absl::Hours(1), [&] { ++runs; });
  timers.RunAfter(absl::Hours(2), [&] { ++runs; });
  timers.RunAllNow();
  EXPECT_EQ(runs, 2);
  EXPECT_FALSE(timers.Cancel(ticket));
  timers.RunAllNow();
  EXPECT_EQ(runs, 2);
}

TEST(TimerQueue, DropsWhatWaitsWhenItEnds) {
  auto held = std::make_shared<int>(1);
  {
    TimerQueue timers;
    timers.RunAfter(absl::InfiniteDuration(), [held] {});
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace mailstead::stored
