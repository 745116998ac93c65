#include "stored/api/server.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "common/store/revision.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "mailstead/frontend/v1/delivery.grpc.pb.h"
#include "tests/unit/stored/api/server_fixture.h"

namespace mailstead::stored {
namespace {

using grpc::health::v1::HealthCheckResponse;

HealthCheckResponse::ServingStatus AskHealth(const std::shared_ptr<grpc::Channel>& channel,
                                             const std::string& service) {
  grpc::health::v1::HealthCheckRequest request;
  HealthCheckResponse response;
  request.set_service(service);
  grpc::ClientContext context;
  const grpc::Status status = grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.status();
}

class StoreServerTest : public ServerTest {
 protected:
  using ServerTest::ServerTest;

  HealthCheckResponse::ServingStatus Health(const std::string& service) {
    return AskHealth(channel_, service);
  }

  grpc::Status GetDomain(grpc::ClientContext* context, const std::string& name = "example.test") {
    store::v1::GetDomainRequest request;
    store::v1::Domain domain;
    request.set_name(name);
    return directory_stub_->GetDomain(context, request, &domain);
  }
  grpc::Status Resolve(grpc::ClientContext* context) {
    frontend::v1::ResolveRecipientRequest request;
    frontend::v1::ResolveRecipientResponse response;
    request.set_address("a@example.test");
    return frontend::v1::DeliveryService::NewStub(channel_)->ResolveRecipient(context, request, &response);
  }
};

TEST_F(StoreServerTest, HealthNeedsNoTokenAndFollowsTheEngine) {
  for (const char* service :
       {"", "mailstead.store.v1.MessageService", "mailstead.store.v1.DirectoryService",
        "mailstead.store.v1.AdminService", "mailstead.frontend.v1.AuthService",
        "mailstead.frontend.v1.DeliveryService", "mailstead.frontend.v1.MaildropService",
        "mailstead.frontend.v1.LeaseService", "mailstead.frontend.v1.BatchService"}) {
    parts_.server->SetServing(true);
    EXPECT_EQ(Health(service), HealthCheckResponse::SERVING) << service;
    parts_.server->SetServing(false);
    EXPECT_EQ(Health(service), HealthCheckResponse::NOT_SERVING) << service;
  }
}

TEST_F(StoreServerTest, HealthOfAnUnknownService) {
  grpc::health::v1::HealthCheckRequest request;
  HealthCheckResponse response;
  request.set_service("nobody");
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  EXPECT_EQ(stub->Check(As("").get(), request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  const auto context = As("");
  const auto watch = stub->Watch(context.get(), request);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  // Which does not change with the state.
  parts_.server->SetServing(false);
  parts_.server->SetServing(true);
  parts_.server->Drain(absl::Seconds(10));
  EXPECT_FALSE(watch->Read(&response));
}

TEST_F(StoreServerTest, HealthIsWatchedUntilTheStoreDrains) {
  parts_.server->SetServing(true);
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  // One that stays, without a deadline, and one that goes.
  const auto staying = As("", absl::InfiniteDuration());
  const auto going = As("");
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("mailstead.frontend.v1.BatchService");
  const auto watch = stub->Watch(staying.get(), request);
  const auto gone = stub->Watch(going.get(), request);
  HealthCheckResponse response;
  for (const auto& stream : {watch.get(), gone.get()}) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  going->TryCancel();
  EXPECT_EQ(gone->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // Said once only.
  parts_.server->SetServing(true);
  parts_.server->SetServing(false);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  parts_.server->SetServing(true);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  parts_.server->Drain(absl::Seconds(10));
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Each ends by itself when its caller has gone, also while the store ends.
TEST_F(StoreServerTest, WatchersMayGoWhileTheStateChanges) {
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  std::atomic<bool> stop = false;
  std::thread changes([&] {
    HealthCheckResponse response;
    for (bool serving = false; !stop; serving = !serving) {
      parts_.server->SetServing(serving);
      // No faster than the server can follow.
      (void)stub->Check(As(kSmtpToken).get(), {}, &response);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto context = As("");
    const auto watch = stub->Watch(context.get(), {});
    HealthCheckResponse response;
    for (int read = 0; read < i % 4; ++read) EXPECT_TRUE(watch->Read(&response));
    context->TryCancel();
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  parts_.server->Drain(absl::Seconds(10));
  stop = true;
  changes.join();
}

TEST_F(StoreServerTest, ReflectionIsOn) {
  // The request is written by hand, since Debian has no stub for it: host "", list_services "" (field 7).
  const auto context = AsSmtp();
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      context.get(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  grpc::Slice slice(std::string("\x3a\x00", 2));
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(next());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(response.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& piece : slices)
    bytes.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  for (const char* service : {"store.v1.DirectoryService", "store.v1.MessageService", "store.v1.AdminService",
                              "frontend.v1.AuthService", "frontend.v1.BatchService"}) {
    EXPECT_NE(bytes.find(absl::StrCat("mailstead.", service)), std::string::npos) << service;
  }
  context->TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  queue.Shutdown();
  while (next()) {
  }
}

TEST_F(StoreServerTest, ReflectionIsForKnownCallers) {
  for (const bool v1 : {true, false}) {
    const auto context = As("");
    if (v1) {
      const auto stub = grpc::reflection::v1::ServerReflection::NewStub(channel_);
      EXPECT_EQ(stub->ServerReflectionInfo(context.get())->Finish().error_code(),
                grpc::StatusCode::UNAUTHENTICATED);
    } else {
      const auto stub = grpc::reflection::v1alpha::ServerReflection::NewStub(channel_);
      EXPECT_EQ(stub->ServerReflectionInfo(context.get())->Finish().error_code(),
                grpc::StatusCode::UNAUTHENTICATED);
    }
  }
}

TEST_F(StoreServerTest, ReflectionGivesFilesWithWhatTheyImport) {
  using grpc::reflection::v1::ServerReflectionRequest;
  using grpc::reflection::v1::ServerReflectionResponse;
  const auto stub = grpc::reflection::v1::ServerReflection::NewStub(channel_);
  const auto context = As(kOperatorToken, absl::InfiniteDuration());
  const auto stream = stub->ServerReflectionInfo(context.get());
  const auto ask = [&](const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
    return response;
  };
  ServerReflectionRequest request;
  request.set_file_containing_symbol("mailstead.store.v1.DirectoryService.GetDomain");
  ServerReflectionResponse response = ask(request);
  google::protobuf::DescriptorPool pool;
  google::protobuf::FileDescriptorProto file;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    ASSERT_TRUE(file.ParseFromString(bytes));
    ASSERT_NE(pool.BuildFile(file), nullptr) << file.name();
  }
  EXPECT_EQ(file.name(), "mailstead/store/v1/directory.proto");
  request.set_file_by_filename("mailstead/store/v1/directory.proto");
  response = ask(request);
  EXPECT_EQ(response.file_descriptor_response().file_descriptor_proto_size(), 1) << "the others are known";
  request.set_file_by_filename("no/such.proto");
  EXPECT_EQ(ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.mutable_file_containing_extension()->set_containing_type("mailstead.store.v1.Domain");
  EXPECT_EQ(ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("mailstead.store.v1.Domain");
  EXPECT_EQ(ask(request).all_extension_numbers_response().base_type_name(), "mailstead.store.v1.Domain");
  request.clear_message_request();
  EXPECT_EQ(ask(request).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StoreServerTest, CallersAreChecked) {
  AddDomain("example.test");
  EXPECT_EQ(GetDomain(As("").get()).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(GetDomain(As("guess").get()).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(GetDomain(AsOperator().get()).ok());
  EXPECT_TRUE(Resolve(AsSmtp().get()).ok());
  store::v1::Domain domain;
  EXPECT_EQ(directory_stub_->CreateDomain(AsSmtp().get(), {}, &domain).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(StoreServerTest, StreamsAreCheckedToo) {
  for (const auto& [token, code] : {std::pair("", grpc::StatusCode::UNAUTHENTICATED),
                                    std::pair(kOperatorToken, grpc::StatusCode::PERMISSION_DENIED)}) {
    const auto context = As(token);
    const auto stream = auth_stub_->Authenticate(context.get());
    EXPECT_EQ(stream->Finish().error_code(), code);
  }
  const auto context = As("");
  const auto reader = message_stub_->FetchMessage(context.get(), {});
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(StoreServerTest, CallsMayGoWithoutDeadlineAndWithAnyOther) {
  AddDomain("example.test");
  for (const absl::Duration deadline :
       {absl::InfiniteDuration(), absl::Duration(absl::Hours(24)), absl::Duration(absl::Hours(24 * 365))}) {
    EXPECT_TRUE(GetDomain(As(kOperatorToken, deadline).get()).ok());
    const auto context = As(kOperatorToken, deadline);
    const auto reader = admin_stub_->VerifyMessages(context.get(), {});
    store::v1::VerifyMessagesResponse response;
    while (reader->Read(&response)) {
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

class BriefServerTest : public ServerTest {
 protected:
  BriefServerTest()
      : ServerTest({.stream_time = absl::Milliseconds(200), .max_stream_time = absl::Milliseconds(400)}) {}
};

TEST_F(BriefServerTest, AStreamIsEndedAfterItsTime) {
  const std::pair<absl::Duration, absl::Duration> kRows[] = {
      {absl::InfiniteDuration(), absl::Milliseconds(200)}, {absl::Hours(1), absl::Milliseconds(400)}};
  for (const auto& [deadline, lasts] : kRows) {
    const absl::Time begin = absl::Now();
    const auto context = As(kSmtpToken, deadline);
    const absl::Status status = Read(auth_stub_->Authenticate(context.get())->Finish());
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_EQ(ReasonOf(status), kReasonCallTooLong);
    EXPECT_GE(absl::Now() - begin, lasts);
  }
  // A caller's own deadline comes first.
  const auto context = As(kSmtpToken, absl::Milliseconds(50));
  const absl::Status status = Read(auth_stub_->Authenticate(context.get())->Finish());
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_NE(ReasonOf(status), kReasonCallTooLong);
}

// What waits for it may outlive the test's body.
struct Gate {
  absl::Notification open;
  std::atomic<int> waiting = 0;
  void Wait() {
    ++waiting;
    open.WaitForNotification();
  }
};

TEST_F(StoreServerTest, AFullPoolIsATemporaryError) {
  // Its two threads and its queue are held.
  const auto gate = std::make_shared<Gate>();
  const auto hold = [gate] { gate->Wait(); };
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(parts_.core.hash_pool.Submit(hold));
  ASSERT_TRUE(AwaitCondition([&] { return gate->waiting == 2; }));
  while (parts_.core.hash_pool.Submit(hold)) {
  }
  AddDomain("example.test");
  const auto create = [&](const std::string& address) {
    store::v1::CreateAccountRequest request;
    store::v1::Account account;
    request.mutable_account()->set_address(address);
    request.mutable_password()->set_plain("correct horse");
    return directory_stub_->CreateAccount(AsOperator().get(), request, &account);
  };
  const grpc::Status status = create("a@example.test");
  gate->open.Notify();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(AwaitCondition([&] { return create("b@example.test").ok(); }));
}

// Holds the loop's thread.
Task<void> HoldLoop(Executor& loop, std::shared_ptr<Gate> gate) {
  co_await ResumeOn(loop);
  gate->Wait();
}

TEST_F(StoreServerTest, CallsThatNobodyWaitsForAreNotRun) {
  const auto gate = std::make_shared<Gate>();
  mailstead::Start(HoldLoop(parts_.loop, gate));
  ASSERT_TRUE(AwaitCondition([&] { return gate->waiting == 1; }));
  store::v1::CreateDomainRequest request;
  request.mutable_domain()->set_name("late.test");
  store::v1::Domain domain;
  const auto context = As(kOperatorToken, absl::Milliseconds(50));
  EXPECT_EQ(directory_stub_->CreateDomain(context.get(), request, &domain).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  absl::SleepFor(absl::Milliseconds(50));
  gate->open.Notify();
  AddDomain("example.test");
  EXPECT_EQ(GetDomain(AsOperator().get(), "late.test").error_code(), grpc::StatusCode::NOT_FOUND);
}

class HurriedServerTest : public StoreServerTest {
 protected:
  // However short a call waited, it was longer than this.
  HurriedServerTest() : StoreServerTest({.max_unary_time = absl::ZeroDuration(), .max_unknown_calls = 3}) {}
};

TEST_F(HurriedServerTest, UnaryCallsThatWaitedTooLongAreNotRun) {
  store::v1::CreateDomainRequest request;
  store::v1::Domain domain;
  request.mutable_domain()->set_name("late.test");
  for (const absl::Duration deadline : {absl::InfiniteDuration(), absl::Duration(absl::Hours(25))}) {
    EXPECT_EQ(
        directory_stub_->CreateDomain(As(kOperatorToken, deadline).get(), request, &domain).error_code(),
        grpc::StatusCode::DEADLINE_EXCEEDED)
        << deadline;
  }
}

// However long their callers say that they wait, and whatever the methods' shapes are outside of a batch.
TEST_F(HurriedServerTest, CallsOfABatchThatWaitedTooLongAreNotRun) {
  const auto context = AsSmtp();
  const auto stream = batch_stub_->Calls(context.get());
  for (const char* method : {"DeliveryService/ResolveRecipient", "DeliveryService/Deliver"}) {
    for (const int32_t timeout_ms : {0, 30'000, 2'000'000'000}) {
      frontend::v1::CallsRequest request;
      frontend::v1::Call& call = *request.add_calls();
      call.set_call_id(1);
      call.set_method(absl::StrCat("mailstead.frontend.v1.", method));
      call.set_timeout_ms(timeout_ms);
      ASSERT_TRUE(stream->Write(request));
      frontend::v1::CallsResponse response;
      ASSERT_TRUE(stream->Read(&response));
      const absl::Status status = rpc::FromProto(response.answers(0).error());
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << method << " " << timeout_ms << ": " << status;
    }
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(HurriedServerTest, CallersThatNobodyKnowsHaveABoundedNumberOfCalls) {
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<HealthCheckResponse>>> watches;
  HealthCheckResponse response;
  for (int i = 0; i < 3; ++i) {
    contexts.push_back(As("", absl::InfiniteDuration()));
    watches.push_back(stub->Watch(contexts.back().get(), {}));
    ASSERT_TRUE(watches.back()->Read(&response));
  }
  const auto check = [&](absl::string_view token) {
    return Read(stub->Check(As(token).get(), {}, &response));
  };
  EXPECT_TRUE(absl::IsResourceExhausted(check("")));
  EXPECT_EQ(ReasonOf(check("guess")), kReasonBusy);
  EXPECT_TRUE(check(kSmtpToken).ok()) << "it is known";
  contexts[0]->TryCancel();
  EXPECT_TRUE(absl::IsCancelled(Read(watches[0]->Finish())));
  EXPECT_TRUE(AwaitCondition([&] { return check("").ok(); }));
}

// Streams that say nothing, of any method.
class IdleStreams {
 public:
  explicit IdleStreams(std::shared_ptr<grpc::Channel> channel) : stub_(std::move(channel)) {}
  ~IdleStreams() {
    for (const auto& each : streams_) each->context.TryCancel();
    for (const auto& each : streams_) {
      each->call->Finish(&each->status, each.get());
      Next();
    }
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  void Open(absl::string_view method, absl::string_view token, int count) {
    for (int i = 0; i < count; ++i) {
      auto stream = std::make_unique<Stream>();
      if (!token.empty()) stream->context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
      stream->context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(5));
      stream->call = stub_.PrepareCall(&stream->context, absl::StrCat("/", method), &queue_);
      stream->call->StartCall(stream.get());
      EXPECT_TRUE(Next());
      streams_.push_back(std::move(stream));
    }
  }

 private:
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
    grpc::Status status;
  };

  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

// A line of /proc/self/status.
int64_t OfThisProcess(absl::string_view name) {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (!absl::StartsWith(line, name)) continue;
    int64_t value = 0;
    std::istringstream(line.substr(name.size() + 1)) >> value;
    return value;
  }
  return 0;
}

TEST_F(StoreServerTest, IdleStreamsHaveNoThreadAndLittleMemory) {
  AddDomain("example.test");
  struct Kind {
    const char* method;
    const char* token;
  };
  const Kind kinds[] = {
      {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kOperatorToken},
      {"grpc.health.v1.Health/Watch", kSmtpToken},
      {"mailstead.frontend.v1.BatchService/Calls", kSmtpToken},
      {"mailstead.frontend.v1.AuthService/Authenticate", kPopToken},
      {"mailstead.frontend.v1.DeliveryService/Deliver", kSmtpToken},
      {"mailstead.frontend.v1.MaildropService/FetchMessage", kPopToken},
      {"mailstead.store.v1.MessageService/DeliverMessageStream", kOperatorToken},
      {"mailstead.store.v1.MessageService/FetchMessage", kOperatorToken},
      {"mailstead.store.v1.AdminService/VerifyMessages", kOperatorToken},
      {"no.Such/Method", kOperatorToken},
  };
  constexpr int kStreams = 1000;
  const auto open = [&](IdleStreams& streams, bool known) {
    for (const Kind& kind : kinds) {
      streams.Open(kind.method, known ? kind.token : "", kStreams / static_cast<int>(std::size(kinds)));
    }
    EXPECT_TRUE(GetDomain(AsOperator().get()).ok());
    EXPECT_TRUE(Resolve(AsSmtp().get()).ok());
  };
  // What gRPC makes for itself is there then, at both ends.
  { IdleStreams(channel_).Open(kinds[0].method, "", 1); }
  const int64_t threads = OfThisProcess("Threads:");
  [[maybe_unused]] const int64_t kilobytes = OfThisProcess("VmRSS:");
  {
    IdleStreams known(channel_);
    open(known, true);
    IdleStreams unknown(channel_);
    open(unknown, false);
    // Both ends of 2,000 streams are in this process.
    EXPECT_LE(OfThisProcess("Threads:"), threads + 4);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_LE(OfThisProcess("VmRSS:"), kilobytes + (128 << 10));
#endif
  }
  EXPECT_TRUE(AwaitCondition([&] { return GetDomain(AsOperator().get()).ok(); }));
}

class BoundedServerTest : public StoreServerTest {
 protected:
  BoundedServerTest()
      : StoreServerTest(
            {.max_unknown_calls = 5, .max_unknown_calls_of_connection = 3, .max_known_calls = 2}) {}

  absl::Status Check(const std::shared_ptr<grpc::Channel>& channel, absl::string_view token) {
    HealthCheckResponse response;
    return Read(grpc::health::v1::Health::NewStub(channel)->Check(As(token).get(), {}, &response));
  }
  // A connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(socket_, grpc::InsecureChannelCredentials(), arguments);
  }
};

TEST_F(BoundedServerTest, KnownCallersHaveABoundTooAndStrangersAnother) {
  constexpr char kWatch[] = "grpc.health.v1.Health/Watch";
  {
    IdleStreams known(channel_);
    known.Open(kWatch, kSmtpToken, 2);
    const auto busy = [&] { return Check(channel_, kSmtpToken); };
    ASSERT_TRUE(AwaitCondition([&] { return !busy().ok(); }));
    EXPECT_TRUE(absl::IsResourceExhausted(busy())) << busy();
    EXPECT_EQ(ReasonOf(busy()), kReasonBusy);
    EXPECT_TRUE(Check(channel_, "").ok());
  }
  EXPECT_TRUE(AwaitCondition([&] { return Check(channel_, kSmtpToken).ok(); }));
  IdleStreams strangers(channel_);
  strangers.Open(kWatch, "", 5);
  ASSERT_TRUE(AwaitCondition([&] { return !Check(channel_, "").ok(); }));
  EXPECT_TRUE(Check(channel_, kSmtpToken).ok());
}

TEST_F(StoreServerTest, ATokenThatIsWithdrawnEndsAtOnceAlsoInABatch) {
  const auto context = AsSmtp();
  const auto stream = batch_stub_->Calls(context.get());
  const auto ask = [&](int64_t id) {
    frontend::v1::CallsRequest request;
    frontend::v1::Call& call = *request.add_calls();
    call.set_call_id(id);
    call.set_method("mailstead.frontend.v1.DeliveryService/ResolveRecipient");
    frontend::v1::ResolveRecipientRequest resolve;
    resolve.set_address("a@example.test");
    call.set_request(resolve.SerializeAsString());
    EXPECT_TRUE(stream->Write(request));
    frontend::v1::CallsResponse response;
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.answers_size(), 1);
    EXPECT_EQ(response.answers(0).call_id(), id);
    return rpc::FromProto(response.answers(0).error());
  };
  EXPECT_TRUE(ask(1).ok());
  parts_.callers.SetToken(kSmtp, "another");
  const absl::Status refused = ask(2);
  EXPECT_TRUE(absl::IsUnauthenticated(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), kReasonNoCredential);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StoreServerTest, ARevisionThatIsNotServedIsRefusedWithTheBatch) {
  for (const auto& [revision, reason] :
       {std::pair("0", kReasonRevisionTooOld), std::pair("1000", kReasonRevisionTooNew)}) {
    const auto context = AsSmtp();
    context->AddMetadata("mailstead-revision", revision);
    const absl::Status status = Read(batch_stub_->Calls(context.get())->Finish());
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_EQ(ReasonOf(status), reason);
  }
  const auto context = AsSmtp();
  context->AddMetadata("mailstead-revision", absl::StrCat(store::kRevision));
  const auto stream = batch_stub_->Calls(context.get());
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StoreServerTest, ChangesAndRefusalsAreAudited) {
  testing::internal::CaptureStderr();
  AddDomain("example.test");
  GetDomain(AsOperator().get());
  GetDomain(As("guess").get());
  GetDomain(AsSmtp().get());
  store::v1::CreateDomainRequest request;
  store::v1::Domain domain;
  request.mutable_domain()->set_name("example.test");
  directory_stub_->CreateDomain(AsOperator().get(), request, &domain);
  const std::string log = testing::internal::GetCapturedStderr();
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (absl::StrContains(line, "event=audit")) lines.emplace_back(line);
  }
  ASSERT_EQ(lines.size(), 4u) << log;
  using testing::HasSubstr;
  EXPECT_THAT(lines[0], testing::AllOf(HasSubstr("caller=operator"), HasSubstr("peer="),
                                       HasSubstr("action=mailstead.store.v1.DirectoryService/CreateDomain"),
                                       HasSubstr("example.test"), HasSubstr("result=OK")));
  EXPECT_THAT(lines[1], testing::AllOf(HasSubstr("caller=nobody"), HasSubstr("GetDomain"),
                                       HasSubstr("result=UNAUTHENTICATED/NO_CREDENTIAL")));
  EXPECT_THAT(lines[2],
              testing::AllOf(HasSubstr("caller=smtp"), HasSubstr("result=PERMISSION_DENIED/WRONG_ROLE")));
  EXPECT_THAT(lines[3], testing::AllOf(HasSubstr("caller=operator"), HasSubstr("result=ALREADY_EXISTS")));
}

TEST_F(StoreServerTest, CallsAreCountedByMethodDoorAndCode) {
  AddDomain("example.test");
  GetDomain(As("guess").get());
  Health("");
  const std::string text = prometheus::TextSerializer().Serialize(parts_.registry.Collect());
  EXPECT_THAT(text, testing::HasSubstr("method=\"DirectoryService/CreateDomain\""));
  EXPECT_THAT(text, testing::HasSubstr("door=\"grpc\""));
  EXPECT_THAT(text, testing::HasSubstr("code=\"UNAUTHENTICATED\""));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("Health"))) << "a probe is not counted";
}

TEST_F(StoreServerTest, MessagesAreLimited) {
  EXPECT_EQ(GetDomain(AsOperator().get(), std::string(3 << 20, 'a')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(StoreServerTest, AnAddressInUseIsRefused) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  ServerParts first{AdmissionOptions()};
  const absl::Status started = first.Start(options);
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_NE(first.server->port(), 0);
  EXPECT_EQ(first.server->address(), absl::StrCat("127.0.0.1:", first.server->port()));
  options.listen = first.server->address();
  ServerParts second{AdmissionOptions()};
  EXPECT_TRUE(absl::IsUnavailable(second.Start(options)));
}

TEST_F(StoreServerTest, TlsFilesMustBeReadable) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.tls_cert_file = "/no/such.crt";
  options.tls_key_file = "/no/such.key";
  ServerParts parts{AdmissionOptions()};
  const absl::Status status = parts.Start(options);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("/no/such"), absl::string_view::npos);
}

// What callers hear of a store that ends while they call: their answer, or that it is away.
TEST_F(StoreServerTest, WhoCallsWhileTheStoreEndsGetsAnAnswerOrUnavailable) {
  AddDomain("example.test");
  std::atomic<bool> stop = false;
  std::atomic<int> ok = 0;
  std::atomic<int> unavailable = 0;
  absl::Mutex mutex;
  std::map<std::string, int> others;
  const auto note = [&](const grpc::Status& status) {
    if (status.ok()) {
      ++ok;
    } else if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      ++unavailable;
    } else {
      absl::MutexLock lock(&mutex);
      ++others[absl::StrCat(status.error_code(), " ", status.error_message())];
    }
  };
  const auto connect = [&] {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(socket_, grpc::InsecureChannelCredentials(), arguments);
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      const auto stub = store::v1::DirectoryService::NewStub(connect());
      while (!stop) {
        store::v1::GetDomainRequest request;
        store::v1::Domain domain;
        request.set_name("example.test");
        note(stub->GetDomain(AsOperator().get(), request, &domain));
      }
    });
    callers.emplace_back([&] {
      // Three messages of 1 MB: refused for its recipient, when it comes to the store.
      const auto stub = store::v1::MessageService::NewStub(connect());
      while (!stop) {
        store::v1::DeliverMessageResponse response;
        const auto context = AsOperator();
        const auto writer = stub->DeliverMessageStream(context.get(), &response);
        store::v1::DeliverMessageStreamRequest piece;
        piece.mutable_envelope()->set_delivery_id("0123456789abcdef");
        piece.mutable_envelope()->add_recipients()->set_address("nobody@example.test");
        piece.set_content(std::string(1 << 20, 'x'));
        bool more = writer->Write(piece);
        piece.clear_envelope();
        for (int left = 2; more && left > 0; --left) more = writer->Write(piece);
        writer->WritesDone();
        const grpc::Status status = writer->Finish();
        note(status.error_code() == grpc::StatusCode::NOT_FOUND ? grpc::Status::OK : status);
      }
    });
  }
  ASSERT_TRUE(AwaitCondition([&] { return ok > 200; }));
  parts_.server->Drain(absl::Seconds(10));
  parts_.server.reset();
  const int seen = unavailable;
  EXPECT_TRUE(AwaitCondition([&] { return unavailable > seen + 50; }));
  stop = true;
  for (std::thread& caller : callers) caller.join();
  absl::MutexLock lock(&mutex);
  // gRPC itself says Cancelled to what comes in the moment of its end: to a connection's last call at most.
  const auto cancelled = others.find("1 CANCELLED");
  if (cancelled != others.end()) {
    EXPECT_LE(cancelled->second, 16);
    others.erase(cancelled);
  }
  EXPECT_THAT(others, testing::IsEmpty());
}

TEST_F(StoreServerTest, DrainLetsCallsEndAndThenEndsThem) {
  const auto context = AsSmtp();
  const auto stream = auth_stub_->Authenticate(context.get());
  frontend::v1::AuthenticateRequest request;
  request.mutable_start()->set_mechanism("LOGIN");
  request.mutable_start()->set_client_address("192.0.2.1");
  frontend::v1::AuthenticateResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  const absl::Time begin = absl::Now();
  std::thread drain([&] { parts_.server->Drain(absl::Milliseconds(100)); });
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  drain.join();
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  EXPECT_FALSE(Resolve(AsSmtp().get()).ok());
}

}  // namespace
}  // namespace mailstead::stored
