#include "pop3d/grpc_store_client.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/rpc/await.h"
#include "common/rpc/exchange.h"
#include "mailstead/store/v1/exchange.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"

namespace mailstead::pop3 {
namespace {

namespace v1 = ::mailstead::store::v1;

// What a client may take to answer the challenges of one exchange.
constexpr absl::Duration kChallengeTime = absl::Minutes(1);

void SetDuration(absl::Duration from, google::protobuf::Duration& to) {
  to.set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

class GrpcSaslExchange : public SaslExchange {
 public:
  GrpcSaslExchange(rpc::StoreChannel& channel, rpc::Exchange& exchange, absl::Duration timeout)
      : exchange_(channel, exchange, timeout) {}
  asio::awaitable<absl::StatusOr<rpc::AuthStep>> Begin(rpc::AuthStart start) override {
    return exchange_.Begin(std::move(start));
  }
  asio::awaitable<absl::StatusOr<rpc::AuthStep>> Respond(std::string response) override {
    return exchange_.Respond(std::move(response));
  }

 private:
  rpc::AuthExchange exchange_;
};

class GrpcMessageStream : public MessageStream {
 public:
  GrpcMessageStream(rpc::StoreChannel& channel, const v1::FetchMessageRequest& request,
                    absl::Duration timeout)
      : stub_(v1::MailboxService::NewStub(channel.Next())), stream_([&](grpc::ClientContext* context) {
          channel.Prepare(*context, timeout);
          return stub_->PrepareAsyncFetchMessage(context, request, channel.queue());
        }) {}

  const std::string& delivery_id() const override { return delivery_id_; }
  asio::awaitable<absl::StatusOr<bool>> Read(std::string& piece) override {
    v1::FetchMessageResponse response;
    while (response.content().empty()) {
      const absl::StatusOr<bool> more = co_await stream_.Read(response);
      CO_RETURN_IF_ERROR(more.status());
      if (!*more) co_return false;
      if (!response.delivery_id().empty()) delivery_id_ = std::move(*response.mutable_delivery_id());
    }
    piece = std::move(*response.mutable_content());
    co_return true;
  }

 private:
  std::unique_ptr<v1::MailboxService::Stub> stub_;
  rpc::ServerStream<v1::FetchMessageResponse> stream_;
  std::string delivery_id_;
};

class GrpcStoreClient : public StoreClient {
 public:
  GrpcStoreClient(rpc::StoreChannel& channel, int connections, absl::Duration timeout)
      : channel_(channel), exchange_(channel, connections), timeout_(timeout) {}

  std::unique_ptr<SaslExchange> NewSaslExchange(bool interactive) override {
    return std::make_unique<GrpcSaslExchange>(channel_, exchange_,
                                              interactive ? timeout_ + kChallengeTime : timeout_);
  }

  asio::awaitable<absl::StatusOr<OpenedMaildrop>> OpenMaildrop(OpenRequest request) override;

  asio::awaitable<absl::Status> CommitMaildrop(CommitRequest commit) override {
    v1::ExchangeCall call;
    v1::CommitMaildropRequest& request = *call.mutable_commit_maildrop();
    request.set_mailbox_id(commit.mailbox_id);
    request.set_token(commit.token);
    request.mutable_message_ids()->Assign(commit.message_ids.begin(), commit.message_ids.end());
    request.set_session_id(std::move(commit.session_id));
    const absl::StatusOr<v1::ExchangeAnswer> answer = co_await exchange_.Ask(std::move(call), timeout_);
    co_return answer.status();
  }

  asio::awaitable<absl::Status> ReleaseMaildrop(uint64_t mailbox_id, uint64_t token) override {
    v1::ExchangeCall call;
    call.mutable_release_maildrop()->set_mailbox_id(mailbox_id);
    call.mutable_release_maildrop()->set_token(token);
    const absl::StatusOr<v1::ExchangeAnswer> answer = co_await exchange_.Ask(std::move(call), timeout_);
    co_return answer.status();
  }

  asio::awaitable<absl::Status> RenewLease(LeaseRequest lease) override {
    v1::ExchangeCall call;
    v1::RenewLeaseRequest& request = *call.mutable_renew_lease();
    request.set_lease_id(std::move(lease.lease_id));
    request.set_holder(std::move(lease.holder));
    SetDuration(lease.ttl, *request.mutable_ttl());
    // A heartbeat that takes longer than its period is one that failed.
    const absl::StatusOr<v1::ExchangeAnswer> answer =
        co_await exchange_.Ask(std::move(call), std::min(timeout_, lease.ttl / 3));
    co_return answer.status();
  }

  asio::awaitable<absl::Status> EndLease(std::string lease_id) override {
    v1::ExchangeCall call;
    call.mutable_end_lease()->set_lease_id(std::move(lease_id));
    const absl::StatusOr<v1::ExchangeAnswer> answer = co_await exchange_.Ask(std::move(call), timeout_);
    co_return answer.status();
  }

  asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> FetchMessages(
      uint64_t mailbox_id, std::vector<uint64_t> message_ids) override;

  std::unique_ptr<MessageStream> FetchMessage(uint64_t mailbox_id, uint64_t message_id,
                                              absl::Duration timeout) override {
    v1::FetchMessageRequest request;
    request.set_mailbox_id(mailbox_id);
    request.set_message_id(message_id);
    return std::make_unique<GrpcMessageStream>(channel_, request, timeout);
  }

 private:
  rpc::StoreChannel& channel_;
  rpc::Exchange exchange_;
  const absl::Duration timeout_;
};

asio::awaitable<absl::StatusOr<OpenedMaildrop>> GrpcStoreClient::OpenMaildrop(OpenRequest open) {
  v1::ExchangeCall call;
  v1::OpenMaildropRequest& request = *call.mutable_open_maildrop();
  request.set_mailbox_id(open.mailbox_id);
  request.set_lease_id(std::move(open.lease_id));
  if (open.min_interval > absl::ZeroDuration())
    SetDuration(open.min_interval, *request.mutable_min_interval());
  request.set_session_id(open.session_id);
  const absl::StatusOr<v1::ExchangeAnswer> answer = co_await exchange_.Ask(std::move(call), timeout_);
  CO_RETURN_IF_ERROR(answer.status());

  const v1::OpenMaildropResponse& response = answer->open_maildrop();
  if (response.token() == 0) co_return absl::InternalError("the store opened a maildrop without a token");
  OpenedMaildrop opened;
  opened.token = response.token();
  size_t left_out = 0;
  for (const v1::MessageSummary& message : response.messages()) {
    if (!opened.maildrop.Add(message.message_id(), message.size_bytes(), message.unique_id())) ++left_out;
  }
  if (left_out > 0) {
    obs::LogWarning("maildrop_truncated",
                    {{"session", open.session_id}, {"mailbox", open.mailbox_id}, {"left_out", left_out}});
  }
  opened.maildrop.Freeze();
  co_return opened;
}

asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> GrpcStoreClient::FetchMessages(
    uint64_t mailbox_id, std::vector<uint64_t> message_ids) {
  std::vector<v1::ExchangeCall> calls(message_ids.size());
  for (size_t i = 0; i < message_ids.size(); ++i) {
    calls[i].mutable_fetch_message()->set_mailbox_id(mailbox_id);
    calls[i].mutable_fetch_message()->set_message_id(message_ids[i]);
  }
  std::vector<absl::StatusOr<v1::ExchangeAnswer>> answers =
      co_await exchange_.AskAll(std::move(calls), timeout_);
  std::vector<absl::StatusOr<FetchedMessage>> messages;
  messages.reserve(answers.size());
  for (absl::StatusOr<v1::ExchangeAnswer>& answer : answers) {
    if (answer.ok()) {
      v1::FetchMessageResponse& fetched = *answer->mutable_fetch_message();
      messages.push_back(
          FetchedMessage{std::move(*fetched.mutable_content()), std::move(*fetched.mutable_delivery_id())});
    } else {
      messages.push_back(answer.status());
    }
  }
  co_return messages;
}

}  // namespace

std::unique_ptr<StoreClient> NewGrpcStoreClient(rpc::StoreChannel& channel, int connections,
                                                absl::Duration timeout) {
  return std::make_unique<GrpcStoreClient>(channel, connections, timeout);
}

}  // namespace mailstead::pop3
