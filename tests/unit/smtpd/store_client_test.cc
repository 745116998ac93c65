// The gRPC side of the store client against a service in this process: what goes over the wire, and what
// happens when the store hangs.
#include "smtpd/store_client.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/use_future.hpp"
#include "common/base/reason.h"
#include "common/rpc/channel.h"
#include "common/rpc/errors.h"
#include "gtest/gtest.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"
#include "tests/support/fake_exchange.h"

namespace mailstead::smtp {
namespace {

namespace v1 = ::mailstead::store::v1;

class FakeMailboxService : public v1::MailboxService::Service {
 public:
  grpc::Status Deliver(grpc::ServerContext* context, grpc::ServerReader<v1::DeliverRequest>* reader,
                       v1::DeliverResponse* response) override {
    std::vector<v1::DeliverRequest> received;
    v1::DeliverRequest request;
    while (!hang && reader->Read(&request)) {
      received.push_back(request);
      if (refuse_at != 0 && received.size() == refuse_at) {
        return rpc::ToGrpc(WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull));
      }
      if (request.last()) break;
    }
    while (hang && !context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
    absl::MutexLock lock(&mutex);
    messages.push_back(std::move(received));
    response->set_delivery_id("id");
    return grpc::Status::OK;
  }

  // The messages of the calls that have ended, once there are `count`.
  std::vector<std::vector<v1::DeliverRequest>> Wait(size_t count) {
    absl::MutexLock lock(&mutex);
    const auto enough = [this, count]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return messages.size() >= count; };
    mutex.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
    return messages;
  }

  bool hang = false;
  size_t refuse_at = 0;
  absl::Mutex mutex;
  std::vector<std::vector<v1::DeliverRequest>> messages ABSL_GUARDED_BY(mutex);
};

// What the store answers to the small calls.
std::vector<v1::ExchangeAnswer> AnswerTo(const v1::ExchangeCall& call) {
  v1::ExchangeAnswer answer;
  if (call.has_resolve_recipient()) {
    const v1::ResolveRecipientRequest& request = call.resolve_recipient();
    v1::ResolveRecipientResponse& response = *answer.mutable_resolve_recipient();
    response.set_outcome(v1::ResolveRecipientResponse::OUTCOME_OVER_QUOTA);
    if (request.address() == "alice@example.test" && request.message_bytes() == 5) {
      response.set_outcome(v1::ResolveRecipientResponse::OUTCOME_ALIAS);
      response.add_mailbox_ids(2);
      response.add_mailbox_ids(3);
    }
  } else if (call.has_check_sender()) {
    answer.mutable_check_sender()->set_allowed(call.check_sender().account() == call.check_sender().sender());
  } else if (call.has_deliver()) {
    answer.mutable_deliver()->set_delivery_id("id");
  }
  return {answer};
}

class StoreClientTest : public testing::Test {
 protected:
  StoreClientTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&mailbox_);
    builder.RegisterService(&exchange_);
    exchange_.answer = AnswerTo;
    server_ = builder.BuildAndStart();
    rpc::ChannelOptions options;
    options.target = absl::StrCat("127.0.0.1:", port);
    channel_ = *rpc::StoreChannel::Create(options);
    StoreTimeouts timeouts;
    timeouts.call = absl::Seconds(30);
    client_ = MakeStoreClient(*channel_, 1, timeouts);
    envelope_.delivery_id = "delivery-0000000001";
    envelope_.reverse_path = "a@b.test";
    envelope_.recipients.push_back({"alice@example.test", {2, 3}, "NEVER", "rfc822;x"});
    envelope_.dsn_ret = "HDRS";
    envelope_.dsn_envid = "e";
    envelope_.session_id = "s";
    envelope_.client_address = "192.0.2.1";
  }
  ~StoreClientTest() override { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  template <typename T>
  T Run(asio::awaitable<T> call) {
    auto future = asio::co_spawn(io_, std::move(call), asio::use_future);
    io_.restart();
    io_.run();
    return future.get();
  }

  // A stream of `count` pieces of `size` bytes each, then the end.
  asio::awaitable<absl::Status> Stream(int count, size_t size) {
    const std::unique_ptr<DeliveryStream> stream = client_->StartDelivery(envelope_, io_.get_executor());
    for (int i = 0; i < count; ++i) {
      absl::Status written = co_await stream->Write(std::string(size, 'x'));
      if (!written.ok()) co_return written;
    }
    absl::Status finished = co_await stream->Finish("end");
    co_return finished;
  }

  asio::awaitable<absl::Status> StreamAndVanish() {
    std::unique_ptr<DeliveryStream> stream = client_->StartDelivery(envelope_, io_.get_executor());
    absl::Status written = co_await stream->Write("half");
    co_return written;
  }

  FakeMailboxService mailbox_;
  test::FakeExchange exchange_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<rpc::StoreChannel> channel_;
  std::unique_ptr<StoreClient> client_;
  DeliveryEnvelope envelope_;
  asio::io_context io_;
};

