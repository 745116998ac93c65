// Coroutines in tests that read from top to bottom: BlockOn waits for a Task, and ThreadExecutor is where Tasks go on.
#pragma once

#include <coroutine>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/types/span.h"
#include "common/base/executor.h"
#include "common/base/task.h"

namespace mailstead {

// One thread that resumes what it is given, in order. Everything that may resume there has ended before it is destroyed.
class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor() : thread_([this] { Loop(); }) {}
  ~ThreadExecutor() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void Resume(absl::Span<const std::coroutine_handle<>> waiting) override {
    absl::MutexLock lock(&mutex_);
    waiting_.insert(waiting_.end(), waiting.begin(), waiting.end());
    ++wake_up_count_;
  }

  // How often Resume was called.
  int wake_up_count() const {
    absl::MutexLock lock(&mutex_);
    return wake_up_count_;
  }
  std::thread::id thread_id() const { return thread_.get_id(); }

 private:
  void Loop() {
    const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !waiting_.empty();
    };
    for (;;) {
      std::deque<std::coroutine_handle<>> ready;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(&has_work));
        if (waiting_.empty()) return;
        ready.swap(waiting_);
      }
      for (const std::coroutine_handle<> each : ready) each.resume();
    }
  }

  mutable absl::Mutex mutex_;
  std::deque<std::coroutine_handle<>> waiting_ ABSL_GUARDED_BY(mutex_);
  int wake_up_count_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

namespace block_on_internal {

template <typename T>
Task<void> Put(Task<T> task, std::optional<T>& value) {
  value.emplace(co_await std::move(task));
}

}  // namespace block_on_internal

// Begins `task` on this thread and waits until it has ended, wherever that is: not on the thread that it needs for that.
template <typename T>
T BlockOn(Task<T> task) {
  std::optional<T> value;
  absl::Notification ended;
  Start(block_on_internal::Put(std::move(task), value), [&ended] { ended.Notify(); });
  ended.WaitForNotification();
  return *std::move(value);
}
inline void BlockOn(Task<void> task) {
  absl::Notification ended;
  Start(std::move(task), [&ended] { ended.Notify(); });
  ended.WaitForNotification();
}

}  // namespace mailstead
