#include "stored/core/pause.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {
namespace {

class PauseTest : public testing::Test {
 protected:
  Task<void> EndHere(Pause& pause) {
    co_await ResumeOn(executor_);
    pause.End();
  }
  Task<bool> WaitHere(Pause& pause, absl::Duration duration) {
    co_await ResumeOn(executor_);
    const bool elapsed = co_await pause.For(duration);
    EXPECT_EQ(std::this_thread::get_id(), executor_.thread_id());
    co_return elapsed;
  }
  static Task<void> Keep(Task<bool> task, bool& value) { value = co_await std::move(task); }

  ThreadExecutor executor_;
  TimerQueue timers_;
};

TEST_F(PauseTest, LastsItsTime) {
  Pause pause(timers_, executor_);
  const absl::Time began = absl::Now();
  EXPECT_TRUE(BlockOn(WaitHere(pause, absl::Milliseconds(20))));
  EXPECT_GE(absl::Now() - began, absl::Milliseconds(20));
}

TEST_F(PauseTest, EndsEarly) {
  Pause pause(timers_, executor_);
  bool elapsed = true;
  absl::Notification ended;
  Start(Keep(WaitHere(pause, absl::Hours(1)), elapsed), [&ended] { ended.Notify(); });
  BlockOn(EndHere(pause));
  ended.WaitForNotification();
  EXPECT_FALSE(elapsed);
}

TEST_F(PauseTest, EndedBeforeItDoesNotBegin) {
  Pause pause(timers_, executor_);
  BlockOn(EndHere(pause));
  EXPECT_FALSE(BlockOn(WaitHere(pause, absl::Hours(1))));
}

// Whichever comes first, it ends once.
TEST_F(PauseTest, EndMeetsTheTimer) {
  for (int i = 0; i < 300; ++i) {
    Pause pause(timers_, executor_);
    bool elapsed = false;
    absl::Notification ended;
    Start(Keep(WaitHere(pause, absl::Microseconds(i)), elapsed), [&ended] { ended.Notify(); });
    absl::SleepFor(absl::Microseconds(50));
    BlockOn(EndHere(pause));
    ended.WaitForNotification();
  }
}

}  // namespace
}  // namespace mailstead::stored
