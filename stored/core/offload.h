// Work that takes a CPU for long, done on a pool: the coroutine that asks for it goes on, on its own thread.
#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/executor.h"
#include "common/base/reason.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"

namespace mailstead::stored {

// A pool or a queue had no room.
inline absl::Status Busy() {
  return WithReason(absl::ResourceExhaustedError("the store is busy"), kReasonBusy);
}

// What `work` gives, which runs on `pool`; the awaiter goes on on `executor`. Busy() when the pool has no
// room. What `work` refers to outlives the Task.
template <typename Work>
Task<absl::StatusOr<std::invoke_result_t<Work&>>> Offload(WorkerPool& pool, Executor& executor, Work work) {
  Arrival<std::invoke_result_t<Work&>> arrival;
  const bool taken = pool.Submit([&work, &arrival, &executor] {
    const std::coroutine_handle<> waiting = arrival.Put(work());
    if (waiting) executor.Resume({&waiting, 1});
  });
  if (!taken) co_return Busy();
  co_return co_await arrival;
}

}  // namespace mailstead::stored
