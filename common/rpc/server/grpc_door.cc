#include "common/rpc/server/grpc_door.h"

#include <google/protobuf/message_lite.h>
#include <grpc/grpc.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/base/trace_context.h"
#include "common/rpc/errors.h"
#include "common/rpc/server/encoding.h"

namespace mailstead::rpc {
namespace {

std::string Text(grpc::string_ref text) { return std::string(text.data(), text.size()); }

// The first value; empty when there is none.
std::string Metadata(const grpc::ServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  return found == context.client_metadata().end() ? std::string() : Text(found->second);
}

// Its value when there is one only.
std::string OnlyMetadata(const grpc::ServerContext& context, const char* key) {
  return context.client_metadata().count(key) == 1 ? Metadata(context, key) : std::string();
}

Credentials CredentialsOf(const grpc::ServerContext& context) {
  Credentials credentials;
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  for (auto entry = begin; entry != end; ++entry) {
    // What stands around a value is not part of it (RFC 9110 section 5.5): a token out of a file may bring it.
    const std::string value = Text(entry->second);
    credentials.authorizations.emplace_back(absl::StripAsciiWhitespace(value));
  }
  credentials.peer = context.peer();
  credentials.client_address = Metadata(context, "mailstead-client-address");
  // gRPC has checked a certificate against the authority before any call comes.
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return credentials;
  for (const char* property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME}) {
    for (const grpc::string_ref& name : peer->FindPropertyValues(property)) {
      credentials.certificate_names.push_back(Text(name));
    }
  }
  return credentials;
}

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  // gRPC gives time_point::max for none; what is centuries ahead counts as none as well.
  const auto deadline = context.deadline();
  if (deadline > std::chrono::system_clock::now() + std::chrono::hours(24 * 365 * 100)) {
    return absl::InfiniteFuture();
  }
  return absl::FromChrono(deadline);
}

CallFacts FactsOf(const grpc::ServerContext& context) {
  return {.door = Door::kGrpc,
          .session_id = Metadata(context, "mailstead-session"),
          .trace_id = TraceIdOf(OnlyMetadata(context, "traceparent")),
          .revision = Metadata(context, "mailstead-revision"),
          .deadline = DeadlineOf(context)};
}

// Says when `timer` has come.
Task<void> Await(Operation& timer, Signal& signal, bool& has_come) {
  co_await timer;
  has_come = true;
  signal.Notify();
}

absl::Status CallerHasGone() { return absl::CancelledError("the caller has gone"); }
absl::Status ShuttingDown() { return absl::UnavailableError("the store is shutting down"); }

}  // namespace

// One call, from the wait for its caller to the end of gRPC's part in it. The coroutine that serves it owns it.
class GrpcDoor::GrpcCall final : public RequestSource, public ResponseSink {
 public:
  explicit GrpcCall(GrpcDoor& door) : door_(door), ended_(door.loop_) {
    context_.AsyncNotifyWhenDone(&ended_tag_);
  }

  // False: none comes any more.
  Task<bool> AwaitCaller() {
    grpc::ServerCompletionQueue* const queue = door_.loop_.queue();
    door_.generic_.RequestCall(&context_, &stream_, queue, queue, operation_.Begin());
    co_return co_await operation_;
  }

  Task<void> Serve() {
    const Method* const method = door_.service_.methods.Find(absl::StripPrefix(context_.method(), "/"));
    absl::Status status;
    if (door_.draining_.begun()) {
      status = ShuttingDown();
    } else if (method == nullptr) {
      status = absl::UnimplementedError(absl::StrCat("there is no method ", context_.method()));
    } else {
      Identity identity(CredentialsOf(context_));
      CallFacts facts = FactsOf(context_);
      facts.admitted = [this] { EndInTime(); };
      ServedCall call(door_.service_, *method, identity, std::move(facts));
      call_ = &call;
      const grpc_compression_algorithm encoding = WantedEncoding(context_.c_call());
      packs_ = encoding != GRPC_COMPRESS_NONE;
      if (packs_) context_.set_compression_algorithm(encoding);
      call.SetCut([this](const absl::Status& why) { Close(why); });
      if (is_over_) call.Abandon(CallerHasGone());
      status = co_await call.Run(*this, *this);
      call_ = nullptr;
    }
    if (!finishing_) Finish(status);
    co_await finished_;
    if (deadline_.has_value()) deadline_->Cancel();
    // gRPC is done with the call when nothing of it is to come.
    while (!is_over_ || deadline_pending_) co_await ended_;
    co_await read_;
    co_await operation_;
  }

