// A gRPC server in the test's own process, on a Unix socket, with just enough of the store's API to call.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/random.h"
#include "mailstead/frontend/v1/auth.grpc.pb.h"
#include "mailstead/frontend/v1/delivery.grpc.pb.h"
#include "mailstead/frontend/v1/maildrop.grpc.pb.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "tests/unit/common/rpc/fake_batch.h"

namespace mailstead::rpc {

namespace v1 = ::mailstead::frontend::v1;

inline std::string MetadataOf(const grpc::ServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return "";
  return std::string(found->second.data(), found->second.size());
}

class TestMaildropService : public v1::MaildropService::Service {
 public:
  // Sends `responses` pieces, then ends with `end`.
  int responses = 0;
  grpc::Status end = grpc::Status::OK;
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
};

class TestDeliveryService : public v1::DeliveryService::Service {
 public:
  grpc::Status end = grpc::Status::OK;
  // What Deliver got; and whether it has got anything.
  std::string content;
  std::atomic<bool> begun = false;
  // Of a Deliver that ended before its last message.
  grpc::Status last_status;
  std::string session_id;

  grpc::Status Deliver(grpc::ServerContext* context, grpc::ServerReader<v1::DeliverRequest>* reader,
                       v1::DeliverResponse* response) override {
    session_id = MetadataOf(*context, "mailstead-session");
    v1::DeliverRequest request;
    bool last = false;
    while (reader->Read(&request)) {
      content += request.content();
      begun = true;
      last = request.has_end();
      if (!end.ok()) return end;
    }
    if (!last) return last_status = grpc::Status(grpc::ABORTED, "ended without last");
    response->set_outcome(store::v1::DELIVER_OUTCOME_STORED);
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
    response.mutable_verdict()->set_account_id(7);
    stream->Write(response);
    return grpc::Status::OK;
  }
};

class TestAdminService : public store::v1::AdminService::Service {
 public:
  // Of the last call.
  std::string authorization;
  std::string revision;
  grpc::Status end = grpc::Status::OK;

  grpc::Status GetStatus(grpc::ServerContext* context, const store::v1::GetStatusRequest*,
                         store::v1::GetStatusResponse* response) override {
    authorization = MetadataOf(*context, "authorization");
    revision = MetadataOf(*context, "mailstead-revision");
    response->set_version("9.9.9");
    return end;
  }
};

class TestLeaseService : public v1::LeaseService::Service {
 public:
  int renewals = 0;

  grpc::Status RenewLease(grpc::ServerContext*, const v1::RenewLeaseRequest*,
                          v1::RenewLeaseResponse*) override {
    ++renewals;
    return grpc::Status::OK;
  }
};

class TestStore {
 public:
  TestStore() : address_(absl::StrCat("unix:/tmp/mailstead-rpc-test-", RandomId(12))) { Start(); }
  ~TestStore() { Stop(); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(&maildrop);
    builder.RegisterService(&delivery);
    builder.RegisterService(&lease);
    builder.RegisterService(&auth);
    builder.RegisterService(&admin);
    builder.RegisterService(&batch);
    server_ = builder.BuildAndStart();
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
    server_.reset();
  }
  const std::string& address() const { return address_; }

  TestMaildropService maildrop;
  TestDeliveryService delivery;
  TestLeaseService lease;
  TestAuthService auth;
  TestAdminService admin;
  test::FakeBatch batch;

 private:
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace mailstead::rpc
