// The store's services over a fake engine, behind a real gRPC server on a Unix socket.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/rpc/errors.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "mailstead/store/v1/auth.grpc.pb.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"
#include "stored/service/environment.h"
#include "stored/service/server.h"
#include "tests/unit/stored/fake_engine.h"

namespace mailstead::store {

inline constexpr char kFrontendToken[] = "token-of-front-ends";
inline constexpr char kOperatorToken[] = "token-of-operators";
inline constexpr uint64_t kMaxTestMessageBytes = 4 << 20;

class ServiceTest : public testing::Test {
 protected:
  ServiceTest();
  ~ServiceTest() override;

  // A call as this role makes it, with a deadline.
  static std::unique_ptr<grpc::ClientContext> As(absl::string_view token,
                                                 absl::Duration deadline = absl::Seconds(30));
  static std::unique_ptr<grpc::ClientContext> AsOperator() { return As(kOperatorToken); }
  static std::unique_ptr<grpc::ClientContext> AsFrontend() { return As(kFrontendToken); }

  static absl::Status Read(const grpc::Status& status) { return rpc::FromGrpc(status); }

  // Domain example.test is there. Returns the mailbox.
  uint64_t AddAccount(const std::string& address, const std::string& password = "");

  // One message, in chunks of this many bytes.
  grpc::Status Deliver(const v1::DeliverEnvelope& envelope, const std::string& content, size_t chunk_bytes,
                       v1::DeliverResponse* response);
  static v1::DeliverEnvelope EnvelopeTo(uint64_t mailbox, const std::string& delivery_id);

  FakeEngine engine_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  CallerCheck callers_{kFrontendToken, kOperatorToken};
  WorkerPool hash_pool_{2, 100};
  Directory directory_;
  RecipientResolver recipients_{engine_, ""};
  PasswordVerifier verifier_{4096};
  CredentialCache cache_;
  LoginThrottle throttle_;
  Authenticator authenticator_;
  TimerQueue timers_;
  WorkerPool disk_pool_{4, 100};
  WorkerPool auth_pool_{2, 100};
  WorkerPool verify_pool_{1, 4};
  Environment environment_;

  std::string socket_;
  std::unique_ptr<StoreServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::DirectoryService::Stub> directory_stub_;
  std::unique_ptr<v1::AuthService::Stub> auth_stub_;
  std::unique_ptr<v1::MailboxService::Stub> mailbox_stub_;
  std::unique_ptr<v1::AdminService::Stub> admin_stub_;
};

// Waits for something that another thread brings about; false when it does not within ten seconds.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return condition();
}

}  // namespace mailstead::store
