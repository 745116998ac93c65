// Wakes a coroutine that waits, but not for ever.
#pragma once

#include <utility>

#include "absl/time/time.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "stored/core/pause.h"
#include "stored/core/timer_queue.h"

namespace mailstead::stored {

// Used on the executor's thread only, by one waiter at a time.
class Waker {
 public:
  // Both outlive it.
  Waker(TimerQueue& timers, Executor& executor) : timers_(timers), executor_(executor) {}
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void Wake() {
    woken_ = true;
    if (pause_ != nullptr) pause_->End();
  }

  // Until Wake is called, or the time is over; at once where it was called since the last Wait. True: it was called.
  Task<bool> Wait(absl::Duration at_most) {
    if (!woken_ && at_most > absl::ZeroDuration()) {
      Pause pause(timers_, executor_);
      pause_ = &pause;
      co_await pause.For(at_most);
      pause_ = nullptr;
    }
    co_return std::exchange(woken_, false);
  }

 private:
  TimerQueue& timers_;
  Executor& executor_;
  // Set by Wake, cleared by Wait.
  bool woken_ = false;
  // While it waits.
  Pause* pause_ = nullptr;
};

}  // namespace mailstead::stored