TEST_F(StoreClientTest, ResolvesAndChecks) {
  const absl::StatusOr<Resolution> alias = Run(client_->Resolve({"alice@example.test", 5}));
  ASSERT_TRUE(alias.ok()) << alias.status();
  EXPECT_EQ(alias->outcome, Resolution::Outcome::kAlias);
  EXPECT_EQ(alias->mailbox_ids, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(Run(client_->Resolve({"full@example.test", 0}))->outcome, Resolution::Outcome::kOverQuota);
  EXPECT_TRUE(*Run(client_->MaySend({"a@b.test", "a@b.test"})));
  EXPECT_FALSE(*Run(client_->MaySend({"a@b.test", "c@b.test"})));
}

TEST_F(StoreClientTest, SeveralRecipientsAreOneMessage) {
  exchange_.answer = [](const v1::ExchangeCall& call) {
    if (call.resolve_recipient().address() != "@") return AnswerTo(call);
    return std::vector{test::FakeExchange::Error(FieldError("address", "is none"))};
  };
  const auto resolutions =
      Run(client_->ResolveAll({{"full@example.test", 5}, {"@", 5}, {"alice@example.test", 5}}));
  ASSERT_EQ(resolutions.size(), 3u);
  EXPECT_EQ(resolutions[0]->outcome, Resolution::Outcome::kOverQuota);
  EXPECT_EQ(FieldOf(resolutions[1].status()), "address");
  EXPECT_EQ(resolutions[2]->outcome, Resolution::Outcome::kAlias);
  EXPECT_EQ(resolutions[2]->mailbox_ids, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(exchange_.WaitForCalls(3).size(), 1u);
}

TEST_F(StoreClientTest, ErrorsKeepReasonAndField) {
  exchange_.answer = [](const v1::ExchangeCall& call) {
    return std::vector{test::FakeExchange::Error(
        call.has_deliver() ? WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull)
                           : FieldError("address", "is none"))};
  };
  EXPECT_EQ(FieldOf(Run(client_->Resolve({"@", 0})).status()), "address");
  EXPECT_TRUE(absl::IsInvalidArgument(Run(client_->MaySend({"a@b.test", "@"})).status()));
  const absl::Status full = Run(client_->Deliver(envelope_, "content"));
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(ReasonOf(full), kReasonDiskFull);
}

TEST_F(StoreClientTest, ASmallMessageGoesWithTheSmallCalls) {
  ASSERT_TRUE(Run(client_->Deliver(envelope_, "content")).ok());
  const auto requests = exchange_.WaitForCalls(1);
  ASSERT_EQ(requests.size(), 1u);
  ASSERT_TRUE(requests[0].calls(0).has_deliver());
  const v1::DeliverRequest& request = requests[0].calls(0).deliver();
  EXPECT_TRUE(request.last());
  EXPECT_EQ(request.content(), "content");
  EXPECT_EQ(request.envelope().delivery_id(), envelope_.delivery_id);
  EXPECT_EQ(request.envelope().reverse_path(), "a@b.test");
  EXPECT_EQ(request.envelope().dsn_ret(), "HDRS");
  EXPECT_EQ(request.envelope().dsn_envid(), "e");
  EXPECT_EQ(request.envelope().session_id(), "s");
  EXPECT_EQ(request.envelope().client_address(), "192.0.2.1");
  ASSERT_EQ(request.envelope().recipients_size(), 1);
  EXPECT_EQ(request.envelope().recipients(0).address(), "alice@example.test");
  EXPECT_EQ(request.envelope().recipients(0).mailbox_ids_size(), 2);
  EXPECT_EQ(request.envelope().recipients(0).dsn_notify(), "NEVER");
  EXPECT_EQ(request.envelope().recipients(0).dsn_orcpt(), "rfc822;x");
}

TEST_F(StoreClientTest, AMessageThatIsTooLargeForThemHasACallOfItsOwn) {
  const std::string at_limit(65'536, 'x');
  const std::string over_limit(65'537, 'y');
  ASSERT_TRUE(Run(client_->Deliver(envelope_, at_limit)).ok());
  ASSERT_TRUE(Run(client_->Deliver(envelope_, over_limit)).ok());
  const auto requests = exchange_.WaitForCalls(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].calls(0).deliver().content(), at_limit);
  const auto messages = mailbox_.Wait(1);
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].size(), 1u);
  EXPECT_TRUE(messages[0][0].last());
  EXPECT_EQ(messages[0][0].content(), over_limit);
  EXPECT_EQ(messages[0][0].envelope().delivery_id(), envelope_.delivery_id);
}