  // Ends the call, whatever its method does.
  void Close(const absl::Status& why) {
    if (finishing_) return;
    closed_ = why;
    if (call_ != nullptr) call_->Abandon(why);
    // A peer that does not read what was written to it is cut off when the server ends.
    if (!finishing_ && !operation_.pending()) Finish(why);
  }

  // ---- RequestSource

  Task<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& request) override {
    if (absl::Status gone = Gone(); !gone.ok()) co_return gone;
    if (no_more_requests_) co_return false;
    stream_.Read(&incoming_, read_.Begin());
    const bool ok = co_await read_;
    if (absl::Status gone = Gone(); !gone.ok()) co_return gone;
    if (!ok) {
      no_more_requests_ = true;
      co_return false;
    }
    if (incoming_.Length() > MaxRequestBytes()) {
      co_return WithReason(absl::ResourceExhaustedError("the request is too large"), kReasonTooLarge);
    }
    CO_RETURN_IF_ERROR(Unpack(context_.c_call(), MaxRequestBytes(), incoming_));
    const grpc::Status parsed =
        grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::MessageLite>(&incoming_,
                                                                                         &request);
    if (!parsed.ok()) co_return absl::InvalidArgumentError("the request cannot be read");
    co_return true;
  }

  void Stop() override {
    no_more_requests_ = true;
    read_.Interrupt();
  }

  // ---- ResponseSink

  Task<absl::Status> Write(const google::protobuf::MessageLite& response, bool last) override {
    if (absl::Status gone = Gone(); !gone.ok()) co_return gone;
    grpc::ByteBuffer bytes;
    bool owned = false;
    const grpc::Status made = grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::MessageLite>(
        response, &bytes, &owned);
    if (!made.ok()) co_return absl::InternalError("the response cannot be written");
    bool ok = false;
    if (last) {
      call_->End(absl::OkStatus());
      finishing_ = true;
      stream_.WriteAndFinish(bytes, OptionsFor(bytes), grpc::Status::OK, finished_.Begin());
      ok = co_await finished_;
    } else {
      stream_.Write(bytes, OptionsFor(bytes), operation_.Begin());
      ok = co_await operation_;
    }
    if (ok) co_return absl::OkStatus();
    co_return closed_.ok() ? CallerHasGone() : closed_;
  }

  void Cut() override {
    if (!finishing_) context_.TryCancel();
  }

 private:
  void OnEnded(bool) {
    is_over_ = true;
    if (call_ != nullptr && context_.IsCancelled()) call_->Abandon(CallerHasGone());
    ended_.Notify();
  }

  // Sees to the server's own deadline of a stream: gRPC ends a call by its caller's only. (A unary call is ended by its
  // method, which asks.)
  void EndInTime() {
    if (!call_->is_limited() || call_->method().shape == Shape::kUnary) return;
    const absl::Duration left = call_->deadline() - door_.service_.clock.Now();
    deadline_pending_ = true;
    deadline_.emplace().Set(door_.loop_.queue(), absl::ToChronoTime(absl::Now() + left), &deadline_tag_);
  }

  void OnDeadline(bool has_come) {
    deadline_pending_ = false;
    if (has_come && call_ != nullptr && !finishing_) {
      const absl::Status why = call_->Overdue();
      Close(why);
      // A peer that does not read what was written to it is cut off: it hears the code, without details.
      if (!finishing_) {
        const std::string text(why.message());
        grpc_call_cancel_with_status(context_.c_call(), static_cast<grpc_status_code>(why.code()),
                                     text.c_str(), nullptr);
      }
    }
    ended_.Notify();
  }

  size_t MaxRequestBytes() const {
    const size_t most = std::max(door_.options_.max_request_bytes, call_->method().max_request_bytes);
    return call_->caller().roles != 0 ? most : std::min(most, door_.options_.max_stranger_request_bytes);
  }

  grpc::WriteOptions OptionsFor(const grpc::ByteBuffer& response) const {
    grpc::WriteOptions options;
    if (packs_ && response.Length() < kMinPackedBytes) options.set_no_compression();
    return options;
  }

  void Finish(const absl::Status& status) {
    finishing_ = true;
    stream_.Finish(ToGrpc(status), finished_.Begin());
  }

  // Why nothing is read or written any more; OK: it is.
  absl::Status Gone() const {
    if (!closed_.ok()) return closed_;
    return is_over_ || finishing_ ? CallerHasGone() : absl::OkStatus();
  }

  GrpcDoor& door_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  // Of reads; a read may be pending when nobody waits for it any more.
  grpc::ByteBuffer incoming_;
  Operation read_;
  // The wait for a caller, then writes.
  Operation operation_;
  Operation finished_;
  Tag ended_tag_ = MakeTag<&GrpcCall::OnEnded>(this);
  // The server's own deadline, where it has one.
  std::optional<grpc::Alarm> deadline_;
  Tag deadline_tag_ = MakeTag<&GrpcCall::OnDeadline>(this);
  bool deadline_pending_ = false;
  // Notified when gRPC says that the call is over, and when the deadline is.
  Signal ended_;
  // Set when responses go compressed.
  bool packs_ = false;
  // While its method runs.
  ServedCall* call_ = nullptr;
  // Set at half-close, and when the method wants no more.
  bool no_more_requests_ = false;
  // Set when the status goes to gRPC: nothing may be written any more.
  bool finishing_ = false;
  // Set when gRPC says that the call is over: finished, or the caller has gone.
  bool is_over_ = false;
  // Not OK: the server has ended it.
  absl::Status closed_;
};

