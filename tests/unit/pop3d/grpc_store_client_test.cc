#include "pop3d/grpc_store_client.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"
#include "tests/support/fake_exchange.h"

namespace mailstead::pop3 {
namespace {

namespace v1 = ::mailstead::store::v1;
using testing::ElementsAre;

// The one call that has a stream of its own: answers from a script and remembers what it was asked.
class ScriptedMailbox : public v1::MailboxService::Service {
 public:
  std::vector<std::string> pieces;
  absl::Status end;
  v1::FetchMessageRequest fetch;

  grpc::Status FetchMessage(grpc::ServerContext*, const v1::FetchMessageRequest* request,
                            grpc::ServerWriter<v1::FetchMessageResponse>* writer) override {
    fetch = *request;
    for (const std::string& piece : pieces) {
      v1::FetchMessageResponse response;
      response.set_content(piece);
      if (&piece == &pieces.front()) response.set_delivery_id("delivery-of-all");
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
    builder.RegisterService(&exchange_);
    server_ = builder.BuildAndStart();
    channel_ = *rpc::StoreChannel::Create({.target = address});
    store_ = NewGrpcStoreClient(*channel_, 1, absl::Seconds(60));
    exchange_.answer = [this](const v1::ExchangeCall& call) { return Answer(call); };
  }
  ~GrpcStoreClientTest() override { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  // One call at a time; the tests look at `asked_` when it has been answered.
  std::vector<v1::ExchangeAnswer> Answer(const v1::ExchangeCall& call) {
    asked_.push_back(call);
    if (silent_) return {};
    if (!error_.ok()) return {test::FakeExchange::Error(error_)};
    v1::ExchangeAnswer answer;
    switch (call.call_case()) {
      case v1::ExchangeCall::kOpenMaildrop:
        return listing_;
      case v1::ExchangeCall::kFetchMessage:
        if (call.fetch_message().message_id() == kDamaged) {
          return {test::FakeExchange::Error(absl::DataLossError("damaged"))};
        }
        answer.mutable_fetch_message()->set_content(
            absl::StrCat("message ", call.fetch_message().message_id()));
        answer.mutable_fetch_message()->set_delivery_id(
            absl::StrCat("delivery ", call.fetch_message().message_id()));
        break;
      default:
        break;
    }
    return {answer};
  }

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
  void AddPart(uint64_t token, int first, int last, bool more) {
    v1::ExchangeAnswer& part = listing_.emplace_back();
    part.set_more(more);
    part.mutable_open_maildrop()->set_token(token);
    for (int i = first; i <= last; ++i) {
      v1::MessageSummary& message = *part.mutable_open_maildrop()->add_messages();
      message.set_message_id(100 + i);
      message.set_unique_id(absl::StrCat("u", i));
      message.set_size_bytes(10 * i);
    }
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
      EXPECT_EQ(stream->delivery_id(), "delivery-of-all");
      pieces.push_back(piece);
    }
  }

  static constexpr uint64_t kDamaged = 13;
  std::vector<v1::ExchangeAnswer> listing_;
  // Of every small call.
  absl::Status error_;
  bool silent_ = false;
  std::vector<v1::ExchangeCall> asked_;

  ScriptedMailbox mailbox_;
  test::FakeExchange exchange_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<rpc::StoreChannel> channel_;
  std::unique_ptr<StoreClient> store_;
  asio::io_context io_;
};

TEST_F(GrpcStoreClientTest, OpensAListingOfSeveralParts) {
  AddPart(42, 1, 3, true);
  AddPart(0, 4, 5, false);
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
  ASSERT_EQ(asked_.size(), 1u);
  const v1::OpenMaildropRequest& open = asked_[0].open_maildrop();
  EXPECT_EQ(open.mailbox_id(), 7u);
  EXPECT_EQ(open.lease_id(), "lease");
  EXPECT_EQ(open.session_id(), "session");
  EXPECT_EQ(open.min_interval().seconds(), 1);
  EXPECT_EQ(open.min_interval().nanos(), 500'000'000);
}

TEST_F(GrpcStoreClientTest, OpensAnEmptyMaildropWithoutDelay) {
  AddPart(42, 1, 0, false);
  const auto opened = Get(store_->OpenMaildrop({.mailbox_id = 7}));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->maildrop.count(), 0u);
  EXPECT_FALSE(asked_.at(0).open_maildrop().has_min_interval());
}

TEST_F(GrpcStoreClientTest, RefusalsKeepTheirReason) {
  error_ = WithReason(absl::AbortedError("locked"), kReasonMaildropInUse);
  const auto opened = Get(store_->OpenMaildrop({.mailbox_id = 7}));
  EXPECT_TRUE(absl::IsAborted(opened.status()));
  EXPECT_EQ(ReasonOf(opened.status()), kReasonMaildropInUse);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(GrpcStoreClientTest, AMaildropWithoutATokenIsNone) {
  AddPart(0, 1, 3, false);
  EXPECT_TRUE(absl::IsInternal(Get(store_->OpenMaildrop({.mailbox_id = 7})).status()));
}

TEST_F(GrpcStoreClientTest, Commit) {
  EXPECT_TRUE(Get(store_->CommitMaildrop(
                      {.mailbox_id = 7, .token = 42, .message_ids = {101, 103}, .session_id = "s"}))
                  .ok());
  const v1::CommitMaildropRequest commit = asked_.at(0).commit_maildrop();
  EXPECT_EQ(commit.mailbox_id(), 7u);
  EXPECT_EQ(commit.token(), 42u);
  EXPECT_THAT(commit.message_ids(), ElementsAre(101, 103));
  EXPECT_EQ(commit.session_id(), "s");
  error_ = WithReason(absl::AbortedError("old"), kReasonFenced);
  EXPECT_EQ(ReasonOf(Get(store_->CommitMaildrop({.mailbox_id = 7, .token = 42}))), kReasonFenced);
}

TEST_F(GrpcStoreClientTest, LeasesAndRelease) {
  EXPECT_TRUE(
      Get(store_->RenewLease({.lease_id = "lease", .holder = "host 1", .ttl = absl::Milliseconds(6500)}))
          .ok());
  EXPECT_TRUE(Get(store_->EndLease("lease")).ok());
  EXPECT_TRUE(Get(store_->ReleaseMaildrop(7, 42)).ok());
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0].renew_lease().lease_id(), "lease");
  EXPECT_EQ(asked_[0].renew_lease().holder(), "host 1");
  EXPECT_EQ(asked_[0].renew_lease().ttl().seconds(), 6);
  EXPECT_EQ(asked_[0].renew_lease().ttl().nanos(), 500'000'000);
  EXPECT_EQ(asked_[1].end_lease().lease_id(), "lease");
  EXPECT_EQ(asked_[2].release_maildrop().mailbox_id(), 7u);
  EXPECT_EQ(asked_[2].release_maildrop().token(), 42u);
  error_ = absl::UnavailableError("disk");
  EXPECT_EQ(Get(store_->RenewLease({.lease_id = "lease", .ttl = absl::Seconds(6)})), error_);
  EXPECT_EQ(Get(store_->EndLease("lease")), error_);
  EXPECT_EQ(Get(store_->ReleaseMaildrop(7, 42)), error_);
}

TEST_F(GrpcStoreClientTest, AHeartbeatDoesNotOutlastItsPeriod) {
  silent_ = true;
  const absl::Time begin = absl::Now();
  const absl::Status status = Get(store_->RenewLease({.lease_id = "lease", .ttl = absl::Milliseconds(600)}));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  // The other calls may take a minute.
  EXPECT_LT(absl::Now() - begin, absl::Seconds(30));
}

TEST_F(GrpcStoreClientTest, FetchesWholeMessagesTogether) {
  const auto messages = Get(store_->FetchMessages(7, {101, kDamaged, 103}));
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0]->content, "message 101");
  EXPECT_EQ(messages[0]->delivery_id, "delivery 101");
  EXPECT_TRUE(absl::IsDataLoss(messages[1].status())) << messages[1].status();
  EXPECT_EQ(messages[2]->content, "message 103");
  const auto requests = exchange_.WaitForCalls(3);
  ASSERT_EQ(requests.size(), 1u);
  const v1::FetchMessageRequest& fetch = requests[0].calls(0).fetch_message();
  EXPECT_EQ(fetch.mailbox_id(), 7u);
  EXPECT_EQ(fetch.message_id(), 101u);
  EXPECT_EQ(fetch.read_offset(), 0u);
  EXPECT_EQ(fetch.read_limit(), 0u);
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
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  EXPECT_TRUE(absl::IsUnavailable(Get(store_->EndLease("lease"))));
  EXPECT_TRUE(absl::IsUnavailable(Get(store_->OpenMaildrop({.mailbox_id = 7})).status()));
  EXPECT_TRUE(absl::IsUnavailable(Get(store_->FetchMessages(7, {101})).front().status()));
  EXPECT_TRUE(absl::IsUnavailable(Fetch().status()));
}

}  // namespace
}  // namespace mailstead::pop3
