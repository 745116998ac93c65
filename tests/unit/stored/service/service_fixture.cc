#include "tests/unit/stored/service/service_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace mailstead::store {
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

}  // namespace

ServiceTest::ServiceTest()
    : directory_(engine_, Clock::System(), 4096, hash_pool_),
      cache_(Clock::System(), absl::Seconds(60)),
      throttle_(Clock::System(), FastThrottle()),
      authenticator_(engine_, verifier_, cache_, throttle_, {4096, std::string(32, 's')}),
      environment_{.engine = engine_,
                   .directory = directory_,
                   .recipients = recipients_,
                   .authenticator = authenticator_,
                   .callers = callers_,
                   .metrics = metrics_,
                   .clock = Clock::System(),
                   .timers = timers_,
                   .disk_pool = disk_pool_,
                   .auth_pool = auth_pool_,
                   .verify_pool = verify_pool_,
                   .max_message_bytes = kMaxTestMessageBytes,
                   .version = "1.2.3",
                   .start_time = absl::Now()},
      socket_(absl::StrCat("unix:/tmp/mailstead-test-", getpid(), "-", RandomId(8))) {
  EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
  ServerOptions options;
  options.listen = socket_;
  auto server = StoreServer::Start(options, environment_);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  server_->SetServing(true);
  grpc::ChannelArguments arguments;
  // A window that does not grow: how much a caller that does not read can be sent is the same on every
  // machine.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  channel_ = grpc::CreateCustomChannel(socket_, grpc::InsecureChannelCredentials(), arguments);
  directory_stub_ = v1::DirectoryService::NewStub(channel_);
  auth_stub_ = v1::AuthService::NewStub(channel_);
  mailbox_stub_ = v1::MailboxService::NewStub(channel_);
  admin_stub_ = v1::AdminService::NewStub(channel_);
}

ServiceTest::~ServiceTest() {
  // First: a client that nobody polls answers the server's farewell seconds later.
  admin_stub_.reset();
  mailbox_stub_.reset();
  auth_stub_.reset();
  directory_stub_.reset();
  channel_.reset();
  server_.reset();
  unlink(socket_.substr(5).c_str());
}

std::unique_ptr<grpc::ClientContext> ServiceTest::As(absl::string_view token, absl::Duration deadline) {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!token.empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", token));
  if (deadline != absl::InfiniteDuration()) context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  return context;
}

uint64_t ServiceTest::AddAccount(const std::string& address, const std::string& password) {
  NewAccount account;
  account.address = address;
  if (!password.empty()) account.password = {Password::Kind::kPlain, password};
  const auto created = directory_.CreateAccount(account);
  EXPECT_TRUE(created.ok()) << created.status();
  return created->mailbox.value;
}

v1::DeliverEnvelope ServiceTest::EnvelopeTo(uint64_t mailbox, const std::string& delivery_id) {
  v1::DeliverEnvelope envelope;
  envelope.set_delivery_id(delivery_id);
  envelope.set_reverse_path("sender@elsewhere.test");
  envelope.set_session_id("session");
  v1::DeliverRecipient& recipient = *envelope.add_recipients();
  recipient.set_address("someone@example.test");
  recipient.add_mailbox_ids(mailbox);
  return envelope;
}

grpc::Status ServiceTest::Deliver(const v1::DeliverEnvelope& envelope, const std::string& content,
                                  size_t chunk_bytes, v1::DeliverResponse* response) {
  const auto context = AsFrontend();
  const auto writer = mailbox_stub_->Deliver(context.get(), response);
  size_t offset = 0;
  bool first = true;
  do {
    v1::DeliverRequest request;
    if (first) *request.mutable_envelope() = envelope;
    first = false;
    request.set_content(content.substr(offset, chunk_bytes));
    offset += request.content().size();
    request.set_last(offset == content.size());
    if (!writer->Write(request)) break;
  } while (offset < content.size());
  writer->WritesDone();
  return writer->Finish();
}

}  // namespace mailstead::store
