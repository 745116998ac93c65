// Time for coroutines: the steady clock, and waiting on it. It comes in through constructors, so that a week of retries
// runs in a millisecond (tests/support/fake_time.h).
#pragma once

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/clock.h"

namespace mailstead {

// Used on the executor that it was made for, by one coroutine at a time.
class Timer {
 public:
  virtual ~Timer() = default;
  // True: `when` has come. False: Cancel was called before.
  virtual asio::awaitable<bool> WaitUntil(absl::Time when) = 0;
  // Ends the wait that is under way, if there is one.
  virtual void Cancel() = 0;
};

// A clock with timers. Thread-safe.
class Timers : public Clock {
 public:
  virtual std::unique_ptr<Timer> NewTimer(asio::any_io_executor executor) = 0;

  // With the times of Clock::Steady. Lives for ever.
  static Timers& Steady();
};

namespace timers_internal {

class SteadyTimer final : public Timer {
 public:
  explicit SteadyTimer(asio::any_io_executor executor) : timer_(std::move(executor)) {}

  asio::awaitable<bool> WaitUntil(absl::Time when) override {
    if (when == absl::InfiniteFuture()) {
      timer_.expires_at(asio::steady_timer::time_point::max());
    } else {
      timer_.expires_after(absl::ToChronoNanoseconds(when - Clock::Steady().Now()));
    }
    asio::error_code error;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }
  void Cancel() override { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

class SteadyTimers final : public Timers {
 public:
  absl::Time Now() const override { return Clock::Steady().Now(); }
  std::unique_ptr<Timer> NewTimer(asio::any_io_executor executor) override {
    return std::make_unique<SteadyTimer>(std::move(executor));
  }
};

}  // namespace timers_internal

inline Timers& Timers::Steady() {
  static timers_internal::SteadyTimers timers;
  return timers;
}

}  // namespace mailstead
