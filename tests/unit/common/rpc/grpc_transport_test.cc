#include "common/rpc/grpc_transport.h"

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/reason.h"
#include "common/rpc/channel.h"
#include "common/store/limits.h"
#include "tests/unit/common/rpc/test_store.h"

namespace mailstead::rpc {
namespace {

constexpr char kGetStatus[] = "mailstead.store.v1.AdminService/GetStatus";
constexpr char kFetch[] = "mailstead.frontend.v1.MaildropService/FetchMessage";
constexpr char kDeliver[] = "mailstead.frontend.v1.DeliveryService/Deliver";
constexpr char kRenewLease[] = "mailstead.frontend.v1.LeaseService/RenewLease";
constexpr char kAuthenticate[] = "mailstead.frontend.v1.AuthService/Authenticate";

class GrpcTransportTest : public testing::Test {
 protected:
  // Runs a coroutine to its end on this thread.
  template <typename T>
  T Run(asio::awaitable<T> task) {
    io_.restart();
    auto guard = asio::make_work_guard(io_);
    std::optional<T> result;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result = std::move(value);
      guard.reset();
    });
    io_.run();
    return *std::move(result);
  }
  absl::Status Call(const char* method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) {
    return Run(transport_->Call(method, request, response, {.timeout = absl::Seconds(60)}));
  }
  std::unique_ptr<CallStream> Open(const char* method) {
    return transport_->Open(method, {.timeout = absl::Seconds(60), .session_id = "session"});
  }

  TestStore store_;
  // Outlives the channel, whose thread may be about to wake who waits here.
  asio::io_context io_;
  std::unique_ptr<StoreChannel> channel_ = *StoreChannel::Create({.target = store_.address()});
  std::unique_ptr<GrpcTransport> transport_ = std::make_unique<GrpcTransport>(*channel_);
};

// ---- One request, one response

TEST_F(GrpcTransportTest, AMethodOfAnotherPackageHasACallOfItsOwn) {
  store::v1::GetStatusResponse response;
  const absl::Status status = Call(kGetStatus, store::v1::GetStatusRequest(), response);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.version(), "9.9.9");
  EXPECT_EQ(store_.batch.stream_count(), 0);
}

TEST_F(GrpcTransportTest, ACallSaysWhichRevisionItSpeaks) {
  transport_ = std::make_unique<GrpcTransport>(*channel_, GrpcTransport::Options{.revision = 7});
  store::v1::GetStatusResponse response;
  ASSERT_TRUE(Call(kGetStatus, store::v1::GetStatusRequest(), response).ok());
  EXPECT_EQ(store_.admin.revision, "7");
}

TEST_F(GrpcTransportTest, AnErrorKeepsReasonAndField) {
  store_.admin.end = ToGrpc(WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull));
  store::v1::GetStatusResponse response;
  absl::Status status = Call(kGetStatus, store::v1::GetStatusRequest(), response);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonDiskFull);
  store_.admin.end = ToGrpc(FieldError("name", "must be set"));
  status = Call(kGetStatus, store::v1::GetStatusRequest(), response);
  EXPECT_EQ(FieldOf(status), "name");
}

TEST_F(GrpcTransportTest, ACallThatTheStoreCutsOffIsOneThatIsTriedAgain) {
  store_.admin.end = grpc::Status(grpc::CANCELLED, "");
  store::v1::GetStatusResponse response;
  const absl::Status status = Call(kGetStatus, store::v1::GetStatusRequest(), response);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_FALSE(WasNotSent(status));
}

TEST_F(GrpcTransportTest, AMethodThatIsNotThere) {
  store::v1::GetStatusResponse response;
  EXPECT_TRUE(absl::IsUnimplemented(
      Call("mailstead.store.v1.AdminService/Nothing", store::v1::GetStatusRequest(), response)));
}

