// Coroutines on an io_context that a test runs itself, on its own thread, with time that it moves itself.
//
//   FakeTime time;
//   asio::io_context context{1};
//   Begun<dns::Answer> answer = Begin(context, resolver.Ask(question, deadline));
//   Poll(context);                          // until everything waits
//   EXPECT_FALSE(answer->has_value());
//   RunAll(context, time);                  // until nothing waits any more
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "tests/support/fake_time.h"

namespace mailstead {

// Empty until the coroutine has ended.
template <typename T>
using Begun = std::shared_ptr<std::optional<T>>;

template <typename T>
Begun<T> Begin(asio::io_context& context, asio::awaitable<T> coroutine) {
  auto begun = std::make_shared<std::optional<T>>();
  asio::co_spawn(context, std::move(coroutine), [begun](const std::exception_ptr& thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    begun->emplace(std::move(value));
  });
  return begun;
}

inline void Poll(asio::io_context& context) {
  context.restart();
  context.poll();
}

inline void RunAll(asio::io_context& context, FakeTime& time) {
  do {
    Poll(context);
  } while (time.AdvanceToNext());
}

// All that waits meanwhile goes on, too.
template <typename T>
T RunToEnd(asio::io_context& context, FakeTime& time, asio::awaitable<T> coroutine) {
  const Begun<T> begun = Begin(context, std::move(coroutine));
  RunAll(context, time);
  return begun->value();
}

}  // namespace mailstead
