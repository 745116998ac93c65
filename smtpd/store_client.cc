#include "smtpd/store_client.h"

#include <atomic>
#include <utility>

#include "asio/steady_timer.hpp"
#include "common/base/status.h"
#include "common/rpc/await.h"
#include "common/rpc/channel.h"
#include "common/rpc/exchange.h"
#include "mailstead/store/v1/exchange.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"

namespace mailstead::smtp {
namespace {

namespace v1 = ::mailstead::store::v1;
// What the store takes of a message in an Exchange.
constexpr size_t kMaxExchangedBytes = 64 << 10;

using DeliverCall = rpc::ClientStream<v1::DeliverRequest, v1::DeliverResponse>;

Resolution::Outcome ToOutcome(v1::ResolveRecipientResponse::Outcome outcome) {
  switch (outcome) {
    case v1::ResolveRecipientResponse::OUTCOME_LOCAL:
      return Resolution::Outcome::kLocal;
    case v1::ResolveRecipientResponse::OUTCOME_ALIAS:
      return Resolution::Outcome::kAlias;
    case v1::ResolveRecipientResponse::OUTCOME_REMOTE:
      return Resolution::Outcome::kRemote;
    case v1::ResolveRecipientResponse::OUTCOME_DISABLED:
      return Resolution::Outcome::kDisabled;
    case v1::ResolveRecipientResponse::OUTCOME_OVER_QUOTA:
      return Resolution::Outcome::kOverQuota;
    default:
      return Resolution::Outcome::kUnknown;
  }
}

v1::ExchangeCall ToCall(ResolveRecipient resolve) {
  v1::ExchangeCall call;
  call.mutable_resolve_recipient()->set_address(std::move(resolve.address));
  call.mutable_resolve_recipient()->set_message_bytes(resolve.message_bytes);
  return call;
}

absl::StatusOr<Resolution> ToResolution(const absl::StatusOr<v1::ExchangeAnswer>& answer) {
  RETURN_IF_ERROR(answer.status());
  const v1::ResolveRecipientResponse& response = answer->resolve_recipient();
  Resolution resolution;
  resolution.outcome = ToOutcome(response.outcome());
  resolution.mailbox_ids.assign(response.mailbox_ids().begin(), response.mailbox_ids().end());
  return resolution;
}

void FillEnvelope(const DeliveryEnvelope& envelope, v1::DeliverEnvelope& message) {
  message.set_delivery_id(envelope.delivery_id);
  message.set_reverse_path(envelope.reverse_path);
  message.set_dsn_ret(envelope.dsn_ret);
  message.set_dsn_envid(envelope.dsn_envid);
  message.set_session_id(envelope.session_id);
  message.set_client_address(envelope.client_address);
  for (const DeliveryEnvelope::Recipient& recipient : envelope.recipients) {
    v1::DeliverRecipient& to = *message.add_recipients();
    to.set_address(recipient.address);
    to.mutable_mailbox_ids()->Add(recipient.mailbox_ids.begin(), recipient.mailbox_ids.end());
    to.set_dsn_notify(recipient.dsn_notify);
    to.set_dsn_orcpt(recipient.dsn_orcpt);
  }
}

// Cancels a call when a step of it takes too long. The timer's handler may still be queued when this is gone,
// so what it looks at is shared with it.
class Watchdog {
 public:
  Watchdog(asio::any_io_executor executor, grpc::ClientContext* context)
      : timer_(executor), state_(std::make_shared<State>(State{context})) {}
  ~Watchdog() { Stop(); }

  void Start(absl::Duration timeout) {
    const uint64_t step = ++state_->step;
    timer_.expires_after(absl::ToChronoNanoseconds(timeout));
    timer_.async_wait([state = state_, step](const std::error_code& error) {
      if (error || state->step != step) return;
      state->bitten = true;
      state->context->TryCancel();
    });
  }
  void Stop() {
    ++state_->step;
    timer_.cancel();
  }
  // `status` of the step that was watched.
  absl::Status Explain(absl::Status status) const {
    if (!state_->bitten) return status;
    return absl::DeadlineExceededError("the store did not take the message in time");
  }

 private:
  struct State {
    grpc::ClientContext* context;
    uint64_t step = 0;
    bool bitten = false;
  };
  asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

class RpcDeliveryStream : public DeliveryStream {
 public:
  RpcDeliveryStream(v1::MailboxService::Stub& stub, rpc::StoreChannel& channel, const StoreTimeouts& timeouts,
                    const DeliveryEnvelope& envelope, asio::any_io_executor executor)
      : timeout_(timeouts.call),
        call_([&](grpc::ClientContext* context, v1::DeliverResponse* response) {
          context_ = context;
          channel.Prepare(*context, timeouts.message + timeouts.call);
          return stub.PrepareAsyncDeliver(context, response, channel.queue());
        }),
        watchdog_(std::move(executor), context_) {
    FillEnvelope(envelope, *first_.mutable_envelope());
  }

  asio::awaitable<absl::Status> Write(std::string piece) override {
    v1::DeliverRequest request = std::exchange(first_, v1::DeliverRequest());
    request.set_content(std::move(piece));
    watchdog_.Start(timeout_);
    const bool taken = co_await call_.Write(std::move(request));
    watchdog_.Stop();
    if (taken) co_return absl::OkStatus();
    absl::StatusOr<v1::DeliverResponse> why = co_await call_.Finish();
    // OK before the last piece would be a store that breaks its word.
    if (why.ok()) co_return absl::InternalError("the store ended the call before the message");
    co_return watchdog_.Explain(why.status());
  }

