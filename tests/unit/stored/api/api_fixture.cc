#include "tests/unit/stored/api/api_fixture.h"

#include <google/protobuf/empty.pb.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <cstdlib>

#include "asio/co_spawn.hpp"
#include "common/base/random.h"
#include "common/rpc/server/in_process_transport.h"
#include "common/rpc/server/loop.h"
#include "common/sasl/step.h"
#include "mailstead/frontend/v1/batch.grpc.pb.h"
#include "stored/api/admission.h"
#include "stored/api/callers.h"
#include "stored/api/environment.h"
#include "stored/api/methods.h"
#include "stored/api/metrics.h"
#include "stored/api/server.h"
#include "stored/core/core.h"

namespace mailstead::stored {
namespace {

// Between calls of a synchronous client only gRPC's backup poller reads its socket: often enough that a
// server need not wait for the client's farewell.
const int kBackupPolling = setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50", 1);

// Client and server are one process here, and share gRPC's set of file descriptors. With epoll an event now
// and then finds no thread that waits, until one of them looks again after ten seconds.
const int kPollStrategy = setenv("GRPC_POLL_STRATEGY", "poll", 1);

ThrottleOptions FastThrottle() {
  ThrottleOptions options;
  options.first_delay = absl::Milliseconds(200);
  options.max_delay = absl::Milliseconds(200);
  options.lockout_failures = 5;
  return options;
}

CoreOptions TestCoreOptions(absl::Duration in_use_wait) {
  CoreOptions options;
  options.scram_iterations = 4096;
  options.throttle = FastThrottle();
  options.decoy_secret = std::string(32, 's');
  options.grant_key = std::string(32, 'g');
  options.secrets_key = std::string(32, 'k');
  options.max_message_bytes = kMaxTestMessageBytes;
  options.in_use_wait = in_use_wait;
  options.hash_threads = 2;
  return options;
}

constexpr unsigned kTokenRoles[] = {kSmtp, kPop, kRelay, kWeb, kOperator};

}  // namespace

// ---- Dialogs

// Any method, as bytes.
class ApiTest::GrpcDialog final : public Dialog {
 public:
  GrpcDialog(grpc::Channel& channel, const std::string& method, std::unique_ptr<grpc::ClientContext> context)
      : path_("/" + method),
        method_(path_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING),
        context_(std::move(context)),
        stream_(grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
            &channel, method_, context_.get())) {}

  bool Write(const google::protobuf::MessageLite& request, bool last) override {
    const grpc::Slice slice(request.SerializeAsString());
    const bool written = stream_->Write(grpc::ByteBuffer(&slice, 1));
    if (last) stream_->WritesDone();
    return written;
  }
  void WritesDone() override { stream_->WritesDone(); }
  bool Read(google::protobuf::MessageLite& response) override {
    grpc::ByteBuffer buffer;
    if (!stream_->Read(&buffer)) return false;
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(buffer.Dump(&slices).ok());
    std::string bytes;
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    EXPECT_TRUE(response.ParseFromString(bytes));
    return true;
  }
  absl::Status Finish() override { return rpc::FromGrpc(stream_->Finish()); }
  void Cancel() override { context_->TryCancel(); }

 private:
  const std::string path_;
  const grpc::internal::RpcMethod method_;
  const std::unique_ptr<grpc::ClientContext> context_;
  const std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

class ApiTest::InProcessDialog final : public Dialog {
 public:
  InProcessDialog(asio::io_context& io, std::unique_ptr<rpc::CallStream> stream)
      : io_(io), stream_(std::move(stream)) {}

  bool Write(const google::protobuf::MessageLite& request, bool last) override {
    return Run(stream_->Write(request, last)).ok();
  }
  void WritesDone() override { ADD_FAILURE() << "the last request says that it is the last"; }
  bool Read(google::protobuf::MessageLite& response) override {
    const absl::StatusOr<bool> read = Run(stream_->Read(response));
    if (!read.ok()) status_ = read.status();
    return read.ok() && *read;
  }
  absl::Status Finish() override {
    google::protobuf::Empty response;
    while (status_.ok() && Read(response)) {
    }
    return status_;
  }
  void Cancel() override { stream_->Cancel(); }

 private:
  template <typename T>
  T Run(asio::awaitable<T> awaitable) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(awaitable),
                   [&result](std::exception_ptr, T value) { result.emplace(std::move(value)); });
    io_.restart();
    io_.run();
    return *std::move(result);
  }

  asio::io_context& io_;
  const std::unique_ptr<rpc::CallStream> stream_;
  absl::Status status_;
};

