// Something that a front-end asks or does again and again, until it ends.
#pragma once

#include <functional>
#include <future>
#include <memory>

#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"

namespace mailstead::frontend {

class Recurring {
 public:
  // Gives how long to wait for the next one.
  using Turn = std::function<asio::awaitable<absl::Duration>()>;

  // The turns run on `executor`, of one thread; the first `first_wait` after Start. Executor and `timers` outlive it.
  Recurring(asio::any_io_executor executor, absl::Duration first_wait, Turn turn, Timers& timers);

  // Begins. Once.
  void Start();
  // No further turn. False when the one that is under way has not ended within `timeout`: what it uses must stay. Not on the
  // executor's thread.
  bool Stop(absl::Duration timeout);

  // Whether Stop was called: what a turn has found is of no use any more. On the executor only.
  bool stopping() const { return stopping_; }

 private:
  asio::awaitable<void> Run();

  const asio::any_io_executor executor_;
  const absl::Duration first_wait_;
  const Turn turn_;
  const Clock& clock_;
  // Used on the executor only.
  const std::unique_ptr<Timer> timer_;
  // Set by Stop, never cleared. Used on the executor only.
  bool stopping_ = false;
  // Valid between Start and Stop.
  std::future<void> ended_;
};

}  // namespace mailstead::frontend