  asio::awaitable<absl::Status> Finish(std::string piece) override {
    v1::DeliverRequest request = std::exchange(first_, v1::DeliverRequest());
    request.set_content(std::move(piece));
    request.set_last(true);
    watchdog_.Start(timeout_);
    absl::StatusOr<v1::DeliverResponse> response = co_await call_.WriteLastAndFinish(std::move(request));
    watchdog_.Stop();
    co_return watchdog_.Explain(response.status());
  }

 private:
  const absl::Duration timeout_;
  grpc::ClientContext* context_ = nullptr;
  // Carries the envelope until the first piece goes.
  v1::DeliverRequest first_;
  DeliverCall call_;
  Watchdog watchdog_;
};

class RpcAuthDialog : public AuthDialog {
 public:
  RpcAuthDialog(rpc::StoreChannel& channel, rpc::Exchange& exchange, absl::Duration timeout)
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

class RpcStoreClient : public StoreClient {
 public:
  RpcStoreClient(rpc::StoreChannel& channel, int connections, StoreTimeouts timeouts)
      : channel_(channel), exchange_(channel, connections), timeouts_(timeouts) {
    for (int i = 0; i < connections; ++i) stubs_.push_back(v1::MailboxService::NewStub(channel.Next()));
  }

  asio::awaitable<absl::StatusOr<Resolution>> Resolve(ResolveRecipient resolve) override {
    const absl::StatusOr<v1::ExchangeAnswer> answer =
        co_await exchange_.Ask(ToCall(std::move(resolve)), timeouts_.call);
    co_return ToResolution(answer);
  }

  asio::awaitable<std::vector<absl::StatusOr<Resolution>>> ResolveAll(
      std::vector<ResolveRecipient> requests) override {
    std::vector<v1::ExchangeCall> calls;
    calls.reserve(requests.size());
    for (ResolveRecipient& request : requests) calls.push_back(ToCall(std::move(request)));
    const std::vector<absl::StatusOr<v1::ExchangeAnswer>> answers =
        co_await exchange_.AskAll(std::move(calls), timeouts_.call);
    std::vector<absl::StatusOr<Resolution>> resolutions;
    resolutions.reserve(answers.size());
    for (const absl::StatusOr<v1::ExchangeAnswer>& answer : answers)
      resolutions.push_back(ToResolution(answer));
    co_return resolutions;
  }

  asio::awaitable<absl::StatusOr<bool>> MaySend(CheckSender check) override {
    v1::ExchangeCall call;
    call.mutable_check_sender()->set_account(std::move(check.account));
    call.mutable_check_sender()->set_sender(std::move(check.sender));
    const absl::StatusOr<v1::ExchangeAnswer> answer = co_await exchange_.Ask(std::move(call), timeouts_.call);
    CO_RETURN_IF_ERROR(answer.status());
    co_return answer->check_sender().allowed();
  }

  asio::awaitable<absl::Status> Deliver(const DeliveryEnvelope& envelope,
                                        const std::string& content) override {
    if (content.size() <= kMaxExchangedBytes) {
      v1::ExchangeCall call;
      FillEnvelope(envelope, *call.mutable_deliver()->mutable_envelope());
      call.mutable_deliver()->set_content(content);
      call.mutable_deliver()->set_last(true);
      const absl::StatusOr<v1::ExchangeAnswer> answer =
          co_await exchange_.Ask(std::move(call), timeouts_.call);
      co_return answer.status();
    }
    v1::MailboxService::Stub* stub = &Next();
    DeliverCall call([&](grpc::ClientContext* context, v1::DeliverResponse* response) {
      channel_.Prepare(*context, timeouts_.call);
      return stub->PrepareAsyncDeliver(context, response, channel_.queue());
    });
    v1::DeliverRequest request;
    FillEnvelope(envelope, *request.mutable_envelope());
    request.set_content(content);
    request.set_last(true);
    absl::StatusOr<v1::DeliverResponse> response = co_await call.WriteLastAndFinish(std::move(request));
    co_return response.status();
  }

  std::unique_ptr<DeliveryStream> StartDelivery(const DeliveryEnvelope& envelope,
                                                asio::any_io_executor executor) override {
    return std::make_unique<RpcDeliveryStream>(Next(), channel_, timeouts_, envelope, std::move(executor));
  }

  std::unique_ptr<AuthDialog> StartAuth() override {
    return std::make_unique<RpcAuthDialog>(channel_, exchange_, timeouts_.auth);
  }

 private:
  v1::MailboxService::Stub& Next() {
    return *stubs_[next_.fetch_add(1, std::memory_order_relaxed) % stubs_.size()];
  }

  rpc::StoreChannel& channel_;
  rpc::Exchange exchange_;
  const StoreTimeouts timeouts_;
  std::vector<std::unique_ptr<v1::MailboxService::Stub>> stubs_;
  std::atomic<size_t> next_ = 0;
};

}  // namespace

std::unique_ptr<StoreClient> MakeStoreClient(rpc::StoreChannel& channel, int connections,
                                             StoreTimeouts timeouts) {
  return std::make_unique<RpcStoreClient>(channel, connections, timeouts);
}

}  // namespace mailstead::smtp
