// A wait of a coroutine, which can be ended early.
#pragma once

#include "absl/time/time.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "stored/core/timer_queue.h"

namespace mailstead::stored {

// Used on the executor's thread only.
class Pause {
 public:
  Pause(TimerQueue& timers, Executor& executor) : timers_(timers), executor_(executor) {}
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

  // Once. True: the time is over. False: End was called, before or meanwhile.
  Task<bool> For(absl::Duration duration);
  void End();

 private:
  void Arrive(bool elapsed);

  TimerQueue& timers_;
  Executor& executor_;
  Arrival<bool> arrival_;
  // Set by For while it waits.
  TimerQueue::Ticket ticket_ = 0;
  bool ended_ = false;
};

}  // namespace mailstead::stored
