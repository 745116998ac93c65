#include "common/rpc/server/in_process_transport.h"

#include <google/protobuf/message_lite.h>

#include <coroutine>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "asio/associated_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::rpc {
namespace {

// Responses that wait for the caller; then the method waits.
constexpr size_t kMaxResponses = 4;

// One call, shared by its two ends, either of which may go first. Requests go one way and responses the other, with one
// waiter at each end of each.
class Pipe final : public RequestSource, public ResponseSink {
 public:
  Pipe(const Service& service, Executor& executor, const Credentials& credentials, std::string method,
       CallFacts facts)
      : service_(service),
        executor_(executor),
        identity_(credentials),
        method_(std::move(method)),
        facts_(std::move(facts)) {}

  // ---- The method's end: on the executor's thread

  // From beginning to end.
  static Task<void> Serve(std::shared_ptr<Pipe> pipe) {
    co_await ResumeOn(pipe->executor_);
    const Method* const method = pipe->service_.methods.Find(pipe->method_);
    if (method == nullptr) {
      pipe->Finish(absl::UnimplementedError(absl::StrCat("there is no method ", pipe->method_)));
      co_return;
    }
    ServedCall call(pipe->service_, *method, pipe->identity_, pipe->facts_);
    pipe->call_ = &call;
    const absl::Status status = co_await call.Run(*pipe, *pipe);
    pipe->call_ = nullptr;
    pipe->Finish(status);
  }

  Task<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& request) override {
    co_await Turn(*this, &Pipe::MayRead, method_reads_);
    std::string bytes;
    std::function<void()> wake;
    {
      absl::MutexLock lock(&mutex_);
      if (given_up_) co_return absl::CancelledError("the caller has gone");
      if (stopped_ || !request_.has_value()) co_return false;
      bytes = *std::exchange(request_, std::nullopt);
      wake = std::exchange(caller_writes_, nullptr);
    }
    if (wake) wake();
    if (!request.ParseFromString(bytes)) co_return absl::InvalidArgumentError("the request cannot be read");
    co_return true;
  }

