#include "tests/unit/common/rpc/server/toy.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "common/rpc/server/bind.h"

namespace mailstead::rpc {
namespace {

// Between calls of a synchronous client only gRPC's backup poller reads its socket: often enough that a server need not
// wait for the client's farewell.
const int kBackupPolling = setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50", 1);

// Client and server are one process here, and share gRPC's set of file descriptors. With epoll an event now and then finds
// no thread that waits, until one of them looks again after ten seconds.
const int kPollStrategy = setenv("GRPC_POLL_STRATEGY", "poll", 1);

std::string Key(const std::string& method, Door door, absl::StatusCode code) {
  return absl::StrCat(method, " ", DoorName(door), " ", absl::StatusCodeToString(code));
}

}  // namespace

// ---- ToyAdmission

std::shared_ptr<const Caller> ToyAdmission::Identify(const Credentials& credentials) {
  ++identified_;
  auto caller = std::make_shared<Caller>();
  absl::MutexLock lock(&mutex_);
  for (const std::string& value : credentials.authorizations) {
    const std::string token(absl::StripPrefix(value, "Bearer "));
    if (token != withdrawn_ && absl::SimpleAtoi(token, &caller->roles)) caller->name = token;
  }
  return caller;
}

absl::Status ToyAdmission::Admit(ServedCall& call) {
  ++admitted_;
  if (call.method().roles == 0) return absl::OkStatus();
  if (call.caller().roles == 0) return absl::UnauthenticatedError("who are you?");
  if ((call.caller().roles & call.method().roles) == 0) return absl::PermissionDeniedError("not you");
  absl::MutexLock lock(&mutex_);
  call.LimitTo(call.began() + (call.method().shape == Shape::kUnary ? absl::Minutes(1) : max_stream_time_));
  return absl::OkStatus();
}

void ToyAdmission::Ended(const ServedCall& call, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  ++ended_[Key(call.method().name, call.door(), status.code())];
}

void ToyAdmission::set_max_stream_time(absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  max_stream_time_ = time;
}

void ToyAdmission::Withdraw(const std::string& token) {
  {
    absl::MutexLock lock(&mutex_);
    withdrawn_ = token;
  }
  ++generation_;
}

int ToyAdmission::ended(const std::string& method, Door door, absl::StatusCode code) const {
  absl::MutexLock lock(&mutex_);
  const auto found = ended_.find(Key(method, door, code));
  return found == ended_.end() ? 0 : found->second;
}

// ---- Toy

void Toy::AddTo(MethodTable& methods) {
  methods.Add(Bind({.name = "toy.Toy/Echo", .roles = 1, .batched = true}, *this, &Toy::Echo));
  methods.Add(Bind({.name = "toy.Toy/Join", .roles = 1, .batched = true}, *this, &Toy::Join));
  methods.Add(Bind({.name = "toy.Toy/Split", .roles = 1, .batched = true}, *this, &Toy::Split));
  methods.Add(Bind({.name = "toy.Toy/Talk", .roles = 1, .batched = true}, *this, &Toy::Talk));
  methods.Add(Bind({.name = "toy.Toy/Watch", .roles = 1, .long_lived = true}, *this, &Toy::Talk));
  methods.Add(Bind({.name = "toy.Toy/Hold", .roles = 1, .batched = true}, *this, &Toy::Hold));
  methods.Add(Bind({.name = "toy.Toy/Large", .roles = 1, .batched = true}, *this, &Toy::Large));
  methods.Add(Bind({.name = "toy.Toy/Flood", .roles = 1, .batched = true}, *this, &Toy::Flood));
  methods.Add(Bind({.name = "toy.Toy/Own", .roles = 1}, *this, &Toy::Echo));
  methods.Add(Bind({.name = "toy.Toy/Open"}, *this, &Toy::Echo));
}

void Toy::Release() { Start(ReleaseThere()); }

Task<void> Toy::ReleaseThere() {
  co_await ResumeOn(executor_);
  released_ = true;
  for (Signal* const holder : holding_) holder->Notify();
}

Task<absl::Status> Toy::Echo(Call& call, const Text& request, Text& response) {
  {
    absl::MutexLock lock(&seen_.mutex);
    seen_.echoed.push_back(request.value());
    seen_.session = call.session_id();
  }
  call.SetTarget(request.value());
  if (request.value() == "error") co_return WithReason(absl::AbortedError("no"), "SOME_REASON");
  if (request.value() == "field") co_return FieldError("value", "must be something else");
  response = request;
  co_return absl::OkStatus();
}

Task<absl::Status> Toy::Join(Call&, Reader<Text>& requests, Text& response) {
  while (true) {
    Text request;
    CO_ASSIGN_OR_RETURN(const bool more, co_await requests.Read(request));
    if (!more) co_return absl::OkStatus();
    response.set_value(response.value() + request.value());
  }
}

Task<absl::Status> Toy::Split(Call&, const Text& request, Writer<Text>& responses) {
  const std::string& text = request.value();
  for (size_t i = 0; i < text.size(); ++i) {
    const Text piece = MakeText(std::string(1, text[i]));
    // The last one together with the end, unless the text says otherwise.
    if (i + 1 == text.size() && text[i] != '.') co_return co_await responses.WriteLast(piece);
    CO_RETURN_IF_ERROR(co_await responses.Write(piece));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Toy::Talk(Call&, Reader<Text>& requests, Writer<Text>& responses) {
  while (true) {
    Text request;
    CO_ASSIGN_OR_RETURN(const bool more, co_await requests.Read(request));
    if (!more) co_return absl::OkStatus();
    const Text answer = MakeText(request.value() + "!");
    CO_RETURN_IF_ERROR(co_await responses.Write(answer));
  }
}

Task<absl::Status> Toy::Hold(Call& call, const Text& request, Text& response) {
  Signal signal(executor_);
  holding_.push_back(&signal);
  ++seen_.holding;
  call.WhenGone([&signal] { signal.Notify(); });
  absl::Status wanted = call.StillWanted();
  while (!released_ && wanted.ok()) {
    co_await signal;
    wanted = call.StillWanted();
  }
  call.WhenGone(nullptr);
  holding_.erase(std::find(holding_.begin(), holding_.end(), &signal));
  {
    absl::MutexLock lock(&seen_.mutex);
    seen_.gone = wanted;
  }
  ++seen_.held;
  CO_RETURN_IF_ERROR(wanted);
  response = request;
  co_return absl::OkStatus();
}

Task<absl::Status> Toy::Large(Call&, const Text& request, Text& response) {
  size_t bytes = 0;
  EXPECT_TRUE(absl::SimpleAtoi(request.value(), &bytes));
  response.set_value(std::string(bytes, 'x'));
  co_return absl::OkStatus();
}

Task<absl::Status> Toy::Flood(Call&, const Text& request, Writer<Text>& responses) {
  int count = 0;
  EXPECT_TRUE(absl::SimpleAtoi(request.value(), &count));
  const Text piece = MakeText(std::string(64 << 10, 'x'));
  for (int i = 0; i < count; ++i) {
    CO_RETURN_IF_ERROR(co_await responses.Write(piece));
    ++seen_.written;
  }
  co_return absl::OkStatus();
}

// ---- GrpcCaller

GrpcCaller::GrpcCaller(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const std::string& token, absl::Duration timeout, const std::string& session,
                       grpc_compression_algorithm encoding) {
  context_.set_compression_algorithm(encoding);
  if (!token.empty()) context_.AddMetadata("authorization", absl::StrCat("Bearer ", token));
  if (!session.empty()) context_.AddMetadata("mailstead-session", session);
  if (timeout != absl::InfiniteDuration()) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
  grpc::GenericStub stub(channel);
  call_ = stub.PrepareCall(&context_, absl::StrCat("/", method), &queue_);
  call_->StartCall(nullptr);
  Next();
}

GrpcCaller::~GrpcCaller() {
  if (!finished_) {
    Cancel();
    (void)Finish();
  }
  queue_.Shutdown();
  while (Next()) {
  }
}

bool GrpcCaller::Next() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

bool GrpcCaller::Write(const google::protobuf::MessageLite& request, bool last) {
  return WriteBytes(request.SerializeAsString(), last);
}

bool GrpcCaller::WriteBytes(const std::string& bytes, bool last) {
  const grpc::Slice slice(bytes);
  call_->Write(grpc::ByteBuffer(&slice, 1),
               last ? grpc::WriteOptions().set_last_message() : grpc::WriteOptions(), nullptr);
  return Next();
}

void GrpcCaller::HalfClose() {
  call_->WritesDone(nullptr);
  Next();
}

bool GrpcCaller::Read(google::protobuf::MessageLite& response) {
  grpc::ByteBuffer bytes;
  call_->Read(&bytes, nullptr);
  if (!Next()) return false;
  grpc::Slice slice;
  EXPECT_TRUE(bytes.DumpToSingleSlice(&slice).ok());
  EXPECT_TRUE(response.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  return true;
}

absl::Status GrpcCaller::Finish() {
  grpc::Status status;
  call_->Finish(&status, nullptr);
  Next();
  finished_ = true;
  return FromGrpc(status);
}

absl::Status GrpcCaller::End() {
  grpc::ByteBuffer bytes;
  do {
    bytes.Clear();
    call_->Read(&bytes, nullptr);
  } while (Next());
  return Finish();
}

// ---- ToyServer

ToyServer::ToyServer(GrpcDoorOptions options, BatchLimits limits)
    : batches_(service_, loop_, draining_, limits),
      door_(service_, loop_, draining_, options),
      socket_(absl::StrCat("unix:/tmp/mailstead-test-", getpid(), "-", RandomId(8))) {
  toy_.AddTo(methods_);
  methods_.Add(
      Bind({.name = "mailstead.frontend.v1.BatchService/Calls", .roles = 3}, batches_, &BatchDoor::Calls));
  loop_.builder().AddListeningPort(socket_, grpc::InsecureServerCredentials());
  loop_.builder().AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  server_ = loop_.builder().BuildAndStart();
  EXPECT_NE(server_, nullptr);
  door_.Open();
  grpc::ChannelArguments arguments;
  // A window that does not grow: how much a caller that does not read can be sent is the same on every machine.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(socket_, grpc::InsecureChannelCredentials(), arguments);
}

ToyServer::~ToyServer() {
  // First: a client that nobody polls answers the server's farewell seconds later.
  channel_.reset();
  End();
  unlink(socket_.substr(5).c_str());
}

void ToyServer::Drain(absl::Duration timeout) { door_.Drain(timeout); }

void ToyServer::End() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  door_.Stop();
  server_.reset();
}

}  // namespace mailstead::rpc
