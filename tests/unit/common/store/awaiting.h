// Runs coroutines of a test on its own thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"

namespace mailstead::test {

class Awaiting : public testing::Test {
 protected:
  // Of a coroutine that runs: empty until it has ended.
  template <typename T>
  using Pending = std::shared_ptr<std::optional<T>>;

  // Begins, and runs up to where it waits.
  template <typename T>
  Pending<T> Start(asio::awaitable<T> work) {
    auto pending = std::make_shared<std::optional<T>>();
    asio::co_spawn(io_, std::move(work), [pending](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      pending->emplace(std::move(value));
    });
    io_.restart();
    io_.poll();
    return pending;
  }
  // Runs the loop until it is so.
  testing::AssertionResult Until(const std::function<bool()>& done) {
    const auto guard = asio::make_work_guard(io_);
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    io_.restart();
    while (!done()) {
      if (absl::Now() > give_up) return testing::AssertionFailure() << "not in time";
      io_.run_one_for(std::chrono::milliseconds(5));
    }
    return testing::AssertionSuccess();
  }
  template <typename T>
  T Get(const Pending<T>& pending) {
    EXPECT_TRUE(Until([&] { return pending->has_value(); }));
    return *std::move(*pending);
  }
  template <typename T>
  T Get(asio::awaitable<T> work) {
    return Get(Start(std::move(work)));
  }
  void Get(asio::awaitable<void> work) {
    bool done = false;
    asio::co_spawn(io_, std::move(work), [&done](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
      done = true;
    });
    EXPECT_TRUE(Until([&done] { return done; }));
  }

  asio::io_context io_{1};
};

}  // namespace mailstead::test
