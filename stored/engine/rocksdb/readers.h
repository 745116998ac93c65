// The threads of the engine that wait for the disk, so that those who await a verb do not.
#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/base/executor.h"
#include "common/base/worker_pool.h"

namespace mailstead::engine {

class Readers {
 public:
  Readers(Executor& executor, size_t threads, size_t max_waiting)
      : executor_(executor), pool_(threads, max_waiting) {}

  // if (!co_await readers.Enter()) co_return TooMany(): the coroutine goes on, on one of these threads; false, at once and
  // where it is, when too many wait.
  class Entry {
   public:
    explicit Entry(WorkerPool& pool) : pool_(pool) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiting) {
      // It may go on, and this be gone, before Submit has returned: nothing is written behind it but a refusal.
      const bool taken = pool_.Submit([waiting] { waiting.resume(); });
      if (!taken) taken_ = false;
      return taken;
    }
    bool await_resume() const noexcept { return taken_; }

   private:
    WorkerPool& pool_;
    bool taken_ = true;
  };
  Entry Enter() { return Entry(pool_); }
  // co_await readers.Leave(): it goes on, on the executor.
  ResumeOn Leave() { return ResumeOn(executor_); }

  // Does `work` on one of these threads some time; at once where too much waits.
  void Defer(absl::AnyInvocable<void()> work) {
    // Shared, since a pool that refuses a task has destroyed it.
    auto shared = std::make_shared<absl::AnyInvocable<void()>>(std::move(work));
    if (!pool_.Submit([shared] { (*shared)(); })) (*shared)();
  }

  static absl::Status TooMany() {
    return absl::ResourceExhaustedError("the store has too many calls waiting for the disk");
  }

 private:
  Executor& executor_;
  WorkerPool pool_;
};

}  // namespace mailstead::engine
