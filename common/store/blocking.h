// The store for a program that waits for each call: calls that return when they are done.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/store/store_api.h"

namespace mailstead::store {

// Where one thread at a time waits. Contexts are lent and never destroyed: who ends a wait wakes it from a thread of its own,
// which may still be at it when the waiter has gone on.
class WaitingRoom {
 public:
  WaitingRoom();
  ~WaitingRoom();
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  asio::io_context& context() { return *context_; }

 private:
  asio::io_context* const context_;
};

// Thread-safe.
class BlockingStore {
 public:
  // `transport` outlives it.
  explicit BlockingStore(rpc::Transport& transport) : api_(transport) {}

  // Runs `work` to its end on this thread. T is absl::Status, or a StatusOr.
  template <typename T>
  T Run(asio::awaitable<T> work) {
    WaitingRoom room;
    asio::io_context& io = room.context();
    const auto guard = asio::make_work_guard(io);
    std::optional<T> result;
    const auto done = [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
      io.stop();
    };
    asio::co_spawn(io, std::move(work), done);
    io.run();
    return *std::move(result);
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, Request request, CallContext context) {
    return Run(api_.Call(method, std::move(request), std::move(context)));
  }

  // For streams: their steps are run by Run.
  StoreApi& api() { return api_; }

 private:
  StoreApi api_;
};

}  // namespace mailstead::store