TEST_F(GrpcTransportTest, WhatIsTooLargeForABatchHasACallOfItsOwn) {
  store_.batch.answer = [](const v1::Call&) {
    v1::DeliverResponse response;
    response.set_outcome(store::v1::DELIVER_OUTCOME_ALREADY_STORED);
    test::FakeBatch::Answer answer;
    answer.set_response(response.SerializeAsString());
    return std::vector{answer};
  };
  v1::DeliverRequest request;
  request.mutable_end();
  // All of the request: the content and some bytes around it.
  request.set_content(std::string(store::kMaxBatchedRequestBytes - 6, 'x'));
  ASSERT_EQ(request.ByteSizeLong(), store::kMaxBatchedRequestBytes);
  v1::DeliverResponse response;
  ASSERT_TRUE(Call(kDeliver, request, response).ok());
  EXPECT_EQ(response.outcome(), store::v1::DELIVER_OUTCOME_ALREADY_STORED);
  EXPECT_EQ(store_.delivery.content, "");

  request.mutable_content()->push_back('x');
  const absl::Status status = Call(kDeliver, request, response);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.outcome(), store::v1::DELIVER_OUTCOME_STORED);
  EXPECT_EQ(store_.delivery.content.size(), request.content().size());
  EXPECT_EQ(store_.batch.stream_count(), 1);
}

TEST_F(GrpcTransportTest, ACallApartSharesNeitherMessageNorConnection) {
  v1::RenewLeaseRequest request;
  v1::RenewLeaseResponse response;
  CallOptions options{.timeout = absl::Seconds(60), .apart = true};
  ASSERT_TRUE(Run(transport_->Call(kRenewLease, request, response, options)).ok());
  EXPECT_EQ(store_.lease.renewals, 1);
  EXPECT_EQ(store_.batch.stream_count(), 0);
  const auto channel = *StoreChannel::Create({.target = store_.address(), .connections = 3});
  for (int i = 0; i < 6; ++i) EXPECT_NE(channel->Next(), channel->Apart());
}

asio::awaitable<std::vector<absl::Status>> DeliverBoth(GrpcTransport* transport,
                                                       const v1::DeliverRequest* small,
                                                       const v1::DeliverRequest* large) {
  v1::DeliverResponse responses[2];
  std::vector<OneOfMany> calls = {{small, &responses[0]}, {large, &responses[1]}};
  CallOptions options{.timeout = absl::Seconds(60)};
  co_return co_await transport->CallAll(kDeliver, std::move(calls), options);
}

TEST_F(GrpcTransportTest, AnErrorOfOneCallReachesNoOther) {
  store_.batch.answer = [](const v1::Call&) {
    test::FakeBatch::Answer answer;
    answer.set_response(v1::DeliverResponse().SerializeAsString());
    return std::vector{answer};
  };
  store_.delivery.end = grpc::Status(grpc::RESOURCE_EXHAUSTED, "full");
  v1::DeliverRequest small;
  small.mutable_end();
  v1::DeliverRequest large = small;
  large.set_content(std::string(store::kMaxBatchedRequestBytes, 'x'));
  const std::vector<absl::Status> ends = Run(DeliverBoth(transport_.get(), &small, &large));
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_TRUE(ends[0].ok()) << ends[0];
  EXPECT_EQ(ends[1], absl::ResourceExhaustedError("full"));
}

TEST_F(GrpcTransportTest, AStoreThatIsAwayIsUnavailable) {
  store_.Stop();
  store::v1::GetStatusResponse response;
  EXPECT_TRUE(absl::IsUnavailable(Call(kGetStatus, store::v1::GetStatusRequest(), response)));
}

// ---- Several responses

using Pieces = absl::StatusOr<std::vector<std::string>>;

asio::awaitable<Pieces> ReadSome(CallStream* stream, size_t count) {
  const v1::FetchMessageRequest request;
  (void)co_await stream->Write(request, /*last=*/true);
  std::vector<std::string> pieces;
  while (pieces.size() < count) {
    v1::FetchMessageResponse response;
    const absl::StatusOr<bool> more = co_await stream->Read(response);
    if (!more.ok()) co_return more.status();
    if (!*more) break;
    pieces.push_back(response.content());
  }
  co_return pieces;
}