TEST_F(StoreClientTest, ALargeMessageIsStreamed) {
  ASSERT_TRUE(Run(Stream(20, 65'536)).ok());
  const auto messages = mailbox_.Wait(1);
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].size(), 21u);
  EXPECT_EQ(messages[0][0].envelope().delivery_id(), envelope_.delivery_id);
  EXPECT_FALSE(messages[0][1].has_envelope());
  EXPECT_FALSE(messages[0][19].last());
  EXPECT_TRUE(messages[0][20].last());
  EXPECT_EQ(messages[0][20].content(), "end");
}

TEST_F(StoreClientTest, AVanishedClientEndsTheCallWithoutLast) {
  ASSERT_TRUE(Run(StreamAndVanish()).ok());
  const auto messages = mailbox_.Wait(1);
  ASSERT_EQ(messages.size(), 1u);
  for (const v1::DeliverRequest& request : messages[0]) EXPECT_FALSE(request.last());
}

TEST_F(StoreClientTest, KeepsTheReasonOfARefusalMidway) {
  mailbox_.refuse_at = 2;
  const absl::Status status = Run(Stream(50, 65'536));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonDiskFull);
}

TEST_F(StoreClientTest, AStoreThatDoesNotReadIsNotWaitedForLong) {
  mailbox_.hang = true;
  exchange_.answer = [](const v1::ExchangeCall&) { return std::vector<v1::ExchangeAnswer>(); };
  StoreTimeouts timeouts;
  timeouts.call = absl::Milliseconds(200);
  client_ = MakeStoreClient(*channel_, 1, timeouts);
  const absl::Status status = Run(Stream(200, 65'536));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  for (const size_t size : {7, 100'000}) {
    const absl::Status whole = Run(client_->Deliver(envelope_, std::string(size, 'x')));
    EXPECT_TRUE(absl::IsDeadlineExceeded(whole)) << whole;
  }
}

TEST_F(StoreClientTest, AStoreThatIsAwayIsUnavailable) {
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  EXPECT_TRUE(absl::IsUnavailable(Run(client_->Resolve({"alice@example.test", 0})).status()));
  EXPECT_TRUE(absl::IsUnavailable(Run(client_->Deliver(envelope_, "content"))));
  EXPECT_TRUE(absl::IsUnavailable(Run(client_->Deliver(envelope_, std::string(100'000, 'x')))));
}

}  // namespace
}  // namespace mailstead::smtp
