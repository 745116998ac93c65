#include "common/rpc/await.h"

#include <gmock/gmock.h>

#include <optional>
#include <thread>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/rpc/auth_exchange.h"
#include "common/rpc/channel.h"
#include "common/rpc/exchange.h"
#include "tests/unit/common/rpc/test_store.h"

namespace mailstead::rpc {
namespace {

using FetchStream = ServerStream<v1::FetchMessageResponse>;
using DeliverStream = ClientStream<v1::DeliverRequest, v1::DeliverResponse>;

class Await : public testing::Test {
 protected:
  Await() : channel_(*StoreChannel::Create({.target = store_.address()})) {
    stub_ = v1::MailboxService::NewStub(channel_->Next());
  }

  // Runs a coroutine to its end on this thread.
  template <typename T>
  T Run(asio::awaitable<T> task) {
    asio::io_context io;
    auto guard = asio::make_work_guard(io);
    std::optional<T> result;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result = std::move(value);
      guard.reset();
    });
    io.run();
    return *std::move(result);
  }

  std::unique_ptr<FetchStream> Fetch() {
    const v1::FetchMessageRequest request;
    return std::make_unique<FetchStream>([&](grpc::ClientContext* context) {
      channel_->Prepare(*context, absl::Seconds(60));
      return stub_->PrepareAsyncFetchMessage(context, request, channel_->queue());
    });
  }
  std::unique_ptr<DeliverStream> Deliver() {
    return std::make_unique<DeliverStream>(
        [this](grpc::ClientContext* context, v1::DeliverResponse* response) {
          channel_->Prepare(*context, absl::Seconds(60));
          return stub_->PrepareAsyncDeliver(context, response, channel_->queue());
        });
  }

  TestStore store_;
  std::unique_ptr<StoreChannel> channel_;
  std::unique_ptr<v1::MailboxService::Stub> stub_;
};

asio::awaitable<absl::StatusOr<std::vector<std::string>>> ReadAll(FetchStream* stream) {
  std::vector<std::string> pieces;
  for (;;) {
    v1::FetchMessageResponse response;
    absl::StatusOr<bool> more = co_await stream->Read(response);
    if (!more.ok()) co_return more.status();
    if (!*more) co_return pieces;
    pieces.push_back(response.content());
  }
}

TEST_F(Await, ServerStreamGivesEveryMessageInOrder) {
  store_.mailbox.responses = 1000;
  const auto stream = Fetch();
  const auto pieces = Run(ReadAll(stream.get()));
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  ASSERT_EQ(pieces->size(), 1000u);
  EXPECT_EQ(pieces->back(), "piece 999");
}

TEST_F(Await, ServerStreamEndsWithTheStoresError) {
  store_.mailbox.responses = 2;
  store_.mailbox.end = grpc::Status(grpc::DATA_LOSS, "chunk 2 is missing");
  const auto stream = Fetch();
  const auto pieces = Run(ReadAll(stream.get()));
  EXPECT_EQ(pieces.status(), absl::DataLossError("chunk 2 is missing"));
}

asio::awaitable<absl::StatusOr<std::string>> ReadOne(FetchStream* stream) {
  v1::FetchMessageResponse response;
  absl::StatusOr<bool> more = co_await stream->Read(response);
  if (!more.ok()) co_return more.status();
  co_return response.content();
}

TEST_F(Await, LeavingAServerStreamCancelsTheCall) {
  store_.mailbox.responses = 1'000'000;
  auto stream = Fetch();
  EXPECT_EQ(*Run(ReadOne(stream.get())), "piece 0");
  stream.reset();
  // The server has a million messages to send; it stops because the call is cancelled, long before the
  // deadline.
  EXPECT_TRUE(store_.mailbox.cancelled.WaitForNotificationWithTimeout(absl::Seconds(30)));
}

v1::DeliverRequest Piece(absl::string_view content, bool last) {
  v1::DeliverRequest request;
  request.set_content(std::string(content));
  request.set_last(last);
  return request;
}

asio::awaitable<absl::StatusOr<v1::DeliverResponse>> DeliverInThree(DeliverStream* stream) {
  for (int i = 0; i < 2; ++i) {
    const bool written = co_await stream->Write(Piece("abc", false));
    if (!written) co_return co_await stream->Finish();
  }
  co_return co_await stream->WriteLastAndFinish(Piece("d", true));
}

TEST_F(Await, ClientStreamOfSeveralMessages) {
  const auto stream = Deliver();
  const auto response = Run(DeliverInThree(stream.get()));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->delivery_id(), "id");
  EXPECT_EQ(store_.mailbox.content, "abcabcd");
}

TEST_F(Await, ClientStreamOfOneMessage) {
  const auto stream = Deliver();
  const auto response = Run(stream->WriteLastAndFinish(Piece("all", true)));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(store_.mailbox.content, "all");
}

TEST_F(Await, ClientStreamTellsWhyItEnded) {
  store_.mailbox.end = grpc::Status(grpc::RESOURCE_EXHAUSTED, "full");
  const auto stream = Deliver();
  const auto response = Run(DeliverInThree(stream.get()));
  EXPECT_EQ(response.status(), absl::ResourceExhaustedError("full"));
}