TEST_F(GrpcTransportTest, AStreamGivesEveryMessageInOrder) {
  store_.maildrop.responses = 1000;
  const auto stream = Open(kFetch);
  const Pieces pieces = Run(ReadSome(stream.get(), 2000));
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  ASSERT_EQ(pieces->size(), 1000u);
  EXPECT_EQ(pieces->back(), "piece 999");
}

TEST_F(GrpcTransportTest, AStreamEndsWithTheStoresError) {
  store_.maildrop.responses = 2;
  store_.maildrop.end = grpc::Status(grpc::DATA_LOSS, "chunk 2 is missing");
  const auto stream = Open(kFetch);
  EXPECT_EQ(Run(ReadSome(stream.get(), 2000)).status(), absl::DataLossError("chunk 2 is missing"));
  // It stays so.
  v1::FetchMessageResponse response;
  EXPECT_EQ(Run(stream->Read(response)).status(), absl::DataLossError("chunk 2 is missing"));
}

TEST_F(GrpcTransportTest, LeavingAStreamCancelsTheCall) {
  store_.maildrop.responses = 1'000'000;
  auto stream = Open(kFetch);
  const Pieces pieces = Run(ReadSome(stream.get(), 1));
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_EQ(pieces->front(), "piece 0");
  stream.reset();
  // The server has a million messages to send; it stops because the call is cancelled, long before the deadline.
  EXPECT_TRUE(store_.maildrop.cancelled.WaitForNotificationWithTimeout(absl::Seconds(30)));
}

asio::awaitable<absl::StatusOr<bool>> CancelAndRead(CallStream* stream) {
  stream->Cancel();
  absl::StatusOr<bool> more = true;
  v1::FetchMessageResponse response;
  while (more.ok() && *more) more = co_await stream->Read(response);
  co_return more;
}

TEST_F(GrpcTransportTest, ACancelledStreamSaysSo) {
  store_.maildrop.responses = 1'000'000;
  const auto stream = Open(kFetch);
  ASSERT_TRUE(Run(ReadSome(stream.get(), 1)).ok());
  EXPECT_TRUE(absl::IsCancelled(Run(CancelAndRead(stream.get())).status()));
}

// ---- Several requests

v1::DeliverRequest Piece(absl::string_view content, bool last) {
  v1::DeliverRequest request;
  request.set_content(std::string(content));
  if (last) request.mutable_end();
  return request;
}

asio::awaitable<absl::StatusOr<v1::DeliverResponse>> Deliver(CallStream* stream, int pieces) {
  for (int i = 0; i < pieces; ++i) {
    const v1::DeliverRequest piece = Piece(i + 1 < pieces ? "abc" : "d", i + 1 == pieces);
    const absl::Status written = co_await stream->Write(piece, i + 1 == pieces);
    if (!written.ok()) break;
  }
  v1::DeliverResponse response;
  absl::StatusOr<bool> more = co_await stream->Read(response);
  if (more.ok() && *more) {
    v1::DeliverResponse nothing;
    more = co_await stream->Read(nothing);
  }
  if (!more.ok()) co_return more.status();
  co_return response;
}

TEST_F(GrpcTransportTest, SeveralRequests) {
  const auto stream = Open(kDeliver);
  const auto response = Run(Deliver(stream.get(), 3));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->outcome(), store::v1::DELIVER_OUTCOME_STORED);
  EXPECT_EQ(store_.delivery.content, "abcabcd");
  EXPECT_EQ(store_.delivery.session_id, "session");
}

TEST_F(GrpcTransportTest, OneRequestOfAStream) {
  const auto stream = Open(kDeliver);
  const auto response = Run(Deliver(stream.get(), 1));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(store_.delivery.content, "d");
}

TEST_F(GrpcTransportTest, AStreamTellsWhyItEnded) {
  store_.delivery.end = grpc::Status(grpc::RESOURCE_EXHAUSTED, "full");
  const auto stream = Open(kDeliver);
  EXPECT_EQ(Run(Deliver(stream.get(), 3)).status(), absl::ResourceExhaustedError("full"));
}

