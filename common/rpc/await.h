// gRPC's streaming calls as coroutines await them. Only .cc files that make calls include this.
//
// Completions come on the thread that serves the channel's queue; the coroutine goes on where it was, on its
// own executor. Every call has the deadline that StoreChannel::Prepare set, so every wait ends.
//
// Lambdas inside a co_await expression capture nothing with a destructor here: g++ 12 destroys such captures
// twice.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "asio/associated_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/awaitable.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/check.h"
#include "common/rpc/completion_loop.h"
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

// What the kinds of call share: gRPC's object, which lives until gRPC is done with it, and one operation at a
// time with one waiter.
template <typename Stream>
class AwaitedCall : public std::enable_shared_from_this<AwaitedCall<Stream>> {
 public:
  using Waiter = std::function<void(bool)>;

  // `operation(tag)` starts one operation of the stream. True: it succeeded. False: the call has ended, and
  // Finish tells why. Not after Finish. The caller holds the call.
  template <typename Operation>
  asio::awaitable<bool> Await(Operation operation) {
    const auto start = [this, &operation](Waiter done) {
      Begin(std::move(done));
      operation(&done_tag_);
    };
    const bool ok = co_await AwaitCallback<bool>(start);
    co_return ok;
  }

  // How the call has ended. Once.
  asio::awaitable<absl::Status> Finish() {
    const auto start = [this](Waiter done) {
      Begin(std::move(done));
      StartFinish();
    };
    co_await AwaitCallback<bool>(start);
    co_return FromGrpc(status_);
  }

  // Nothing more will be asked: ends the call when it has not ended.
  void Abandon() {
    context.TryCancel();
    {
      absl::MutexLock lock(&mutex_);
      abandoned_ = true;
      if (!begun_ || busy_ || finishing_) return;
      Hold();
    }
    StartFinish();
  }

  bool finished() const {
    absl::MutexLock lock(&mutex_);
    return finishing_;
  }

  grpc::ClientContext context;
  std::unique_ptr<Stream> stream;

 private:
  void Hold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    busy_ = begun_ = true;
    self_ = this->shared_from_this();
  }
  void Begin(Waiter waiter) {
    absl::MutexLock lock(&mutex_);
    CHECK(!busy_ && !finishing_);
    Hold();
    waiter_ = std::move(waiter);
  }
  void StartFinish() {
    {
      absl::MutexLock lock(&mutex_);
      finishing_ = true;
    }
    stream->Finish(&status_, &done_tag_);
  }

  // On the queue's thread.
  void OnDone(bool ok) {
    std::shared_ptr<AwaitedCall> alive;
    Waiter waiter;
    bool finish = false;
    {
      absl::MutexLock lock(&mutex_);
      alive = std::move(self_);
      waiter = std::exchange(waiter_, nullptr);
      busy_ = false;
      finish = abandoned_ && !finishing_;
      if (finish) Hold();
    }
    if (finish) StartFinish();
    if (waiter) waiter(ok);
  }

  Tag done_tag_ = MakeTag<&AwaitedCall::OnDone>(this);
  grpc::Status status_;
  mutable absl::Mutex mutex_;
  // While an operation is under way.
  std::shared_ptr<AwaitedCall> self_ ABSL_GUARDED_BY(mutex_);
  Waiter waiter_ ABSL_GUARDED_BY(mutex_);
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
};

// A server stream, read one message at a time.
template <typename Response>
class ServerStream {
 public:
  // `prepare(context)` prepares the context and gives stub.PrepareAsync<Method>(context, request, queue).
  template <typename Prepare>
  explicit ServerStream(Prepare prepare) : call_(std::make_shared<Call>()) {
    call_->stream = prepare(&call_->context);
  }
  // Cancels the call when it has not ended.
  ~ServerStream() { call_->Abandon(); }
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  // True: `into` is the next message. False: the stream ended in order.
  asio::awaitable<absl::StatusOr<bool>> Read(Response& into) {
    const std::shared_ptr<Call> call = call_;
    if (call->finished()) co_return absl::CancelledError("the stream has ended");
    bool ok = true;
    if (!std::exchange(started_, true)) {
      ok = co_await call->Await([raw = call.get()](void* tag) { raw->stream->StartCall(tag); });
    }
    if (ok) {
      ok = co_await call->Await([raw = call.get()](void* tag) { raw->stream->Read(&raw->response, tag); });
    }
    if (ok) {
      into.Swap(&call->response);
      co_return true;
    }
    const absl::Status status = co_await call->Finish();
    if (!status.ok()) co_return status;
    co_return false;
  }

