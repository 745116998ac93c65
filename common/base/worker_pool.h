// A bounded pool for blocking work (disk, password hashing), so that it never runs on an I/O or gRPC thread.
#pragma once

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace mailstead {

class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  // At most `max_queued` tasks wait; `threads` run.
  WorkerPool(size_t threads, size_t max_queued);
  // Runs what is queued, then joins.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, and the task is not taken, when the queue is full: the caller answers ResourceExhausted.
  [[nodiscard]] bool Submit(Task task);

 private:
  void Run();

  const size_t max_queued_;
  absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mailstead