TEST_F(GrpcTransportTest, AStreamToAStoreThatIsAwayIsUnavailable) {
  store_.Stop();
  const auto stream = Open(kDeliver);
  EXPECT_TRUE(absl::IsUnavailable(Run(Deliver(stream.get(), 1)).status()));
}

asio::awaitable<absl::Status> WriteOne(CallStream* stream) {
  const v1::DeliverRequest piece = Piece("abc", false);
  co_return co_await stream->Write(piece, /*last=*/false);
}

TEST_F(GrpcTransportTest, LeavingAStreamDropsWhatCame) {
  auto stream = Open(kDeliver);
  EXPECT_TRUE(Run(WriteOne(stream.get())).ok());
  // Else the store may never hear of the call.
  while (!store_.delivery.begun) absl::SleepFor(absl::Milliseconds(1));
  stream.reset();
  // Waits until gRPC is done with the call.
  transport_.reset();
  channel_.reset();
  store_.Stop();
  EXPECT_EQ(store_.delivery.last_status.error_code(), grpc::StatusCode::ABORTED);
}

// ---- As bytes

asio::awaitable<absl::StatusOr<std::vector<std::string>>> ReadAll(ByteStream* stream) {
  std::vector<std::string> responses;
  while (true) {
    const auto next = co_await stream->Read();
    if (!next.ok()) co_return next.status();
    if (!next->has_value()) co_return responses;
    responses.push_back(**next);
  }
}

asio::awaitable<bool> WriteBytes(ByteStream* stream, std::vector<v1::DeliverRequest> requests, bool last) {
  bool written = true;
  for (size_t i = 0; i < requests.size() && written; ++i) {
    written = co_await stream->Write(requests[i].SerializeAsString(), last && i + 1 == requests.size());
  }
  co_return written;
}

asio::awaitable<bool> EndBytes(ByteStream* stream) { co_return co_await stream->WritesDone(); }

TEST_F(GrpcTransportTest, SeveralRequestsOfBytes) {
  const auto stream =
      transport_->OpenBytes(kDeliver, {.timeout = absl::Seconds(60), .session_id = "session"});
  ASSERT_TRUE(Run(WriteBytes(stream.get(), {Piece("abc", false), Piece("d", true)}, /*last=*/true)));
  const auto responses = Run(ReadAll(stream.get()));
  ASSERT_TRUE(responses.ok()) << responses.status();
  ASSERT_EQ(responses->size(), 1u);
  v1::DeliverResponse response;
  ASSERT_TRUE(response.ParseFromString(responses->front()));
  EXPECT_EQ(response.outcome(), store::v1::DELIVER_OUTCOME_STORED);
  EXPECT_EQ(store_.delivery.content, "abcd");
  EXPECT_EQ(store_.delivery.session_id, "session");
  EXPECT_FALSE(Run(WriteBytes(stream.get(), {Piece("e", true)}, true))) << "it has ended";
}

// Reads from the begin, and writes meanwhile.
asio::awaitable<absl::StatusOr<std::vector<std::string>>> Converse(ByteStream* stream, asio::io_context* io) {
  std::optional<absl::StatusOr<std::vector<std::string>>> read;
  const auto done = [&read](std::exception_ptr, absl::StatusOr<std::vector<std::string>> all) {
    read = std::move(all);
  };
  asio::co_spawn(*io, ReadAll(stream), done);
  const v1::DeliverRequest first = Piece("abc", false);
  const v1::DeliverRequest last = Piece("d", true);
  EXPECT_TRUE(co_await stream->Write(first.SerializeAsString(), /*last=*/false));
  EXPECT_TRUE(co_await stream->Write(last.SerializeAsString(), /*last=*/false));
  EXPECT_FALSE(read.has_value());
  EXPECT_TRUE(co_await stream->WritesDone());
  while (!read.has_value()) co_await asio::post(*io, asio::use_awaitable);
  co_return *std::move(read);
}

