// The store's server over an engine in memory, on a Unix socket: for what is not a method's.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/errors.h"
#include "common/rpc/server/loop.h"
#include "mailstead/frontend/v1/auth.grpc.pb.h"
#include "mailstead/frontend/v1/batch.grpc.pb.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "mailstead/store/v1/message.grpc.pb.h"
#include "stored/api/admission.h"
#include "stored/api/callers.h"
#include "stored/api/environment.h"
#include "stored/api/metrics.h"
#include "stored/api/server.h"
#include "stored/core/core.h"
#include "stored/engine/memory/memory_engine.h"

namespace mailstead::stored {

inline constexpr char kSmtpToken[] = "token-of-smtpd";
inline constexpr char kPopToken[] = "token-of-pop3d";
inline constexpr char kOperatorToken[] = "token-of-operators";

// One server and all that it needs, in the order in which they are made.
struct ServerParts {
  explicit ServerParts(AdmissionOptions admission_options);
  // Empty when it cannot: then why.
  absl::Status Start(const ServerOptions& options);

  rpc::Loop loop;
  std::unique_ptr<engine::Engine> engine;
  Core core;
  prometheus::Registry registry;
  Metrics metrics{registry};
  Callers callers;
  Admission admission;
  Environment environment;
  std::unique_ptr<StoreServer> server;
};

class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(AdmissionOptions admission_options = {});
  ~ServerTest() override;

  // A call with this token and deadline.
  static std::unique_ptr<grpc::ClientContext> As(absl::string_view token,
                                                 absl::Duration deadline = absl::Seconds(30));
  static std::unique_ptr<grpc::ClientContext> AsOperator() { return As(kOperatorToken); }
  static std::unique_ptr<grpc::ClientContext> AsSmtp() { return As(kSmtpToken); }
  static absl::Status Read(const grpc::Status& status) { return rpc::FromGrpc(status); }

  void AddDomain(const std::string& name);

  ServerParts parts_;
  const std::string socket_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<store::v1::DirectoryService::Stub> directory_stub_;
  std::unique_ptr<frontend::v1::AuthService::Stub> auth_stub_;
  std::unique_ptr<frontend::v1::BatchService::Stub> batch_stub_;
  std::unique_ptr<store::v1::MessageService::Stub> message_stub_;
  std::unique_ptr<store::v1::AdminService::Stub> admin_stub_;
};

// Waits for something that another thread brings about; false when it does not within ten seconds.
template <typename Condition>
bool AwaitCondition(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return condition();
}

}  // namespace mailstead::stored
