#include "common/rpc/grpc_transport.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "asio/any_io_executor.hpp"
#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rpc/completion_loop.h"
#include "common/rpc/errors.h"
#include "common/rpc/resume.h"
#include "common/store/limits.h"

namespace mailstead::rpc {
namespace {

using google::protobuf::MessageLite;

// Requests are written when the operation begins; responses are read into a buffer of the call's own, which outlives a
// caller that has gone.
template <typename Request>
using Stub = grpc::TemplatedGenericStub<Request, grpc::ByteBuffer>;

constexpr absl::string_view kBatchedPackage = "mailstead.frontend.v1.";
constexpr absl::string_view kBatchService = "mailstead.frontend.v1.BatchService/";

// The bytes of a batched call's response, or why there are none.
using Bytes = absl::StatusOr<std::string>;

bool IsBatched(absl::string_view method, const MessageLite& request) {
  return absl::StartsWith(method, kBatchedPackage) && !absl::StartsWith(method, kBatchService) &&
         request.ByteSizeLong() <= store::kMaxBatchedRequestBytes;
}

// When all has been done that is ready now on this executor: what sessions ask for that are served together goes together.
BatchStreams::Later After(const asio::any_io_executor& executor) {
  return [executor](absl::AnyInvocable<void()> go) { asio::post(executor, std::move(go)); };
}

absl::Status Parse(const Bytes& bytes, MessageLite& message) {
  RETURN_IF_ERROR(bytes.status());
  return message.ParseFromString(*bytes) ? absl::OkStatus()
                                         : absl::InternalError("the store sent what is no such message");
}

// The answers of several calls, until the last one is there.
struct Gathering {
  explicit Gathering(size_t count) : answers(count, absl::UnknownError("no answer yet")), missing(count) {}
  std::vector<Bytes> answers;
  std::atomic<size_t> missing;
  Resumption<bool> done;
};

absl::Status Parse(grpc::ByteBuffer& bytes, MessageLite& message) {
  const grpc::Status parsed = grpc::SerializationTraits<MessageLite>::Deserialize(&bytes, &message);
  return parsed.ok() ? absl::OkStatus() : absl::InternalError("the store sent what is no such message");
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

absl::StatusOr<std::string> BytesIn(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return absl::InternalError("the store sent what cannot be read");
  std::string bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// A call with one request and one response. It deletes itself when gRPC is done with it.
class UnaryCall {
 public:
  using Outcome = absl::StatusOr<grpc::ByteBuffer>;

  grpc::ClientContext& context() { return context_; }

  // Once, and then it is gRPC's.
  template <typename Request>
  void Start(StoreChannel& channel, std::shared_ptr<grpc::Channel> connection, const std::string& path,
             const Request& request, Resumption<Outcome> done) {
    done_ = std::move(done);
    reader_ =
        Stub<Request>(std::move(connection)).PrepareUnaryCall(&context_, path, request, channel.queue());
    reader_->StartCall();
    reader_->Finish(&response_, &status_, &finished_);
  }

 private:
  void OnFinished(bool) {
    const std::unique_ptr<UnaryCall> self(this);
    if (!status_.ok()) return done_(FromPeer(status_));
    if (!response_.Valid()) return done_(absl::InternalError("the store gave no response"));
    done_(std::move(response_));
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  Resumption<Outcome> done_;
  Tag finished_ = MakeTag<&UnaryCall::OnFinished>(this);
};

// gRPC's side of a stream, which lives until gRPC is done with it: one operation of each direction at a time, each with one
// waiter.
template <typename Request>
class StreamCall : public std::enable_shared_from_this<StreamCall<Request>> {
 public:
  using Reading = grpc::ClientAsyncReaderWriter<Request, grpc::ByteBuffer>;

  // Once. The first write carries the call's metadata, so that a call of one message costs about as much as a unary one.
  void Prepare(StoreChannel& channel, const std::string& path) {
    context.set_initial_metadata_corked(true);
    queue_ = channel.queue();
    stream_ = Stub<Request>(channel.Next()).PrepareCall(&context, path, channel.queue());
    stream_->StartCall(nullptr);
  }

  // False: the call has ended, and Finish tells why. Not after Finish.
  asio::awaitable<bool> Write(const Request& request, bool last) {
    const auto start = [&](Resumption<bool> done) {
      Begin(writing_, std::move(done));
      grpc::WriteOptions options;
      if (last) options.set_last_message();
      const auto write = [&] { stream_->Write(request, options, &written_tag_); };
      StartAndComplete(*queue_, write);
    };
    co_return co_await AwaitResumption<bool>(start);
  }
  // As Write.
  asio::awaitable<bool> WritesDone() {
    const auto start = [this](Resumption<bool> done) {
      Begin(writing_, std::move(done));
      stream_->WritesDone(&written_tag_);
    };
    co_return co_await AwaitResumption<bool>(start);
  }
  asio::awaitable<bool> Read() {
    const auto start = [this](Resumption<bool> done) {
      Begin(reading_, std::move(done));
      const auto read = [this] { stream_->Read(&response, &read_tag_); };
      StartAndComplete(*queue_, read);
    };
    co_return co_await AwaitResumption<bool>(start);
  }
  // How the call has ended. Once; a Write may be under way, which fails.
  asio::awaitable<absl::Status> Finish() {
    const auto start = [this](Resumption<bool> done) {
      Begin(reading_, std::move(done));
      StartFinish();
    };
    co_await AwaitResumption<bool>(start);
    co_return cancelled_ ? FromGrpc(status_) : FromPeer(status_);
  }

  // Ends the call; Finish tells so. On the executor of the coroutine that uses it.
  void Cancel() {
    cancelled_ = true;
    context.TryCancel();
  }

  // Nothing more will be asked: ends the call when it has not ended.
  void Abandon() {
    context.TryCancel();
    {
      absl::MutexLock lock(&mutex_);
      abandoned_ = true;
      if (!begun_ || finishing_ || busy()) return;
      Hold(reading_);
    }
    StartFinish();
  }

  grpc::ClientContext context;
  // Of the last Read.
  grpc::ByteBuffer response;

 private:
  // The operation of one direction that is under way, if one is.
  struct Operation {
    // Set while it is.
    std::shared_ptr<StreamCall> self;
    Resumption<bool> waiter;
  };

  bool busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return reading_.self != nullptr || writing_.self != nullptr;
  }
  void Hold(Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    begun_ = true;
    operation.self = this->shared_from_this();
  }
  void Begin(Operation& operation, Resumption<bool> waiter) {
    absl::MutexLock lock(&mutex_);
    CHECK(operation.self == nullptr && !finishing_);
    Hold(operation);
    operation.waiter = std::move(waiter);
  }
  void StartFinish() {
    {
      absl::MutexLock lock(&mutex_);
      finishing_ = true;
    }
    stream_->Finish(&status_, &read_tag_);
  }

  // On the queue's thread.
  void OnRead(bool ok) { OnDone(reading_, ok); }
  void OnWritten(bool ok) { OnDone(writing_, ok); }
  void OnDone(Operation& operation, bool ok) {
    std::shared_ptr<StreamCall> alive;
    Resumption<bool> waiter;
    bool finish = false;
    {
      absl::MutexLock lock(&mutex_);
      alive = std::move(operation.self);
      operation.self = nullptr;
      waiter = std::move(operation.waiter);
      operation.waiter = nullptr;
      finish = abandoned_ && !finishing_ && !busy();
      if (finish) Hold(reading_);
    }
    if (finish) StartFinish();
    if (waiter) waiter(ok);
  }

  std::unique_ptr<Reading> stream_;
  // That of the channel, which outlives the coroutine that uses this.
  grpc::CompletionQueue* queue_ = nullptr;
  Tag read_tag_ = MakeTag<&StreamCall::OnRead>(this);
  Tag written_tag_ = MakeTag<&StreamCall::OnWritten>(this);
  grpc::Status status_;
  // Set for good by Cancel.
  bool cancelled_ = false;
  absl::Mutex mutex_;
  // Both under the mutex. Read or Finish:
  Operation reading_;
  Operation writing_;
  // Set for good by the first operation: before it gRPC has nothing to finish.
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when Finish begins.
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when nobody asks any more.
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcStream final : public CallStream {
 public:
  explicit GrpcStream(std::shared_ptr<StreamCall<MessageLite>> call) : call_(std::move(call)) {}
  ~GrpcStream() override { call_->Abandon(); }

  asio::awaitable<absl::Status> Write(const MessageLite& request, bool last) override {
    if (end_.has_value()) co_return Ended();
    const bool written = co_await call_->Write(request, last);
    if (!written) co_return absl::UnavailableError("the call has ended");
    co_return absl::OkStatus();
  }

  asio::awaitable<absl::StatusOr<bool>> Read(MessageLite& response) override {
    if (end_.has_value()) co_return Ended();
    const bool read = co_await call_->Read();
    if (read) {
      CO_RETURN_IF_ERROR(Parse(call_->response, response));
      co_return true;
    }
    end_ = co_await call_->Finish();
    if (!end_->ok()) co_return *end_;
    co_return false;
  }

  void Cancel() override { call_->Cancel(); }

 private:
  absl::Status Ended() const { return end_->ok() ? absl::CancelledError("the call has ended") : *end_; }

  const std::shared_ptr<StreamCall<MessageLite>> call_;
  // Set for good when Read has found the end.
  std::optional<absl::Status> end_;
};

class GrpcByteStream final : public ByteStream {
 public:
  explicit GrpcByteStream(std::shared_ptr<StreamCall<grpc::ByteBuffer>> call) : call_(std::move(call)) {}
  ~GrpcByteStream() override { call_->Abandon(); }

  asio::awaitable<bool> Write(std::string request, bool last) override {
    const grpc::ByteBuffer buffer = BufferOf(request);
    if (finishing_) co_return false;
    co_return co_await call_->Write(buffer, last);
  }
  asio::awaitable<bool> WritesDone() override {
    if (finishing_) co_return false;
    co_return co_await call_->WritesDone();
  }

  asio::awaitable<absl::StatusOr<std::optional<std::string>>> Read() override {
    if (end_.has_value()) {
      if (!end_->ok()) co_return *end_;
      co_return std::optional<std::string>();
    }
    const bool read = co_await call_->Read();
    has_read_ = true;
    if (read) {
      CO_ASSIGN_OR_RETURN(std::string bytes, BytesIn(call_->response));
      co_return std::optional<std::string>(std::move(bytes));
    }
    finishing_ = true;
    end_ = co_await call_->Finish();
    if (!end_->ok()) co_return *end_;
    co_return std::optional<std::string>();
  }

  void Cancel() override { call_->Cancel(); }

  Metadata initial_metadata() const override {
    return has_read_ ? Copy(call_->context.GetServerInitialMetadata()) : Metadata();
  }
  Metadata trailing_metadata() const override {
    return end_.has_value() ? Copy(call_->context.GetServerTrailingMetadata()) : Metadata();
  }

 private:
  static Metadata Copy(const std::multimap<grpc::string_ref, grpc::string_ref>& from) {
    Metadata copy;
    for (const auto& [name, value] : from) {
      copy.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    return copy;
  }
  const std::shared_ptr<StreamCall<grpc::ByteBuffer>> call_;
  // Set for good by the first Read that has come back.
  bool has_read_ = false;
  // Set for good when Read has found the end, and asks how it came.
  bool finishing_ = false;
  // Set for good when it knows.
  std::optional<absl::Status> end_;
};

}  // namespace

GrpcTransport::GrpcTransport(StoreChannel& channel, Options options)
    : channel_(channel), options_(options), streams_(channel, options) {}

void GrpcTransport::Prepare(grpc::ClientContext& context, const CallOptions& options) const {
  channel_.Prepare(context, options.timeout);
  if (!options.session_id.empty()) context.AddMetadata(kSessionMetadata, options.session_id);
  if (options_.revision > 0) context.AddMetadata(kRevisionMetadata, std::to_string(options_.revision));
  if (!options.authorization.empty()) context.AddMetadata("authorization", options.authorization);
  if (!options.client_address.empty()) context.AddMetadata(kClientAddressMetadata, options.client_address);
}

asio::awaitable<absl::Status> GrpcTransport::Call(absl::string_view method, const MessageLite& request,
                                                  MessageLite& response, CallOptions options) {
  if (!options.apart && IsBatched(method, request)) {
    return CallBatched(method, request, response, std::move(options));
  }
  return CallAlone(method, request, response, std::move(options));
}

asio::awaitable<std::vector<absl::Status>> GrpcTransport::CallAll(absl::string_view method,
                                                                  std::vector<OneOfMany> calls,
                                                                  CallOptions options) {
  for (const OneOfMany& call : calls) {
    if (options.apart || !IsBatched(method, *call.request)) {
      return Transport::CallAll(method, std::move(calls), std::move(options));
    }
  }
  return CallAllBatched(method, std::move(calls), std::move(options));
}

BatchedCall GrpcTransport::Batched(absl::string_view method, const MessageLite& request,
                                   const CallOptions& options, BatchedCall::Done done) const {
  return {.method = method,
          .request = request.SerializeAsString(),
          .session_id = options.session_id,
          .deadline = options_.clock.Now() + options.timeout,
          .done = std::move(done)};
}

void GrpcTransport::Start(asio::any_io_executor executor, absl::string_view method,
                          std::unique_ptr<MessageLite> request, std::unique_ptr<MessageLite> response,
                          CallOptions options, absl::AnyInvocable<void(absl::Status)> done) {
  if (options.apart || !IsBatched(method, *request)) {
    return Transport::Start(std::move(executor), method, std::move(request), std::move(response),
                            std::move(options), std::move(done));
  }
  auto answered = [response = std::move(response), done = std::move(done)](Bytes bytes) mutable {
    done(Parse(bytes, *response));
  };
  BatchedCall call = Batched(method, *request, options, std::move(answered));
  streams_.Send(absl::MakeSpan(&call, 1), After(executor));
}

asio::awaitable<absl::Status> GrpcTransport::CallBatched(absl::string_view method, const MessageLite& request,
                                                         MessageLite& response, CallOptions options) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto start = [&](Resumption<Bytes> done) {
    BatchedCall call = Batched(method, request, options, std::move(done));
    streams_.Send(absl::MakeSpan(&call, 1), After(executor));
  };
  const Bytes bytes = co_await AwaitResumption<Bytes>(start);
  co_return Parse(bytes, response);
}

asio::awaitable<std::vector<absl::Status>> GrpcTransport::CallAllBatched(absl::string_view method,
                                                                         std::vector<OneOfMany> calls,
                                                                         CallOptions options) {
  CHECK(!calls.empty());
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto gathering = std::make_shared<Gathering>(calls.size());
  const auto start = [&](Resumption<bool> done) {
    gathering->done = std::move(done);
    std::vector<BatchedCall> batch;
    batch.reserve(calls.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      const auto answered = [gathering, i](Bytes bytes) {
        gathering->answers[i] = std::move(bytes);
        if (gathering->missing.fetch_sub(1) == 1) gathering->done(true);
      };
      batch.push_back(Batched(method, *calls[i].request, options, answered));
    }
    streams_.Send(absl::MakeSpan(batch), After(executor));
  };
  co_await AwaitResumption<bool>(start);
  std::vector<absl::Status> ends;
  ends.reserve(calls.size());
  for (size_t i = 0; i < calls.size(); ++i) ends.push_back(Parse(gathering->answers[i], *calls[i].response));
  co_return ends;
}

asio::awaitable<absl::Status> GrpcTransport::CallAlone(absl::string_view method, const MessageLite& request,
                                                       MessageLite& response, CallOptions options) {
  const auto start = [&](Resumption<UnaryCall::Outcome> done) {
    auto* const call = new UnaryCall;
    Prepare(call->context(), options);
    call->Start(channel_, options.apart ? channel_.Apart() : channel_.Next(), absl::StrCat("/", method),
                request, std::move(done));
  };
  UnaryCall::Outcome bytes = co_await AwaitResumption<UnaryCall::Outcome>(start);
  CO_RETURN_IF_ERROR(bytes.status());
  co_return Parse(*bytes, response);
}

std::unique_ptr<CallStream> GrpcTransport::Open(absl::string_view method, CallOptions options) {
  auto call = std::make_shared<StreamCall<MessageLite>>();
  Prepare(call->context, options);
  call->Prepare(channel_, absl::StrCat("/", method));
  return std::make_unique<GrpcStream>(std::move(call));
}

asio::awaitable<absl::StatusOr<std::string>> GrpcTransport::CallBytes(std::string method, std::string request,
                                                                      CallOptions options) {
  const auto start = [&](Resumption<UnaryCall::Outcome> done) {
    auto* const call = new UnaryCall;
    Prepare(call->context(), options);
    call->Start(channel_, channel_.Next(), absl::StrCat("/", method), BufferOf(request), std::move(done));
  };
  const UnaryCall::Outcome bytes = co_await AwaitResumption<UnaryCall::Outcome>(start);
  CO_RETURN_IF_ERROR(bytes.status());
  co_return BytesIn(*bytes);
}

std::unique_ptr<ByteStream> GrpcTransport::OpenBytes(const std::string& method, const CallOptions& options,
                                                     const Metadata& more) {
  auto call = std::make_shared<StreamCall<grpc::ByteBuffer>>();
  Prepare(call->context, options);
  for (const auto& [name, value] : more) call->context.AddMetadata(name, value);
  call->Prepare(channel_, absl::StrCat("/", method));
  return std::make_unique<GrpcByteStream>(std::move(call));
}

}  // namespace mailstead::rpc