 private:
  struct Call : AwaitedCall<grpc::ClientAsyncReader<Response>> {
    Response response;
  };
  std::shared_ptr<Call> call_;
  bool started_ = false;
};

// A client stream: writes, then one response.
template <typename Request, typename Response>
class ClientStream {
 public:
  // `prepare(context, response)` prepares the context and gives stub.PrepareAsync<Method>(context, response,
  // queue). The first write carries the call's metadata, so that a call of one message costs about as much as
  // a unary one.
  template <typename Prepare>
  explicit ClientStream(Prepare prepare) : call_(std::make_shared<Call>()) {
    call_->context.set_initial_metadata_corked(true);
    call_->stream = prepare(&call_->context, &call_->response);
    // Corked: no operation of its own.
    call_->stream->StartCall(nullptr);
  }
  // Cancels the call when it has not ended: the store drops what came.
  ~ClientStream() { call_->Abandon(); }
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // Waits until gRPC has taken the message (back-pressure). False: the call has ended; Finish tells why.
  asio::awaitable<bool> Write(Request request) {
    const std::shared_ptr<Call> call = call_;
    if (call->finished()) co_return false;
    call->request = std::move(request);
    const bool ok =
        co_await call->Await([raw = call.get()](void* tag) { raw->stream->Write(raw->request, tag); });
    co_return ok;
  }

  // Writes the last message and waits for the response, or the error.
  asio::awaitable<absl::StatusOr<Response>> WriteLastAndFinish(Request request) {
    const std::shared_ptr<Call> call = call_;
    call->request = std::move(request);
    // Should it fail, Finish tells why.
    co_await call->Await(
        [raw = call.get()](void* tag) { raw->stream->WriteLast(raw->request, grpc::WriteOptions(), tag); });
    co_return co_await Finish();
  }

  // After Write gave false: why.
  asio::awaitable<absl::StatusOr<Response>> Finish() {
    const std::shared_ptr<Call> call = call_;
    const absl::Status status = co_await call->Finish();
    if (!status.ok()) co_return status;
    co_return std::move(call->response);
  }

 private:
  struct Call : AwaitedCall<grpc::ClientAsyncWriter<Request>> {
    Request request;
    Response response;
  };
  std::shared_ptr<Call> call_;
};

// A stream of questions and answers in turn.
template <typename Request, typename Response>
class DialogStream {
 public:
  // As that of ServerStream.
  template <typename Prepare>
  explicit DialogStream(Prepare prepare) : call_(std::make_shared<Call>()) {
    call_->context.set_initial_metadata_corked(true);
    call_->stream = prepare(&call_->context);
    call_->stream->StartCall(nullptr);
  }
  ~DialogStream() { call_->Abandon(); }
  DialogStream(const DialogStream&) = delete;
  DialogStream& operator=(const DialogStream&) = delete;

  // Sends a request and waits for the answer to it.
  asio::awaitable<absl::StatusOr<Response>> Ask(Request request) {
    const std::shared_ptr<Call> call = call_;
    if (call->finished()) co_return absl::CancelledError("the exchange has ended");
    call->request = std::move(request);
    bool ok = co_await call->Await([raw = call.get()](void* tag) { raw->stream->Write(raw->request, tag); });
    if (ok) {
      ok = co_await call->Await([raw = call.get()](void* tag) { raw->stream->Read(&raw->response, tag); });
    }
    if (ok) co_return std::move(call->response);
    const absl::Status status = co_await call->Finish();
    if (!status.ok()) co_return status;
    co_return absl::UnavailableError("the store ended the exchange without an answer");
  }

 private:
  struct Call : AwaitedCall<grpc::ClientAsyncReaderWriter<Request, Response>> {
    Request request;
    Response response;
  };
  std::shared_ptr<Call> call_;
};

}  // namespace mailstead::rpc
