// Where coroutines go on after they have waited for another thread.
#pragma once

#include <coroutine>

#include "absl/types/span.h"

namespace mailstead {

// Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  // Resumes each of `waiting` soon, in order, on the executor's own thread, and never within this call. One call for
  // many is one wake-up.
  virtual void Resume(absl::Span<const std::coroutine_handle<>> waiting) = 0;
};

// co_await ResumeOn(executor): the coroutine goes on there.
class ResumeOn {
 public:
  explicit ResumeOn(Executor& executor) : executor_(executor) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const { executor_.Resume({&waiting, 1}); }
  void await_resume() const noexcept {}

 private:
  Executor& executor_;
};

}  // namespace mailstead
