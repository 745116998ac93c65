// gRPC's callback API as coroutines await it. Only .cc files that make calls include this.
//
// A call's callbacks come on gRPC's threads; the coroutine goes on where it was, on its own executor. Every
// call has the deadline that StoreChannel::Prepare set, so every wait ends.
//
// Lambdas inside a co_await expression capture nothing with a destructor here: g++ 12 destroys such captures
// twice.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "asio/associated_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/awaitable.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/check.h"
#include "common/rpc/errors.h"

namespace mailstead::rpc {

// Suspends until the callback that `start` is given has been called (once, on any thread), and gives its
// argument.
template <typename T, typename Start>
asio::awaitable<T> AwaitCallback(Start start) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(T)>(
      [](auto handler, Start start) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        start(std::function<void(T)>([shared](T value) {
          auto executor = asio::get_associated_executor(*shared);
          asio::post(executor,
                     [shared, value = std::move(value)]() mutable { std::move (*shared)(std::move(value)); });
        }));
      },
      asio::use_awaitable, std::move(start));
}

// One unary call. `start` gets the callback: stub->async()->Method(&context, &request, &response, callback).
// What it points to lives in the calling coroutine.
template <typename Start>
asio::awaitable<absl::Status> AwaitUnary(Start start) {
  const grpc::Status status = co_await AwaitCallback<grpc::Status>(std::move(start));
  co_return FromGrpc(status);
}

// What the three kinds of stream share: a reactor that owns itself until gRPC is done with it, and one
// waiter. The hold keeps gRPC from finishing while the coroutine may still start an operation.
template <typename Reactor, typename Derived>
class StreamState : public Reactor, public std::enable_shared_from_this<Derived> {
 public:
  using Waiter = std::function<void(bool)>;

  grpc::ClientContext context;

  void Begin() {
    self_ = this->shared_from_this();
    this->AddHold();
    this->StartCall();
  }
  // No operation will be started any more. Idempotent.
  void Release() {
    if (std::exchange(released_, true)) return;
    this->RemoveHold();
  }
  void Abandon() {
    context.TryCancel();
    Release();
  }
  bool released() const { return released_; }
  void SetWaiter(Waiter waiter) { waiter_ = std::move(waiter); }
  void Wake(bool ok) {
    if (waiter_) std::exchange(waiter_, nullptr)(ok);
  }
  const grpc::Status& status() const { return status_; }

  void OnDone(const grpc::Status& status) override {
    status_ = status;
    const std::shared_ptr<Derived> alive = std::move(self_);
    Wake(false);
  }

 private:
  std::shared_ptr<Derived> self_;
  Waiter waiter_;
  bool released_ = false;
  grpc::Status status_;
};

// A server stream, read one message at a time.
template <typename Response>
class ServerStream {
 public:
  // `start` gets the context (prepare it) and the reactor: stub->async()->Method(context, &request, reactor).
  // The request must outlive this constructor, not just `start`: gRPC reads it when the call begins.
  template <typename Start>
  explicit ServerStream(Start start) : state_(std::make_shared<State>()) {
    start(&state_->context, static_cast<grpc::ClientReadReactor<Response>*>(state_.get()));
    state_->Begin();
  }
  // Cancels the call when it has not ended.
  ~ServerStream() { state_->Abandon(); }
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  // True: `into` is the next message. False: the stream ended in order.
  asio::awaitable<absl::StatusOr<bool>> Read(Response& into) {
    if (state_->released()) co_return absl::CancelledError("the stream has ended");
    const std::shared_ptr<State> state = state_;
    const bool ok = co_await AwaitCallback<bool>([raw = state.get()](std::function<void(bool)> done) {
      raw->SetWaiter(std::move(done));
      raw->StartRead(&raw->response);
    });
    if (ok) {
      into.Swap(&state->response);
      co_return true;
    }
    if (!state->status().ok()) co_return FromGrpc(state->status());
    co_return false;
  }

 private:
  struct State : StreamState<grpc::ClientReadReactor<Response>, State> {
    Response response;
    void OnReadDone(bool ok) override {
      // At the end the waiter is woken by OnDone, with the status.
      if (ok) {
        this->Wake(true);
      } else {
        this->Release();
      }
    }
  };
  std::shared_ptr<State> state_;
};

