// A gRPC server in the test's own process, on a Unix socket, with just enough of the store API to call.
#pragma once

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/random.h"
#include "mailstead/store/v1/auth.grpc.pb.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"
#include "tests/support/fake_exchange.h"

namespace mailstead::rpc {

namespace v1 = ::mailstead::store::v1;

class TestMailboxService : public v1::MailboxService::Service {
 public:
  // Sends `responses` pieces, then ends with `end`.
  int responses = 0;
  grpc::Status end = grpc::Status::OK;
  // What Deliver got.
  std::string content;
  // Of a Deliver that ended before its last message.
  grpc::Status last_status;
  std::string authorization;
  // A FetchMessage saw that its caller had gone.
  absl::Notification cancelled;

  grpc::Status FetchMessage(grpc::ServerContext* context, const v1::FetchMessageRequest*,
                            grpc::ServerWriter<v1::FetchMessageResponse>* writer) override {
    for (int i = 0; i < responses; ++i) {
      v1::FetchMessageResponse response;
      response.set_content(absl::StrCat("piece ", i));
      if (!writer->Write(response)) break;
    }
    if (context->IsCancelled()) cancelled.Notify();
    return end;
  }

  grpc::Status Deliver(grpc::ServerContext*, grpc::ServerReader<v1::DeliverRequest>* reader,
                       v1::DeliverResponse* response) override {
    v1::DeliverRequest request;
    bool last = false;
    while (reader->Read(&request)) {
      content += request.content();
      last = request.last();
      if (!end.ok()) return end;
    }
    if (!last) return last_status = grpc::Status(grpc::ABORTED, "ended without last");
    response->set_delivery_id("id");
    return end;
  }

  grpc::Status RenewLease(grpc::ServerContext* context, const v1::RenewLeaseRequest*,
                          v1::RenewLeaseResponse*) override {
    const auto found = context->client_metadata().find("authorization");
    authorization = found == context->client_metadata().end()
                        ? ""
                        : std::string(found->second.data(), found->second.size());
    return end;
  }
};

// Asks for two responses, or a thousand with the mechanism MANY, then is content.
class TestAuthService : public v1::AuthService::Service {
 public:
  grpc::Status Authenticate(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::AuthenticateResponse, v1::AuthenticateRequest>* stream) override {
    v1::AuthenticateRequest request;
    if (!stream->Read(&request)) return grpc::Status(grpc::ABORTED, "nothing came");
    if (request.start().mechanism() == "BROKEN") return grpc::Status(grpc::UNAVAILABLE, "disk");
    const int steps = request.start().mechanism() == "MANY" ? 1000 : 2;
    for (int i = 0; i < steps; ++i) {
      v1::AuthenticateResponse response;
      response.set_challenge(absl::StrCat("challenge ", i));
      stream->Write(response);
      if (!stream->Read(&request)) return grpc::Status(grpc::ABORTED, "the client gave up");
    }
    v1::AuthenticateResponse response;
    response.mutable_verdict()->set_result(
        request.response() == "right" ? v1::Verdict::RESULT_OK : v1::Verdict::RESULT_INVALID_CREDENTIALS);
    response.mutable_verdict()->set_address("demo@example.test");
    response.mutable_verdict()->set_mailbox_id(7);
    stream->Write(response);
    return grpc::Status::OK;
  }
};

// Answers every question about a recipient with `answer`.
class TestDirectoryService : public v1::DirectoryService::Service {
 public:
  grpc::Status ResolveRecipient(grpc::ServerContext*, const v1::ResolveRecipientRequest*,
                                v1::ResolveRecipientResponse*) override {
    return answer;
  }
  grpc::Status answer;
};

class TestStore {
 public:
  // With the standard health service when grpc::EnableDefaultHealthCheckService was called.
  TestStore() : address_(absl::StrCat("unix:/tmp/mailstead-rpc-test-", RandomId(12))) { Start(); }
  ~TestStore() { Stop(); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(&mailbox);
    builder.RegisterService(&auth);
    builder.RegisterService(&directory);
    builder.RegisterService(&exchange);
    server_ = builder.BuildAndStart();
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
    server_.reset();
  }
  const std::string& address() const { return address_; }

  TestMailboxService mailbox;
  TestAuthService auth;
  TestDirectoryService directory;
  test::FakeExchange exchange;

 private:
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace mailstead::rpc
