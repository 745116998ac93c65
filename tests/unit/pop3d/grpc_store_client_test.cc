#include "pop3d/grpc_store_client.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"

namespace mailstead::pop3 {
namespace {

namespace v1 = ::mailstead::store::v1;
using testing::ElementsAre;

// A mailbox service that answers from a script and remembers what it was asked. One call at a time.
class ScriptedMailbox : public v1::MailboxService::Service {
 public:
  std::vector<v1::OpenMaildropResponse> open_responses;
  std::vector<std::string> pieces;
  absl::Status end;

  v1::OpenMaildropRequest open;
  v1::CommitMaildropRequest commit;
  std::vector<v1::ReleaseMaildropRequest> releases;
  v1::RenewLeaseRequest renewal;
  std::string ended_lease;
  v1::FetchMessageRequest fetch;
  std::chrono::system_clock::time_point renewal_deadline;

  grpc::Status OpenMaildrop(grpc::ServerContext*, const v1::OpenMaildropRequest* request,
                            grpc::ServerWriter<v1::OpenMaildropResponse>* writer) override {
    open = *request;
    for (const v1::OpenMaildropResponse& response : open_responses) writer->Write(response);
    return rpc::ToGrpc(end);
  }
  grpc::Status CommitMaildrop(grpc::ServerContext*, const v1::CommitMaildropRequest* request,
                              v1::CommitMaildropResponse*) override {
    commit = *request;
    return rpc::ToGrpc(end);
  }
  grpc::Status ReleaseMaildrop(grpc::ServerContext*, const v1::ReleaseMaildropRequest* request,
                               v1::ReleaseMaildropResponse*) override {
    releases.push_back(*request);
    return grpc::Status::OK;
  }
  grpc::Status RenewLease(grpc::ServerContext* context, const v1::RenewLeaseRequest* request,
                          v1::RenewLeaseResponse*) override {
    renewal = *request;
    renewal_deadline = context->deadline();
    return rpc::ToGrpc(end);
  }
  grpc::Status EndLease(grpc::ServerContext*, const v1::EndLeaseRequest* request,
                        v1::EndLeaseResponse*) override {
    ended_lease = request->lease_id();
    return rpc::ToGrpc(end);
  }
  grpc::Status FetchMessage(grpc::ServerContext*, const v1::FetchMessageRequest* request,
                            grpc::ServerWriter<v1::FetchMessageResponse>* writer) override {
    fetch = *request;
    for (const std::string& piece : pieces) {
      v1::FetchMessageResponse response;
      response.set_content(piece);
      writer->Write(response);
    }
    return rpc::ToGrpc(end);
  }
};

class GrpcStoreClientTest : public testing::Test {
 protected:
  GrpcStoreClientTest() {
    const std::string address = absl::StrCat("unix:/tmp/mailstead-pop3d-test-", RandomId(12));
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&mailbox_);
    server_ = builder.BuildAndStart();
    channel_ = *rpc::StoreChannel::Create({.target = address});
    store_ = NewGrpcStoreClient(*channel_, absl::Seconds(10));
  }
  ~GrpcStoreClientTest() override { server_->Shutdown(); }

  template <typename T>
  T Get(asio::awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr, T value) { result = std::move(value); });
    // The answer comes from a thread of gRPC's, so the loop has to be kept alive until then.
    const auto guard = asio::make_work_guard(io_);
    io_.restart();
    while (!result.has_value()) io_.run_one();
    return *std::move(result);
  }
  void AddResponse(uint64_t token, int first, int last) {
    v1::OpenMaildropResponse response;
    response.set_token(token);
    for (int i = first; i <= last; ++i) {
      v1::MessageSummary& message = *response.add_messages();
      message.set_message_id(100 + i);
      message.set_unique_id(absl::StrCat("u", i));
      message.set_size_bytes(10 * i);
    }
    mailbox_.open_responses.push_back(response);
  }
  // All of a message, or the error.
  absl::StatusOr<std::vector<std::string>> Fetch() {
    const std::unique_ptr<MessageStream> stream = store_->FetchMessage(7, 101, absl::Seconds(10));
    std::vector<std::string> pieces;
    while (true) {
      std::string piece;
      const absl::StatusOr<bool> more = Get(stream->Read(piece));
      if (!more.ok()) return more.status();
      if (!*more) return pieces;
      pieces.push_back(piece);
    }
  }

  ScriptedMailbox mailbox_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<rpc::StoreChannel> channel_;
  std::unique_ptr<StoreClient> store_;
  asio::io_context io_;
};

TEST_F(GrpcStoreClientTest, OpensAListingOfSeveralParts) {
  AddResponse(42, 1, 3);
  AddResponse(0, 4, 5);
  const auto opened = Get(store_->OpenMaildrop({.mailbox_id = 7,
                                                .lease_id = "lease",
                                                .min_interval = absl::Milliseconds(1500),
                                                .session_id = "session"}));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->token, 42u);
  EXPECT_EQ(opened->maildrop.count(), 5u);
  EXPECT_EQ(opened->maildrop.kept_bytes(), 150u);
  EXPECT_EQ(opened->maildrop.Find({5})->message_id, 105u);
  EXPECT_EQ(opened->maildrop.Find({5})->unique_id, "u5");
  EXPECT_EQ(mailbox_.open.mailbox_id(), 7u);
  EXPECT_EQ(mailbox_.open.lease_id(), "lease");
  EXPECT_EQ(mailbox_.open.session_id(), "session");
  EXPECT_EQ(mailbox_.open.min_interval().seconds(), 1);
  EXPECT_EQ(mailbox_.open.min_interval().nanos(), 500'000'000);
}

