#include "tests/unit/stored/api/server_fixture.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "stored/api/methods.h"

namespace mailstead::stored {
namespace {

// As in api_fixture.cc.
const int kBackupPolling = setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50", 1);
const int kPollStrategy = setenv("GRPC_POLL_STRATEGY", "poll", 1);

CoreOptions TestCoreOptions() {
  CoreOptions options;
  options.scram_iterations = 4096;
  options.decoy_secret = std::string(32, 's');
  options.grant_key = std::string(32, 'g');
  options.max_message_bytes = 4 << 20;
  options.hash_threads = 2;
  return options;
}

}  // namespace

ServerParts::ServerParts(AdmissionOptions admission_options)
    : engine(engine::OpenMemoryEngine({.executor = &loop})),
      core(*engine, loop, Clock::System(), TestCoreOptions()),
      admission(callers, metrics, Clock::System(), admission_options),
      environment{.core = core, .counter = metrics, .version = "1.2.3", .start_time = absl::Now()} {
  callers.SetToken(kSmtp, kSmtpToken);
  callers.SetToken(kPop, kPopToken);
  callers.SetToken(kOperator, kOperatorToken);
}

absl::Status ServerParts::Start(const ServerOptions& options) {
  rpc::MethodTable methods;
  AddMethods(environment, methods);
  auto started = StoreServer::Start(options, std::move(methods), admission, Clock::System(), loop);
  if (started.ok()) server = *std::move(started);
  return started.status();
}

ServerTest::ServerTest(AdmissionOptions admission_options)
    : parts_(admission_options),
      socket_(absl::StrCat("unix:/tmp/mailstead-test-", getpid(), "-", RandomId(8))) {
  const absl::Status started = parts_.Start({.listen = socket_});
  EXPECT_TRUE(started.ok()) << started;
  parts_.server->SetServing(true);
  channel_ = grpc::CreateChannel(socket_, grpc::InsecureChannelCredentials());
  directory_stub_ = store::v1::DirectoryService::NewStub(channel_);
  auth_stub_ = frontend::v1::AuthService::NewStub(channel_);
  batch_stub_ = frontend::v1::BatchService::NewStub(channel_);
  message_stub_ = store::v1::MessageService::NewStub(channel_);
  admin_stub_ = store::v1::AdminService::NewStub(channel_);
}

ServerTest::~ServerTest() {
  // First: a client that nobody polls answers the server's farewell seconds later.
  admin_stub_.reset();
  message_stub_.reset();
  batch_stub_.reset();
  auth_stub_.reset();
  directory_stub_.reset();
  channel_.reset();
  parts_.server.reset();
  unlink(socket_.substr(5).c_str());
}

std::unique_ptr<grpc::ClientContext> ServerTest::As(absl::string_view token, absl::Duration deadline) {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!token.empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", token));
  if (deadline != absl::InfiniteDuration()) {
    context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  }
  return context;
}

void ServerTest::AddDomain(const std::string& name) {
  store::v1::CreateDomainRequest request;
  request.mutable_domain()->set_name(name);
  store::v1::Domain domain;
  const grpc::Status created = directory_stub_->CreateDomain(AsOperator().get(), request, &domain);
  EXPECT_TRUE(created.ok()) << created.error_message();
}

}  // namespace mailstead::stored