  void Stop() override {
    std::coroutine_handle<> reader;
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
      reader = std::exchange(method_reads_, nullptr);
    }
    if (reader) executor_.Resume({&reader, 1});
  }

  Task<absl::Status> Write(const google::protobuf::MessageLite& response, bool last) override {
    std::string bytes = response.SerializeAsString();
    response_bytes_ += static_cast<int64_t>(bytes.size());
    if (response_bytes_ > facts_.max_response_bytes) {
      co_return WithReason(absl::ResourceExhaustedError("the answer is too large"), kReasonTooLarge);
    }
    co_await Turn(*this, &Pipe::MayWrite, method_writes_);
    if (last) call_->End(absl::OkStatus());
    std::function<void()> wake;
    {
      absl::MutexLock lock(&mutex_);
      if (given_up_) co_return absl::CancelledError("the caller has gone");
      responses_.push_back(std::move(bytes));
      wake = std::exchange(caller_reads_, nullptr);
    }
    if (wake) wake();
    co_return absl::OkStatus();
  }

  // ---- The caller's end: any thread

  // Calls `then` when the next request may be put, or the next response be taken; on any thread, perhaps within.
  void AwaitRoom(std::function<void()> then) {
    {
      absl::MutexLock lock(&mutex_);
      if (request_.has_value() && !status_.has_value()) {
        caller_writes_ = std::move(then);
        return;
      }
    }
    then();
  }
  void AwaitResponse(std::function<void()> then) {
    {
      absl::MutexLock lock(&mutex_);
      if (responses_.empty() && !status_.has_value()) {
        caller_reads_ = std::move(then);
        return;
      }
    }
    then();
  }

  // An error when the call has ended; Take says how.
  absl::Status Put(std::string request, bool last) {
    std::coroutine_handle<> reader;
    {
      absl::MutexLock lock(&mutex_);
      if (status_.has_value()) return status_->ok() ? absl::CancelledError("the call has ended") : *status_;
      request_ = std::move(request);
      no_more_requests_ = last;
      reader = std::exchange(method_reads_, nullptr);
    }
    if (reader) executor_.Resume({&reader, 1});
    return absl::OkStatus();
  }

  // The next response, or nothing at the end of a call that succeeded.
  absl::StatusOr<std::optional<std::string>> Take() {
    std::coroutine_handle<> writer;
    std::optional<std::string> response;
    {
      absl::MutexLock lock(&mutex_);
      if (responses_.empty()) {
        if (!status_->ok()) return *status_;
        return std::nullopt;
      }
      response = std::move(responses_.front());
      responses_.pop_front();
      writer = std::exchange(method_writes_, nullptr);
    }
    if (writer) executor_.Resume({&writer, 1});
    return response;
  }

  // The caller waits no more; the method hears of it at its next step.
  static void GiveUp(const std::shared_ptr<Pipe>& pipe, const absl::Status& why) {
    std::vector<std::coroutine_handle<>> waiting;
    {
      absl::MutexLock lock(&pipe->mutex_);
      if (pipe->status_.has_value()) return;
      pipe->given_up_ = true;
      pipe->responses_.clear();
      for (std::coroutine_handle<>* const waiter : {&pipe->method_reads_, &pipe->method_writes_}) {
        if (*waiter) waiting.push_back(std::exchange(*waiter, nullptr));
      }
    }
    pipe->Finish(why);
    if (!waiting.empty()) pipe->executor_.Resume(waiting);
    Start(Abandon(pipe));
  }

  absl::Duration Left() const { return facts_.deadline - service_.clock.Now(); }

 private:
  // Suspends the method until `may` is true; who makes it true resumes what is left in `waiter`.
  class Turn {
   public:
    Turn(Pipe& pipe, bool (Pipe::*may)() const, std::coroutine_handle<>& waiter)
        : pipe_(pipe), may_(may), waiter_(waiter) {}
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> waiting) const {
      absl::MutexLock lock(&pipe_.mutex_);
      if ((pipe_.*may_)()) return false;
      waiter_ = waiting;
      return true;
    }
    void await_resume() const {}

   private:
    Pipe& pipe_;
    bool (Pipe::*const may_)() const;
    std::coroutine_handle<>& waiter_;
  };

  // With the mutex held.
  bool MayRead() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return request_.has_value() || no_more_requests_ || stopped_ || given_up_;
  }
  bool MayWrite() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return responses_.size() < kMaxResponses || given_up_;
  }

  static Task<void> Abandon(std::shared_ptr<Pipe> pipe) {
    co_await ResumeOn(pipe->executor_);
    if (pipe->call_ != nullptr) pipe->call_->Abandon(absl::CancelledError("the caller has gone"));
  }

  void Finish(const absl::Status& status) {
    std::function<void()> reading;
    std::function<void()> writing;
    {
      absl::MutexLock lock(&mutex_);
      if (status_.has_value()) return;
      status_ = status;
      reading = std::exchange(caller_reads_, nullptr);
      writing = std::exchange(caller_writes_, nullptr);
    }
    if (reading) reading();
    if (writing) writing();
  }

  const Service service_;
  Executor& executor_;
  Identity identity_;
  const std::string method_;
  const CallFacts facts_;
  // While the method runs. The executor's thread only, as the next.
  ServedCall* call_ = nullptr;
  int64_t response_bytes_ = 0;

  absl::Mutex mutex_;
  std::optional<std::string> request_ ABSL_GUARDED_BY(mutex_);
  // Set by the caller with its last request.
  bool no_more_requests_ ABSL_GUARDED_BY(mutex_) = false;
  // Set by the method: it wants no more.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::string> responses_ ABSL_GUARDED_BY(mutex_);
  // How the call has ended, as the caller is told it behind the last response.
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mutex_);
  // Set by the caller: it has gone, or waited too long.
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
  std::coroutine_handle<> method_reads_ ABSL_GUARDED_BY(mutex_);
  std::coroutine_handle<> method_writes_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> caller_reads_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> caller_writes_ ABSL_GUARDED_BY(mutex_);
};

