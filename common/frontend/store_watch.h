// Whether the store can serve this process: asked every second, so that it is known (to the log, and to
// /readyz) while no client comes.
#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/frontend/recurring.h"

namespace mailstead::frontend {

class StoreWatch {
 public:
  // Asks the store once: StoreApi::Probe. Ends within a second or two, whatever the store does.
  using Probe = std::function<asio::awaitable<absl::Status>()>;

  // The watch runs on `executor`, of one thread; executor and `timers` outlive it. `period` lies between an
  // answer and the next question.
  StoreWatch(asio::any_io_executor executor, Probe probe, absl::Duration period = absl::Seconds(1),
             Timers& timers = Timers::Steady());

  // Begins to ask. Once.
  void Start() { recurring_.Start(); }
  // Asks no more. False when the question that is under way has no answer within `timeout`: what it uses must
  // stay. Not on the executor's thread.
  bool Stop(absl::Duration timeout) { return recurring_.Stop(timeout); }

  // What the store said last: Unavailable before the first answer. Thread-safe.
  absl::Status Health() const;

 private:
  asio::awaitable<absl::Duration> Ask();
  void Note(const absl::Status& status);

  const Probe probe_;
  const absl::Duration period_;
  // What the log was told last: the event, with the reason of a refusal. Empty at first.
  std::string told_;

  mutable absl::Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);

  Recurring recurring_;
};

}  // namespace mailstead::frontend
