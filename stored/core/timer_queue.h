// Runs things later, on one thread of its own, so that nobody sleeps to wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace mailstead::stored {

// Thread-safe. Counts the monotonic clock: a change of the wall clock moves nothing.
class TimerQueue {
 public:
  using Ticket = uint64_t;

  TimerQueue();
  // What has not run is dropped.
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // `run` must not block.
  Ticket RunAfter(absl::Duration delay, absl::AnyInvocable<void()> run);
  // True: it will not run. False: it has run, or is running.
  bool Cancel(Ticket ticket);
  // What waits now, in the caller's thread, whenever it was to run.
  void RunAllNow();

 private:
  using Key = std::pair<std::chrono::steady_clock::time_point, Ticket>;

  void Run();

  // std::, since absl::CondVar waits by the wall clock.
  std::mutex mutex_;
  std::condition_variable changed_;
  Ticket next_ticket_ = 1;
  bool stopping_ = false;
  std::map<Key, absl::AnyInvocable<void()>> waiting_;
  absl::flat_hash_map<Ticket, Key> keys_;
  std::thread thread_;
};

}  // namespace mailstead::stored