TEST_F(GrpcTransportTest, AStreamOfBytesIsReadWhileItIsWritten) {
  const auto stream = transport_->OpenBytes(kDeliver, {.timeout = absl::Seconds(60)});
  const auto read = Run(Converse(stream.get(), &io_));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 1u);
  EXPECT_EQ(store_.delivery.content, "abcd");
}

TEST_F(GrpcTransportTest, AStreamOfBytesEndsWithoutAnyRequest) {
  const auto stream = transport_->OpenBytes(kDeliver, {.timeout = absl::Seconds(60)});
  ASSERT_TRUE(Run(EndBytes(stream.get())));
  EXPECT_TRUE(absl::IsAborted(Run(ReadAll(stream.get())).status()));
}

TEST_F(GrpcTransportTest, AStreamOfBytesTellsWhyItEndedBeforeItWasWritten) {
  store_.delivery.end = grpc::Status(grpc::RESOURCE_EXHAUSTED, "full");
  const auto stream = transport_->OpenBytes(kDeliver, {.timeout = absl::Seconds(60)});
  ASSERT_TRUE(Run(WriteBytes(stream.get(), {Piece("abc", false)}, /*last=*/false)));
  EXPECT_EQ(Run(ReadAll(stream.get())).status(), absl::ResourceExhaustedError("full"));
  EXPECT_FALSE(Run(WriteBytes(stream.get(), {Piece("d", true)}, true)));
  EXPECT_FALSE(Run(EndBytes(stream.get())));
}

TEST_F(GrpcTransportTest, AStreamOfBytesThatIsLeftInBothDirections) {
  auto stream = transport_->OpenBytes(kDeliver, {.timeout = absl::Seconds(60)});
  ASSERT_TRUE(Run(WriteBytes(stream.get(), {Piece("abc", false)}, /*last=*/false)));
  while (!store_.delivery.begun) absl::SleepFor(absl::Milliseconds(1));
  stream.reset();
  transport_.reset();
  channel_.reset();
  store_.Stop();
  EXPECT_EQ(store_.delivery.last_status.error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(GrpcTransportTest, CallsThatNeverBeganLeaveNothing) {
  transport_->OpenBytes(kDeliver, {});
  Open(kFetch);
  Open(kDeliver);
  transport_.reset();
  const absl::Time begin = absl::Now();
  channel_.reset();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
}

// ---- Both

asio::awaitable<absl::StatusOr<v1::Verdict>> LogIn(CallStream* stream, std::string mechanism,
                                                   std::string answer) {
  v1::AuthenticateRequest request;
  request.mutable_start()->set_mechanism(mechanism);
  v1::AuthenticateResponse response;
  while (!response.has_verdict()) {
    (void)co_await stream->Write(request, /*last=*/false);
    const absl::StatusOr<bool> more = co_await stream->Read(response);
    if (!more.ok()) co_return more.status();
    request.set_response(answer);
  }
  co_return response.verdict();
}

TEST_F(GrpcTransportTest, ADialogHasItsTurns) {
  const auto right = Open(kAuthenticate);
  const auto verdict = Run(LogIn(right.get(), "LOGIN", "right"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->result(), v1::Verdict::RESULT_OK);
  EXPECT_EQ(verdict->address(), "demo@example.test");
  EXPECT_EQ(verdict->account_id(), 7);
  const auto wrong = Open(kAuthenticate);
  EXPECT_EQ(Run(LogIn(wrong.get(), "LOGIN", "wrong"))->result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(store_.batch.stream_count(), 0);
  const auto broken = Open(kAuthenticate);
  EXPECT_EQ(Run(LogIn(broken.get(), "BROKEN", "")).status(), absl::UnavailableError("disk"));
}

// The answer to a request can overtake the word that the request is sent.
TEST_F(GrpcTransportTest, ADialogOfManyTurns) {
  const auto stream = Open(kAuthenticate);
  const auto verdict = Run(LogIn(stream.get(), "MANY", "right"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->result(), v1::Verdict::RESULT_OK);
}

}  // namespace
}  // namespace mailstead::rpc