std::unique_ptr<Dialog> ApiTest::Open(const std::string& method, const CallAs& as) {
  if (GetParam() == TestDoor::kInProcess) {
    return std::make_unique<InProcessDialog>(io_, OpenInProcess(method, as));
  }
  return std::make_unique<GrpcDialog>(*channel_, method, ContextOf(as));
}

// In the order in which they are made; they go in the opposite one.
struct ApiTest::Server {
  Server(std::shared_ptr<engine::MemoryStore> store, const Clock& clock, absl::Duration in_use_wait)
      : engine(engine::OpenMemoryEngine({.store = std::move(store),
                                         .clock = &clock,
                                         .lease_clock = &Clock::Steady(),
                                         .executor = &loop})),
        core(*engine, loop, clock, TestCoreOptions(in_use_wait)) {
    // As stored does, before anybody calls.
    EXPECT_TRUE(BlockOn(core.keys.Load()).ok());
    callers.UseKeys(core.keys);
    admission.UseKeys(core.keys);
    admission.UseTrail(core.audit);
    core.keys.OnChange([this] { admission.Recheck(); });
    for (const unsigned role : kTokenRoles) callers.SetToken(static_cast<Role>(role), Token(role));
    AddMethods(environment, in_process_methods);
    rpc::MethodTable methods;
    AddMethods(environment, methods);
    ServerOptions options;
    options.listen = socket;
    auto started = StoreServer::Start(options, std::move(methods), admission, Clock::System(), loop);
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    server->SetServing(true);
  }
  ~Server() {
    server.reset();
    unlink(socket.substr(5).c_str());
  }

  const std::string socket = absl::StrCat("unix:/tmp/mailstead-test-", getpid(), "-", RandomId(8));
  rpc::Loop loop;
  std::unique_ptr<engine::Engine> engine;
  Core core;
  prometheus::Registry registry;
  Metrics metrics{registry};
  Callers callers;
  Admission admission{callers, metrics, Clock::System()};
  Environment environment{.core = core, .counter = metrics, .version = "1.2.3", .start_time = absl::Now()};
  rpc::MethodTable in_process_methods;
  const rpc::Service service{in_process_methods, admission, Clock::System()};
  std::unique_ptr<StoreServer> server;
};

ApiTest::ApiTest() {
  StartServer();
  store::v1::CreateDomainRequest request;
  request.mutable_domain()->set_name("example.test");
  EXPECT_TRUE(AsOperator<store::v1::Domain>("DirectoryService/CreateDomain", request).ok());
}

ApiTest::~ApiTest() {
  // First: a client that nobody polls answers the server's farewell seconds later.
  channel_.reset();
  server_.reset();
}

void ApiTest::StartServer() {
  server_ = std::make_unique<Server>(store_, clock_, in_use_wait_);
  grpc::ChannelArguments arguments;
  // A window that does not grow: how much a caller that does not read can be sent is the same on every
  // machine.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  channel_ = grpc::CreateCustomChannel(server_->socket, grpc::InsecureChannelCredentials(), arguments);
}

void ApiTest::Restart() {
  channel_.reset();
  server_.reset();
  StartServer();
}

Task<bool> ApiTest::RecheckOnLoop() {
  co_await ResumeOn(server_->loop);
  server_->admission.Recheck();
  co_return true;
}

void ApiTest::Recheck() { EXPECT_TRUE(BlockOn(RecheckOnLoop())); }

engine::Engine& ApiTest::engine() { return *server_->engine; }

std::string ApiTest::MetricsText() {
  return prometheus::TextSerializer().Serialize(server_->registry.Collect());
}

// ---- Calls