// A client stream: writes, then one response.
template <typename Request, typename Response>
class ClientStream {
 public:
  // `start` gets context, response and reactor: stub->async()->Method(context, response, reactor).
  // The first write carries the call's metadata, so that a call of one message costs about as much as a unary
  // one.
  template <typename Start>
  explicit ClientStream(Start start) : state_(std::make_shared<State>()) {
    state_->context.set_initial_metadata_corked(true);
    start(&state_->context, &state_->response, static_cast<grpc::ClientWriteReactor<Request>*>(state_.get()));
    state_->Begin();
  }
  // Cancels the call when it has not ended: the store drops what came.
  ~ClientStream() { state_->Abandon(); }
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // Waits until gRPC has taken the message (back-pressure). False: the call has ended; WriteLastAndFinish or
  // Finish tells why.
  asio::awaitable<bool> Write(Request request) {
    const std::shared_ptr<State> state = state_;
    if (state->released()) co_return false;
    state->request = std::move(request);
    co_return co_await AwaitCallback<bool>([raw = state.get()](std::function<void(bool)> done) {
      raw->SetWaiter(std::move(done));
      raw->StartWrite(&raw->request);
    });
  }

  // Writes the last message and waits for the response, or the error.
  asio::awaitable<absl::StatusOr<Response>> WriteLastAndFinish(Request request) {
    const std::shared_ptr<State> state = state_;
    CHECK(!state->released());
    state->request = std::move(request);
    state->finishing = true;
    co_await AwaitCallback<bool>([raw = state.get()](std::function<void(bool)> done) {
      raw->SetWaiter(std::move(done));
      raw->StartWriteLast(&raw->request, grpc::WriteOptions());
      raw->Release();
    });
    co_return Result(*state);
  }

  // After Write gave false: why.
  asio::awaitable<absl::StatusOr<Response>> Finish() {
    const std::shared_ptr<State> state = state_;
    CHECK(!state->released());
    state->finishing = true;
    co_await AwaitCallback<bool>([raw = state.get()](std::function<void(bool)> done) {
      raw->SetWaiter(std::move(done));
      raw->Release();
    });
    co_return Result(*state);
  }

 private:
  struct State : StreamState<grpc::ClientWriteReactor<Request>, State> {
    Request request;
    Response response;
    // The waiter waits for OnDone, not for a write.
    bool finishing = false;
    void OnWriteDone(bool ok) override {
      if (!finishing) this->Wake(ok);
    }
  };
  static absl::StatusOr<Response> Result(State& state) {
    if (!state.status().ok()) return FromGrpc(state.status());
    return std::move(state.response);
  }
  std::shared_ptr<State> state_;
};

// A stream of questions and answers in turn.
template <typename Request, typename Response>
class ExchangeStream {
 public:
  template <typename Start>
  explicit ExchangeStream(Start start) : state_(std::make_shared<State>()) {
    state_->context.set_initial_metadata_corked(true);
    start(&state_->context, static_cast<grpc::ClientBidiReactor<Request, Response>*>(state_.get()));
    state_->Begin();
  }
  ~ExchangeStream() { state_->Abandon(); }
  ExchangeStream(const ExchangeStream&) = delete;
  ExchangeStream& operator=(const ExchangeStream&) = delete;

  // Sends a request and waits for the answer to it.
  asio::awaitable<absl::StatusOr<Response>> Ask(Request request) {
    const std::shared_ptr<State> state = state_;
    if (state->released()) co_return absl::CancelledError("the exchange has ended");
    state->request = std::move(request);
    state->under_way = 2;
    const bool ok = co_await AwaitCallback<bool>([raw = state.get()](std::function<void(bool)> done) {
      raw->SetWaiter(std::move(done));
      raw->StartWrite(&raw->request);
      raw->StartRead(&raw->response);
    });
    if (ok) co_return std::move(state->response);
    if (state->status().ok())
      co_return absl::UnavailableError("the store ended the exchange without an answer");
    co_return FromGrpc(state->status());
  }

 private:
  struct State : StreamState<grpc::ClientBidiReactor<Request, Response>, State> {
    Request request;
    Response response;
    // The answer may be here before gRPC is done with the request: the next one has to wait for both.
    std::atomic<int> under_way = 0;
    void OnWriteDone(bool ok) override {
      if (ok) Succeed();
    }
    void OnReadDone(bool ok) override {
      // A write that failed is followed by a read that fails; the waiter is then woken by OnDone, with the
      // status.
      if (ok) {
        Succeed();
      } else {
        this->Release();
      }
    }
    void Succeed() {
      if (--under_way == 0) this->Wake(true);
    }
  };
  std::shared_ptr<State> state_;
};

}  // namespace mailstead::rpc