GrpcDoor::GrpcDoor(const Service& service, Loop& loop, Draining& draining, GrpcDoorOptions options)
    : service_(service), loop_(loop), draining_(draining), options_(options), ended_(loop) {
  loop_.builder().RegisterAsyncGenericService(&generic_);
  // Requests are unpacked here (encoding.h).
  loop_.builder().AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
}

GrpcDoor::~GrpcDoor() = default;

void GrpcDoor::Open() {
  slots_ = options_.slots;
  for (int i = 0; i < options_.slots; ++i) Start(Accept());
}

Task<void> GrpcDoor::Accept() {
  co_await ResumeOn(loop_);
  while (true) {
    auto call = std::make_unique<GrpcCall>(*this);
    const bool came = co_await call->AwaitCaller();
    if (!came) break;
    Start(Serve(std::move(call)));
  }
  --slots_;
  ended_.Notify();
}

Task<void> GrpcDoor::Serve(std::unique_ptr<GrpcCall> call) {
  calls_.insert(call.get());
  co_await call->Serve();
  calls_.erase(call.get());
  call.reset();
  ended_.Notify();
}

void GrpcDoor::Drain(absl::Duration timeout) {
  absl::Notification drained;
  mailstead::Start(DrainCalls(timeout), [&drained] { drained.Notify(); });
  drained.WaitForNotification();
}

Task<void> GrpcDoor::DrainCalls(absl::Duration timeout) {
  co_await ResumeOn(loop_);
  draining_.Begin();
  // The timer notifies as a call that ends does.
  bool late = false;
  grpc::Alarm alarm;
  Operation timer;
  alarm.Set(loop_.queue(), std::chrono::system_clock::now() + absl::ToChronoNanoseconds(timeout),
            timer.Begin());
  Start(Await(timer, ended_, late));
  while (!calls_.empty() && !late) co_await ended_;
  const std::vector<GrpcCall*> left(calls_.begin(), calls_.end());
  for (GrpcCall* const call : left) {
    // One may have ended with another.
    if (calls_.contains(call)) call->Close(ShuttingDown());
  }
  alarm.Cancel();
  while (!late) co_await ended_;
}

void GrpcDoor::Stop() {
  absl::Notification none;
  mailstead::Start(AwaitNone(), [&none] { none.Notify(); });
  none.WaitForNotification();
}

Task<void> GrpcDoor::AwaitNone() {
  co_await ResumeOn(loop_);
  while (!calls_.empty() || slots_ > 0) co_await ended_;
}

}  // namespace mailstead::rpc
