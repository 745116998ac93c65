// How a coroutine waits for a callback that another thread makes, and goes on where it was, on its own executor.
//
// A lambda with captures is never written inside a co_await expression: g++ 12 destroys such captures twice. It gets a
// name first.
#pragma once

#include <utility>

#include "absl/functional/any_invocable.h"
#include "asio/associated_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/awaitable.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"

namespace mailstead::rpc {

// Called once, on any thread.
template <typename T>
using Resumption = absl::AnyInvocable<void(T)>;

// Suspends until the Resumption that `start` is given has been called, and gives its argument.
template <typename T, typename Start>
asio::awaitable<T> AwaitResumption(Start start) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(T)>(
      [](auto handler, Start start) {
        start([handler = std::move(handler)](T value) mutable {
          auto executor = asio::get_associated_executor(handler);
          asio::post(executor, [handler = std::move(handler), value = std::move(value)]() mutable {
            std::move(handler)(std::move(value));
          });
        });
      },
      asio::use_awaitable, std::move(start));
}

}  // namespace mailstead::rpc
