#include "common/rpc/auth_exchange.h"

#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rpc/await.h"
#include "common/rpc/channel.h"
#include "common/rpc/exchange.h"
#include "mailstead/store/v1/auth.grpc.pb.h"
#include "mailstead/store/v1/exchange.pb.h"

namespace mailstead::rpc {
namespace {

namespace v1 = ::mailstead::store::v1;
using Stream = DialogStream<v1::AuthenticateRequest, v1::AuthenticateResponse>;

absl::StatusOr<AuthStep> ToStep(v1::Verdict verdict) {
  AuthStep step;
  switch (verdict.result()) {
    case v1::Verdict::RESULT_OK:
      step.kind = AuthStep::Kind::kOk;
      step.address = std::move(*verdict.mutable_address());
      step.mailbox_id = verdict.mailbox_id();
      return step;
    case v1::Verdict::RESULT_INVALID_CREDENTIALS:
      step.kind = AuthStep::Kind::kInvalidCredentials;
      return step;
    case v1::Verdict::RESULT_DISABLED:
      step.kind = AuthStep::Kind::kDisabled;
      return step;
    case v1::Verdict::RESULT_MALFORMED:
      step.kind = AuthStep::Kind::kMalformed;
      return step;
    case v1::Verdict::RESULT_UNSUPPORTED_MECHANISM:
      step.kind = AuthStep::Kind::kUnsupportedMechanism;
      return step;
    default:
      return absl::UnavailableError("the store sent a verdict this version does not know");
  }
}

absl::StatusOr<AuthStep> ToStep(v1::AuthenticateResponse response) {
  if (!response.has_challenge()) return ToStep(std::move(*response.mutable_verdict()));
  AuthStep step;
  step.challenge = std::move(*response.mutable_challenge());
  return step;
}

void Fill(AuthStart start, v1::AuthenticateStart& message) {
  message.set_mechanism(std::move(start.mechanism));
  if (start.initial_response.has_value()) message.set_initial_response(*std::move(start.initial_response));
  message.set_client_address(std::move(start.client_address));
  message.set_service(std::move(start.service));
  message.set_session_id(std::move(start.session_id));
  message.set_tls_exporter(std::move(start.tls_exporter));
}

struct Steps {
  Steps(StoreChannel& channel, absl::Duration timeout)
      : stub(v1::AuthService::NewStub(channel.Next())), stream([&](grpc::ClientContext* context) {
          channel.Prepare(*context, timeout);
          return stub->PrepareAsyncAuthenticate(context, channel.queue());
        }) {}

  std::unique_ptr<v1::AuthService::Stub> stub;
  Stream stream;
};

}  // namespace

struct AuthExchange::Impl {
  StoreChannel& channel;
  Exchange& exchange;
  const absl::Duration timeout;
  // Of an exchange of more than one step.
  std::optional<Steps> steps;
};

std::string PlainInitialResponse(const std::string& user, const std::string& password) {
  std::string message;
  message.reserve(user.size() + password.size() + 2);
  message.push_back('\0');
  message.append(user);
  message.push_back('\0');
  message.append(password);
  return message;
}

AuthExchange::AuthExchange(StoreChannel& channel, Exchange& exchange, absl::Duration timeout)
    : impl_(new Impl{channel, exchange, timeout, std::nullopt}) {}
AuthExchange::~AuthExchange() = default;

asio::awaitable<absl::StatusOr<AuthStep>> AuthExchange::Begin(AuthStart start) {
  if (start.mechanism == "PLAIN" && start.initial_response.has_value()) {
    v1::ExchangeCall call;
    Fill(std::move(start), *call.mutable_authenticate());
    absl::StatusOr<v1::ExchangeAnswer> answer = co_await impl_->exchange.Ask(std::move(call), impl_->timeout);
    CO_RETURN_IF_ERROR(answer.status());
    co_return ToStep(std::move(*answer->mutable_authenticate()));
  }
  impl_->steps.emplace(impl_->channel, impl_->timeout);
  v1::AuthenticateRequest request;
  Fill(std::move(start), *request.mutable_start());
  absl::StatusOr<v1::AuthenticateResponse> response = co_await impl_->steps->stream.Ask(std::move(request));
  CO_RETURN_IF_ERROR(response.status());
  co_return ToStep(*std::move(response));
}

asio::awaitable<absl::StatusOr<AuthStep>> AuthExchange::Respond(std::string response_bytes) {
  CHECK(impl_->steps.has_value());
  v1::AuthenticateRequest request;
  request.set_response(std::move(response_bytes));
  absl::StatusOr<v1::AuthenticateResponse> response = co_await impl_->steps->stream.Ask(std::move(request));
  CO_RETURN_IF_ERROR(response.status());
  co_return ToStep(*std::move(response));
}

}  // namespace mailstead::rpc