TEST_F(GrpcStoreClientTest, OpensAnEmptyMaildropWithoutDelay) {
  AddResponse(42, 1, 0);
  const auto opened = Get(store_->OpenMaildrop({.mailbox_id = 7}));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->maildrop.count(), 0u);
  EXPECT_FALSE(mailbox_.open.has_min_interval());
}

TEST_F(GrpcStoreClientTest, RefusalsKeepTheirReason) {
  mailbox_.end = WithReason(absl::AbortedError("locked"), kReasonMaildropInUse);
  const auto opened = Get(store_->OpenMaildrop({.mailbox_id = 7}));
  EXPECT_TRUE(absl::IsAborted(opened.status()));
  EXPECT_EQ(ReasonOf(opened.status()), kReasonMaildropInUse);
  EXPECT_TRUE(mailbox_.releases.empty());
}

TEST_F(GrpcStoreClientTest, AListingThatBreaksOffIsUnlockedAgain) {
  AddResponse(42, 1, 3);
  mailbox_.end = absl::UnavailableError("restarting");
  const auto opened = Get(store_->OpenMaildrop({.mailbox_id = 7}));
  EXPECT_TRUE(absl::IsUnavailable(opened.status())) << opened.status();
  ASSERT_EQ(mailbox_.releases.size(), 1u);
  EXPECT_EQ(mailbox_.releases[0].mailbox_id(), 7u);
  EXPECT_EQ(mailbox_.releases[0].token(), 42u);
}

TEST_F(GrpcStoreClientTest, AMaildropWithoutATokenIsNone) {
  EXPECT_TRUE(absl::IsInternal(Get(store_->OpenMaildrop({.mailbox_id = 7})).status()));
}

TEST_F(GrpcStoreClientTest, Commit) {
  EXPECT_TRUE(Get(store_->CommitMaildrop(
                      {.mailbox_id = 7, .token = 42, .message_ids = {101, 103}, .session_id = "s"}))
                  .ok());
  EXPECT_EQ(mailbox_.commit.mailbox_id(), 7u);
  EXPECT_EQ(mailbox_.commit.token(), 42u);
  EXPECT_THAT(mailbox_.commit.message_ids(), ElementsAre(101, 103));
  EXPECT_EQ(mailbox_.commit.session_id(), "s");
  mailbox_.end = WithReason(absl::AbortedError("old"), kReasonFenced);
  EXPECT_EQ(ReasonOf(Get(store_->CommitMaildrop({.mailbox_id = 7, .token = 42}))), kReasonFenced);
}

TEST_F(GrpcStoreClientTest, LeasesAndRelease) {
  const auto begin = std::chrono::system_clock::now();
  EXPECT_TRUE(
      Get(store_->RenewLease({.lease_id = "lease", .holder = "host 1", .ttl = absl::Seconds(6)})).ok());
  EXPECT_EQ(mailbox_.renewal.lease_id(), "lease");
  EXPECT_EQ(mailbox_.renewal.holder(), "host 1");
  EXPECT_EQ(mailbox_.renewal.ttl().seconds(), 6);
  // A heartbeat must not outlast its period.
  EXPECT_LE(mailbox_.renewal_deadline, begin + std::chrono::seconds(3));
  EXPECT_TRUE(Get(store_->EndLease("lease")).ok());
  EXPECT_EQ(mailbox_.ended_lease, "lease");
  EXPECT_TRUE(Get(store_->ReleaseMaildrop(7, 42)).ok());
  ASSERT_EQ(mailbox_.releases.size(), 1u);
  EXPECT_EQ(mailbox_.releases[0].token(), 42u);
}

TEST_F(GrpcStoreClientTest, FetchesPieceByPiece) {
  mailbox_.pieces = {"first", "", "second"};
  const auto pieces = Fetch();
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_THAT(*pieces, ElementsAre("first", "second"));
  EXPECT_EQ(mailbox_.fetch.mailbox_id(), 7u);
  EXPECT_EQ(mailbox_.fetch.message_id(), 101u);
  EXPECT_EQ(mailbox_.fetch.read_offset(), 0u);
  EXPECT_EQ(mailbox_.fetch.read_limit(), 0u);
}

TEST_F(GrpcStoreClientTest, FetchErrorsComeBehindThePieces) {
  mailbox_.pieces = {"first"};
  mailbox_.end = absl::DataLossError("damaged");
  EXPECT_TRUE(absl::IsDataLoss(Fetch().status()));
}

TEST_F(GrpcStoreClientTest, AStoreThatIsAwayIsUnavailable) {
  server_->Shutdown();
  EXPECT_TRUE(absl::IsUnavailable(Get(store_->EndLease("lease"))));
  EXPECT_TRUE(absl::IsUnavailable(Fetch().status()));
}

}  // namespace
}  // namespace mailstead::pop3