std::unique_ptr<grpc::ClientContext> ApiTest::ContextOf(const CallAs& as) const {
  auto context = std::make_unique<grpc::ClientContext>();
  if (as.role != 0) context->AddMetadata("authorization", absl::StrCat("Bearer ", Token(as.role)));
  if (!as.key.empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", as.key));
  if (!as.session_id.empty()) context->AddMetadata("mailstead-session", as.session_id);
  context->set_deadline(absl::ToChronoTime(absl::Now() + as.timeout));
  return context;
}

std::unique_ptr<rpc::CallStream> ApiTest::OpenInProcess(const std::string& method, const CallAs& as) {
  rpc::InProcessOptions options;
  if (as.role != 0) options.credentials.authorizations = {absl::StrCat("Bearer ", Token(as.role))};
  if (!as.key.empty()) options.credentials.authorizations.push_back(absl::StrCat("Bearer ", as.key));
  options.credentials.peer = "in-process";
  rpc::InProcessTransport transport(server_->service, server_->loop, options);
  return transport.Open(method, {.timeout = as.timeout, .session_id = as.session_id});
}

absl::Status ApiTest::CallForBytes(const std::string& method, const CallAs& as,
                                   const google::protobuf::MessageLite& request, TakeResponse take) {
  const bool in_batch =
      absl::StartsWith(method, "mailstead.frontend.v1.") && !absl::StrContains(method, "BatchService/");
  if (GetParam() == TestDoor::kBatch && in_batch)
    return CallInBatch(method, as, request.SerializeAsString(), take);
  const std::unique_ptr<Dialog> dialog = Open(method, as);
  dialog->Write(request, /*last=*/true);
  // A message without fields keeps all that it is given, as it came.
  for (google::protobuf::Empty response; dialog->Read(response); response.Clear())
    take(response.SerializeAsString());
  return dialog->Finish();
}

absl::Status ApiTest::CallInBatch(const std::string& method, const CallAs& as, const std::string& request,
                                  TakeResponse take) {
  frontend::v1::CallsRequest calls;
  frontend::v1::Call& call = *calls.add_calls();
  call.set_call_id(7);
  call.set_method(method);
  call.set_request(request);
  call.set_timeout_ms(static_cast<int32_t>(absl::ToInt64Milliseconds(as.timeout)));
  call.set_session_id(as.session_id);
  const auto context = ContextOf({.role = as.role, .key = as.key, .timeout = as.timeout});
  const auto stub = frontend::v1::BatchService::NewStub(channel_);
  const auto stream = stub->Calls(context.get());
  stream->Write(calls);
  stream->WritesDone();
  std::optional<absl::Status> end;
  for (frontend::v1::CallsResponse response; stream->Read(&response);) {
    for (const frontend::v1::Answer& answer : response.answers()) {
      EXPECT_EQ(answer.call_id(), 7);
      EXPECT_FALSE(end.has_value()) << "an answer behind the end";
      if (answer.has_error()) {
        end = rpc::FromProto(answer.error());
        continue;
      }
      if (answer.part() != frontend::v1::Answer::PART_END_ONLY) take(answer.response());
      if (answer.part() != frontend::v1::Answer::PART_MORE) end = absl::OkStatus();
    }
  }
  const absl::Status stream_end = rpc::FromGrpc(stream->Finish());
  return end.value_or(stream_end);
}

// ---- What tests begin with

int64_t ApiTest::AddAccount(const std::string& address, const std::string& password) {
  store::v1::CreateAccountRequest request;
  request.mutable_account()->set_address(address);
  if (!password.empty()) request.mutable_password()->set_plain(password);
  const auto account = AsOperator<store::v1::Account>("DirectoryService/CreateAccount", request);
  EXPECT_TRUE(account.ok()) << account.status();
  if (!account.ok()) return 0;
  const int64_t id = std::stoll(account->account_id());
  addresses_[id] = address;
  return id;
}

frontend::v1::DeliverRequest ApiTest::DeliverTo(int64_t account, const std::string& delivery_id,
                                                const std::string& content) {
  frontend::v1::DeliverRequest request;
  store::v1::Envelope& envelope = *request.mutable_envelope();
  envelope.set_delivery_id(delivery_id);
  envelope.set_reverse_path("sender@elsewhere.test");
  const auto known = addresses_.find(account);
  envelope.add_recipients()->set_address(known == addresses_.end() ? "someone@example.test" : known->second);
  request.set_content(content);
  request.mutable_end();
  return request;
}

void ApiTest::Deliver(int64_t account, const std::string& delivery_id, const std::string& content) {
  const auto delivered = AsSmtp<frontend::v1::DeliverResponse>("DeliveryService/Deliver",
                                                               DeliverTo(account, delivery_id, content));
  ASSERT_TRUE(delivered.ok()) << delivered.status();
}

void ApiTest::RenewLease(const std::string& lease) {
  frontend::v1::RenewLeaseRequest request;
  request.set_lease_id(lease);
  request.set_holder("test");
  request.mutable_ttl()->set_seconds(60);
  const auto renewed = AsPop<frontend::v1::RenewLeaseResponse>("LeaseService/RenewLease", "", request);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
}

frontend::v1::Verdict ApiTest::LogIn(const std::string& user, const std::string& password,
                                     const std::string& session, const std::string& lease) {
  frontend::v1::AuthenticateRequest request;
  frontend::v1::AuthenticateStart& start = *request.mutable_start();
  start.set_mechanism("PLAIN");
  start.set_client_address("192.0.2.1");
  start.set_initial_response(sasl::PlainMessage(user, password));
  if (!lease.empty()) start.mutable_maildrop()->set_lease_id(lease);
  const auto response =
      AsPop<frontend::v1::AuthenticateResponse>("AuthService/Authenticate", session, request);
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? response->verdict() : frontend::v1::Verdict();
}

}  // namespace mailstead::stored