using PipeWait = void (Pipe::*)(std::function<void()>);

// Waits for the pipe by `wait`; gives the call up at its deadline. Goes on on the coroutine's own executor.
asio::awaitable<void> Await(std::shared_ptr<Pipe> pipe, PipeWait wait) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(absl::ToChronoNanoseconds(std::min(pipe->Left(), absl::Hours(24))));
  timer.async_wait([weak = std::weak_ptr<Pipe>(pipe)](const asio::error_code& error) {
    const std::shared_ptr<Pipe> late = error ? nullptr : weak.lock();
    if (late != nullptr) Pipe::GiveUp(late, absl::DeadlineExceededError("the store did not answer in time"));
  });
  const auto initiate = [](auto handler, Pipe* raw, PipeWait how) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    (raw->*how)([shared] {
      auto executor = asio::get_associated_executor(*shared);
      asio::post(executor, [shared] { std::move (*shared)(); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(initiate, asio::use_awaitable,
                                                                        pipe.get(), wait);
}

class InProcessStream final : public CallStream {
 public:
  explicit InProcessStream(std::shared_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}
  ~InProcessStream() override { Cancel(); }

  void Cancel() override { Pipe::GiveUp(pipe_, absl::CancelledError("the caller has gone")); }

  asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& request, bool last) override {
    const std::shared_ptr<Pipe> pipe = pipe_;
    std::string bytes = request.SerializeAsString();
    co_await Await(pipe, &Pipe::AwaitRoom);
    co_return pipe->Put(std::move(bytes), last);
  }

  asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) override {
    const std::shared_ptr<Pipe> pipe = pipe_;
    co_await Await(pipe, &Pipe::AwaitResponse);
    CO_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, pipe->Take());
    if (!bytes.has_value()) co_return false;
    if (!response.ParseFromString(*bytes)) co_return absl::InternalError("the response cannot be read");
    co_return true;
  }

 private:
  const std::shared_ptr<Pipe> pipe_;
};

std::shared_ptr<Pipe> StartCall(const Service& service, Executor& executor, const InProcessOptions& options,
                                absl::string_view method, CallOptions call, int64_t max_response_bytes) {
  auto pipe = std::make_shared<Pipe>(service, executor, options.credentials, std::string(method),
                                     CallFacts{.door = Door::kInProcess,
                                               .session_id = std::move(call.session_id),
                                               .revision = options.revision,
                                               .deadline = service.clock.Now() + call.timeout,
                                               .max_response_bytes = max_response_bytes});
  Start(Pipe::Serve(pipe));
  return pipe;
}

}  // namespace

InProcessTransport::InProcessTransport(const Service& service, Executor& executor, InProcessOptions options)
    : service_(service), executor_(executor), options_(std::move(options)) {}

asio::awaitable<absl::Status> InProcessTransport::Call(absl::string_view method,
                                                       const google::protobuf::MessageLite& request,
                                                       google::protobuf::MessageLite& response,
                                                       CallOptions options) {
  const Method* const found = service_.methods.Find(method);
  const bool batched = found != nullptr && found->batched;
  InProcessStream stream(
      StartCall(service_, executor_, options_, method, std::move(options),
                batched ? options_.max_whole_response_bytes : std::numeric_limits<int64_t>::max()));
  // Should it fail, reading tells why.
  (void)co_await stream.Write(request, /*last=*/true);
  bool answered = false;
  while (true) {
    const absl::StatusOr<bool> read = co_await stream.Read(response);
    if (!read.ok()) co_return read.status();
    if (!*read) break;
    answered = true;
  }
  co_return answered ? absl::OkStatus() : absl::InternalError("the call ended without a response");
}

std::unique_ptr<CallStream> InProcessTransport::Open(absl::string_view method, CallOptions options) {
  return std::make_unique<InProcessStream>(StartCall(
      service_, executor_, options_, method, std::move(options), std::numeric_limits<int64_t>::max()));
}

}  // namespace mailstead::rpc