TEST_F(Await, StoreAwayIsUnavailable) {
  store_.Stop();
  const auto stream = Deliver();
  const auto response = Run(stream->WriteLastAndFinish(Piece("all", true)));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
}

asio::awaitable<bool> WriteOne(DeliverStream* stream) {
  co_return co_await stream->Write(Piece("abc", false));
}

TEST_F(Await, LeavingAClientStreamDropsWhatCame) {
  auto stream = Deliver();
  EXPECT_TRUE(Run(WriteOne(stream.get())));
  stream.reset();
  // Waits until gRPC is done with the call.
  stub_.reset();
  channel_.reset();
  store_.Stop();
  EXPECT_EQ(store_.mailbox.last_status.error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(Await, CallsThatNeverBeganLeaveNothing) {
  Fetch();
  Deliver();
  stub_.reset();
  const absl::Time begin = absl::Now();
  channel_.reset();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
}

asio::awaitable<absl::StatusOr<AuthStep>> Login(StoreChannel* channel, Exchange* calls, AuthStart start,
                                                std::string answer) {
  AuthExchange exchange(*channel, *calls, absl::Seconds(10));
  absl::StatusOr<AuthStep> step = co_await exchange.Begin(std::move(start));
  while (step.ok() && step->kind == AuthStep::Kind::kChallenge) step = co_await exchange.Respond(answer);
  co_return step;
}

class AuthExchangeTest : public Await {
 protected:
  absl::StatusOr<AuthStep> LogIn(AuthStart start, std::string answer) {
    return Run(Login(channel_.get(), &calls_, std::move(start), std::move(answer)));
  }
  Exchange calls_{*channel_, 1};
};

TEST_F(AuthExchangeTest, BringsTheVerdict) {
  const auto step = LogIn({.mechanism = "PLAIN"}, "right");
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->kind, AuthStep::Kind::kOk);
  EXPECT_EQ(step->address, "demo@example.test");
  EXPECT_EQ(step->mailbox_id, 7u);
  EXPECT_EQ(LogIn({.mechanism = "PLAIN"}, "wrong")->kind, AuthStep::Kind::kInvalidCredentials);
  EXPECT_EQ(store_.exchange.stream_count(), 0);
}

TEST_F(AuthExchangeTest, TellsTroubleFromRefusal) {
  EXPECT_EQ(LogIn({.mechanism = "BROKEN"}, "").status(), absl::UnavailableError("disk"));
}

// The answer to a request can overtake the word that the request is sent.
TEST_F(AuthExchangeTest, SendsOneResponseAtATime) {
  const auto step = LogIn({.mechanism = "MANY"}, "right");
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->kind, AuthStep::Kind::kOk);
}

TEST_F(AuthExchangeTest, PlainWithItsResponseGoesWithTheSmallCalls) {
  v1::Verdict verdict;
  v1::AuthenticateStart seen;
  absl::Status failure;
  store_.exchange.answer = [&](const v1::ExchangeCall& call) {
    seen = call.authenticate();
    if (!failure.ok()) return std::vector{test::FakeExchange::Error(failure)};
    v1::ExchangeAnswer answer;
    *answer.mutable_authenticate() = verdict;
    return std::vector{answer};
  };
  verdict.set_result(v1::Verdict::RESULT_OK);
  verdict.set_address("demo@example.test");
  verdict.set_mailbox_id(9);
  const AuthStart start{.mechanism = "PLAIN",
                        .initial_response = PlainInitialResponse("demo@example.test", "secret"),
                        .client_address = "192.0.2.1",
                        .service = "pop",
                        .session_id = "session",
                        .tls_exporter = "exporter"};
  const auto step = LogIn(start, "");
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->kind, AuthStep::Kind::kOk);
  EXPECT_EQ(step->address, "demo@example.test");
  EXPECT_EQ(step->mailbox_id, 9u);
  EXPECT_EQ(seen.mechanism(), "PLAIN");
  EXPECT_EQ(seen.initial_response(), *start.initial_response);
  EXPECT_EQ(seen.client_address(), "192.0.2.1");
  EXPECT_EQ(seen.service(), "pop");
  EXPECT_EQ(seen.session_id(), "session");
  EXPECT_EQ(seen.tls_exporter(), "exporter");

  using Kind = AuthStep::Kind;
  for (const auto& [result, kind] :
       {std::pair(v1::Verdict::RESULT_INVALID_CREDENTIALS, Kind::kInvalidCredentials),
        std::pair(v1::Verdict::RESULT_DISABLED, Kind::kDisabled),
        std::pair(v1::Verdict::RESULT_MALFORMED, Kind::kMalformed)}) {
    verdict.set_result(result);
    EXPECT_EQ(LogIn(start, "")->kind, kind);
  }
  // A verdict of a newer store is no refusal.
  verdict.set_result(v1::Verdict::RESULT_UNSPECIFIED);
  EXPECT_TRUE(absl::IsUnavailable(LogIn(start, "").status()));
  failure = absl::UnavailableError("disk");
  EXPECT_EQ(LogIn(start, "").status(), failure);
}

TEST(PlainInitialResponse, HasTheFormOfRfc4616) {
  EXPECT_EQ(PlainInitialResponse("tim", "tan staaf tan"), std::string("\0tim\0tan staaf tan", 18));
}

}  // namespace
}  // namespace mailstead::rpc
