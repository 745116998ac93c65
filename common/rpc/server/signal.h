// How coroutines of one thread wake one another.
#pragma once

#include <coroutine>
#include <utility>

#include "common/base/executor.h"

namespace mailstead::rpc {

// Something may have changed: who waits looks again. Used on the executor's thread only, by one waiter at a time.
//
//   while (answers.empty()) co_await more;
class Signal {
 public:
  explicit Signal(Executor& executor) : executor_(executor) {}

  // The waiter goes on soon, when what runs now has suspended: what happens until then it sees together. Without a waiter
  // the next one does not wait.
  void Notify() {
    notified_ = true;
    if (const std::coroutine_handle<> waiting = std::exchange(waiting_, nullptr)) {
      executor_.Resume({&waiting, 1});
    }
  }

  bool await_ready() const noexcept { return notified_; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  void await_resume() noexcept { notified_ = false; }

 private:
  Executor& executor_;
  std::coroutine_handle<> waiting_;
  // Set by Notify, cleared by the waiter when it goes on.
  bool notified_ = false;
};

}  // namespace mailstead::rpc
