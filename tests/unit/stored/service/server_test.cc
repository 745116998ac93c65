#include "stored/service/server.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/unit/stored/service/service_fixture.h"

namespace mailstead::store {
namespace {

using grpc::health::v1::HealthCheckResponse;

class ServerTest : public ServiceTest {
 protected:
  HealthCheckResponse::ServingStatus Health(const std::string& service) {
    grpc::health::v1::HealthCheckRequest request;
    HealthCheckResponse response;
    request.set_service(service);
    const auto stub = grpc::health::v1::Health::NewStub(channel_);
    const grpc::Status status = stub->Check(As("").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  grpc::Status Resolve(grpc::ClientContext* context) {
    v1::ResolveRecipientRequest request;
    v1::ResolveRecipientResponse response;
    request.set_address("a@example.test");
    return directory_stub_->ResolveRecipient(context, request, &response);
  }
};

TEST_F(ServerTest, HealthNeedsNoTokenAndFollowsTheEngine) {
  for (const char* service : {"", "mailstead.store.v1.MailboxService", "mailstead.store.v1.DirectoryService",
                              "mailstead.store.v1.AuthService", "mailstead.store.v1.AdminService",
                              "mailstead.store.v1.ExchangeService"}) {
    server_->SetServing(true);
    EXPECT_EQ(Health(service), HealthCheckResponse::SERVING) << service;
    server_->SetServing(false);
    EXPECT_EQ(Health(service), HealthCheckResponse::NOT_SERVING) << service;
  }
}

TEST_F(ServerTest, HealthOfAnUnknownService) {
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
  server_->SetServing(false);
  server_->SetServing(true);
  server_->Drain(absl::Seconds(10));
  EXPECT_FALSE(watch->Read(&response));
}

TEST_F(ServerTest, HealthIsWatchedUntilTheStoreDrains) {
  server_->SetServing(true);
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  // One that stays, without a deadline, and one that goes.
  const auto staying = As("", absl::InfiniteDuration());
  const auto going = As("");
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("mailstead.store.v1.ExchangeService");
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
  server_->SetServing(true);
  server_->SetServing(false);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  server_->SetServing(true);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  server_->Drain(absl::Seconds(10));
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Each ends by itself when its caller has gone, also while the store ends.
TEST_F(ServerTest, WatchersMayGoWhileTheStateChanges) {
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  std::atomic<bool> stop = false;
  std::thread changes([&] {
    for (bool serving = false; !stop; serving = !serving) server_->SetServing(serving);
  });
  for (int i = 0; i < 200; ++i) {
    const auto context = As("");
    const auto watch = stub->Watch(context.get(), {});
    HealthCheckResponse response;
    for (int read = 0; read < i % 4; ++read) ASSERT_TRUE(watch->Read(&response));
    context->TryCancel();
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  server_->Drain(absl::Seconds(10));
  stop = true;
  changes.join();
}

TEST_F(ServerTest, ReflectionIsOn) {
  // The request is written by hand, since Debian has no stub for it: host "", list_services "" (field 7).
  const auto context = As("");
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
  for (const char* service :
       {"DirectoryService", "AuthService", "MailboxService", "AdminService", "ExchangeService"}) {
    EXPECT_NE(bytes.find(absl::StrCat("mailstead.store.v1.", service)), std::string::npos) << service;
  }
  context->TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  queue.Shutdown();
  while (next()) {
  }
}

TEST_F(ServerTest, CallersAreChecked) {
  EXPECT_EQ(Resolve(As("").get()).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Resolve(As("guess").get()).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Resolve(AsFrontend().get()).ok());
  EXPECT_TRUE(Resolve(AsOperator().get()).ok());
  v1::Domain domain;
  EXPECT_EQ(directory_stub_->CreateDomain(AsFrontend().get(), {}, &domain).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ServerTest, StreamsAreCheckedToo) {
  for (const auto& [token, code] : {std::pair("", grpc::StatusCode::UNAUTHENTICATED),
                                    std::pair(kOperatorToken, grpc::StatusCode::PERMISSION_DENIED)}) {
    const auto context = As(token);
    const auto stream = auth_stub_->Authenticate(context.get());
    EXPECT_EQ(stream->Finish().error_code(), code);
  }
  const auto context = As("");
  v1::FetchMessageRequest request;
  const auto reader = mailbox_stub_->FetchMessage(context.get(), request);
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(ServerTest, UnaryCallsMayGoWithoutDeadlineStreamsMayNot) {
  EXPECT_TRUE(Resolve(As(kFrontendToken, absl::InfiniteDuration()).get()).ok());
  for (const absl::Duration deadline : {absl::InfiniteDuration(), absl::Duration(absl::Hours(25))}) {
    const auto context = As(kFrontendToken, deadline);
    const auto stream = auth_stub_->Authenticate(context.get());
    const absl::Status status = Read(stream->Finish());
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(FieldOf(status), "deadline");
  }
  const auto context = As(kOperatorToken, absl::Hours(24));
  const auto reader = admin_stub_->VerifyMessages(context.get(), {});
  v1::VerifyMessagesResponse response;
  while (reader->Read(&response)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// Tasks that wait for it may outlive the test's body: the pool is the fixture's.
struct Gate {
  absl::Notification open;
  std::atomic<int> waiting = 0;
  void Wait() {
    ++waiting;
    open.WaitForNotification();
  }
};

TEST_F(ServerTest, AFullPoolIsATemporaryError) {
  // Four threads and a queue of a hundred, all held.
  const auto gate = std::make_shared<Gate>();
  const auto hold = [gate] { gate->Wait(); };
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(disk_pool_.Submit(hold));
  ASSERT_TRUE(Eventually([&] { return gate->waiting == 4; }));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(disk_pool_.Submit(hold));
  const grpc::Status status = Resolve(AsFrontend().get());
  gate->open.Notify();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Eventually([&] { return Resolve(AsFrontend().get()).ok(); }));
}

TEST_F(ServerTest, CallsThatNobodyWaitsForAreNotRun) {
  const auto gate = std::make_shared<Gate>();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(disk_pool_.Submit([gate] { gate->Wait(); }));
  v1::CreateDomainRequest request;
  request.mutable_domain()->set_name("late.test");
  v1::Domain domain;
  const auto context = As(kOperatorToken, absl::Milliseconds(50));
  EXPECT_EQ(directory_stub_->CreateDomain(context.get(), request, &domain).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  absl::SleepFor(absl::Milliseconds(50));
  gate->open.Notify();
  EXPECT_TRUE(Eventually([&] { return Resolve(AsFrontend().get()).ok(); }));
  EXPECT_TRUE(absl::IsNotFound(engine_.GetDomain("late.test").status()));
}

TEST_F(ServerTest, UnaryCallsThatWaitedTooLongAreNotRun) {
  v1::CreateDomainRequest request;
  request.mutable_domain()->set_name("late.test");
  v1::Domain domain;
  const auto create = [&](absl::Duration deadline) {
    return directory_stub_->CreateDomain(As(kOperatorToken, deadline).get(), request, &domain).error_code();
  };
  // However short they waited, it was longer than this.
  environment_.max_unary_time = absl::ZeroDuration();
  for (const absl::Duration deadline : {absl::InfiniteDuration(), absl::Duration(absl::Hours(25))}) {
    EXPECT_EQ(create(deadline), grpc::StatusCode::DEADLINE_EXCEEDED) << deadline;
  }
  EXPECT_TRUE(absl::IsNotFound(engine_.GetDomain("late.test").status()));
  environment_.max_unary_time = kMaxUnaryTime;
  EXPECT_EQ(create(absl::InfiniteDuration()), grpc::StatusCode::OK);
}

TEST_F(ServerTest, MessagesAreLimited) {
  v1::ResolveRecipientRequest request;
  v1::ResolveRecipientResponse response;
  request.set_address(std::string(3 << 20, 'a'));
  EXPECT_EQ(directory_stub_->ResolveRecipient(AsFrontend().get(), request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ServerTest, AnAddressInUseIsRefused) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  const auto first = StoreServer::Start(options, environment_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE((*first)->port(), 0);
  EXPECT_EQ((*first)->address(), absl::StrCat("127.0.0.1:", (*first)->port()));
  options.listen = (*first)->address();
  EXPECT_TRUE(absl::IsUnavailable(StoreServer::Start(options, environment_).status()));
}

TEST_F(ServerTest, TlsFilesMustBeReadable) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.tls_cert_file = "/no/such.crt";
  options.tls_key_file = "/no/such.key";
  const absl::Status status = StoreServer::Start(options, environment_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("/no/such"), absl::string_view::npos);
}

TEST_F(ServerTest, DrainLetsCallsEndAndThenEndsThem) {
  const auto context = AsFrontend();
  const auto stream = auth_stub_->Authenticate(context.get());
  v1::AuthenticateRequest request;
  request.mutable_start()->set_mechanism("LOGIN");
  request.mutable_start()->set_client_address("192.0.2.1");
  request.mutable_start()->set_service("pop");
  v1::AuthenticateResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  const absl::Time begin = absl::Now();
  std::thread drain([&] { server_->Drain(absl::Milliseconds(100)); });
  EXPECT_FALSE(stream->Finish().ok());
  drain.join();
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  EXPECT_FALSE(Resolve(AsFrontend().get()).ok());
}

}  // namespace
}  // namespace mailstead::store
