#include "common/store/store_api.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "asio/any_io_executor.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/this_coro.hpp"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "common/store/envelope_convert.h"
#include "common/store/retry.h"
#include "common/store/revision.h"
#include "grpc/health/v1/health.pb.h"
#include "mailstead/frontend/v1/auth.pb.h"
#include "mailstead/frontend/v1/batch.pb.h"
#include "mailstead/frontend/v1/delivery.pb.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "mailstead/frontend/v1/tls.pb.h"

namespace mailstead::store {
namespace {

namespace fv1 = ::mailstead::frontend::v1;

constexpr absl::string_view kCheckHealth = "grpc.health.v1.Health/Check";
constexpr absl::string_view kProbe = "mailstead.frontend.v1.BatchService/Probe";
constexpr absl::string_view kAuthenticate = "mailstead.frontend.v1.AuthService/Authenticate";
constexpr absl::string_view kCheckSender = "mailstead.frontend.v1.AuthService/CheckSender";
constexpr absl::string_view kListLoginChanges = "mailstead.frontend.v1.AuthService/ListLoginChanges";
constexpr absl::string_view kCheckLogins = "mailstead.frontend.v1.AuthService/CheckLogins";
constexpr absl::string_view kListTicketKeys = "mailstead.frontend.v1.TlsService/ListTicketKeys";
constexpr absl::string_view kResolveRecipient = "mailstead.frontend.v1.DeliveryService/ResolveRecipient";
constexpr absl::string_view kDeliver = "mailstead.frontend.v1.DeliveryService/Deliver";
constexpr absl::string_view kSettleDelivery = "mailstead.frontend.v1.DeliveryService/SettleDelivery";
constexpr absl::string_view kOpenMaildrop = "mailstead.frontend.v1.MaildropService/OpenMaildrop";
constexpr absl::string_view kListMaildrop = "mailstead.frontend.v1.MaildropService/ListMaildrop";
constexpr absl::string_view kFetchMaildropMessage = "mailstead.frontend.v1.MaildropService/FetchMessage";
constexpr absl::string_view kCommitMaildrop = "mailstead.frontend.v1.MaildropService/CommitMaildrop";
constexpr absl::string_view kReleaseMaildrop = "mailstead.frontend.v1.MaildropService/ReleaseMaildrop";
constexpr absl::string_view kRenewLease = "mailstead.frontend.v1.LeaseService/RenewLease";
constexpr absl::string_view kEndLease = "mailstead.frontend.v1.LeaseService/EndLease";

// ---- Conversions

void SetDuration(absl::Duration from, google::protobuf::Duration& to) {
  to.set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

absl::Duration ToDuration(const google::protobuf::Duration& from) {
  return absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
}

Resolution::Outcome ToOutcome(v1::ResolveAddressResponse::Outcome outcome) {
  switch (outcome) {
    case v1::ResolveAddressResponse::OUTCOME_ACCOUNT:
      return Resolution::Outcome::kAccount;
    case v1::ResolveAddressResponse::OUTCOME_ALIAS:
      return Resolution::Outcome::kAlias;
    case v1::ResolveAddressResponse::OUTCOME_REMOTE:
      return Resolution::Outcome::kRemote;
    case v1::ResolveAddressResponse::OUTCOME_DISABLED:
      return Resolution::Outcome::kDisabled;
    case v1::ResolveAddressResponse::OUTCOME_OVER_QUOTA:
      return Resolution::Outcome::kOverQuota;
    case v1::ResolveAddressResponse::OUTCOME_QUOTA_TOO_SMALL:
      return Resolution::Outcome::kQuotaTooSmall;
    case v1::ResolveAddressResponse::OUTCOME_SRS_FORGED:
      return Resolution::Outcome::kSrsForged;
    case v1::ResolveAddressResponse::OUTCOME_SRS_EXPIRED:
      return Resolution::Outcome::kSrsExpired;
    default:
      return Resolution::Outcome::kUnknown;
  }
}

Resolution ToResolution(const fv1::ResolveRecipientResponse& response) {
  return {.outcome = ToOutcome(response.outcome()), .mailbox_count = response.mailbox_count()};
}

// What only the first piece of a message has.
void FillFirstPiece(const Envelope& envelope, const std::string& client_address, const std::string& grant,
                    fv1::DeliverRequest& piece) {
  ToProto(envelope, *piece.mutable_envelope());
  piece.set_client_address(client_address);
  piece.set_grant(grant);
}

void FillMaildropRequest(MaildropRequest from, fv1::OpenMaildropRequest& to) {
  to.set_lease_id(std::move(from.lease_id));
  if (from.min_interval > absl::ZeroDuration()) SetDuration(from.min_interval, *to.mutable_min_interval());
  to.set_known_version(std::move(from.known_version));
}

absl::StatusOr<MaildropEntries> ToEntries(fv1::MaildropEntries& from) {
  const auto& ids = from.message_ids();
  const auto& sizes = from.sizes_bytes();
  const auto ends = std::count(from.unique_ids().begin(), from.unique_ids().end(), '\n');
  const bool ends_well = from.unique_ids().empty() || from.unique_ids().back() == '\n';
  if (sizes.size() != ids.size() || ends != ids.size() || !ends_well) {
    return absl::InternalError("the store sent entries that lack something");
  }
  return MaildropEntries({ids.begin(), ids.end()}, {sizes.begin(), sizes.end()},
                         std::move(*from.mutable_unique_ids()));
}

absl::StatusOr<OpenedMaildrop> ToOpenedMaildrop(fv1::OpenMaildropResponse& response) {
  if (response.token().empty()) return absl::InternalError("the store opened a maildrop without a token");
  OpenedMaildrop opened;
  opened.token = std::move(*response.mutable_token());
  opened.version = std::move(*response.mutable_version());
  opened.since_known_version = response.basis() == fv1::OpenMaildropResponse::BASIS_KNOWN_VERSION;
  if (response.has_entries()) {
    ASSIGN_OR_RETURN(opened.entries, ToEntries(*response.mutable_entries()));
  }
  opened.message_count = static_cast<size_t>(std::max(response.message_count(), int64_t{0}));
  opened.removed.reserve(static_cast<size_t>(response.removed_message_ids_size()));
  for (const int64_t id : response.removed_message_ids()) opened.removed.push_back(MessageId{id});
  opened.next_page_token = std::move(*response.mutable_next_page_token());
  opened.retention = ToDuration(response.retention());
  return opened;
}

absl::StatusOr<LoginStep> ToStep(fv1::Verdict& verdict) {
  switch (verdict.result()) {
    case fv1::Verdict::RESULT_OK: {
      LoggedIn login;
      login.address = std::move(*verdict.mutable_address());
      login.account = AccountId{verdict.account_id()};
      login.grant = std::move(*verdict.mutable_grant());
      if (verdict.has_maildrop()) {
        login.maildrop = ToOpenedMaildrop(*verdict.mutable_maildrop());
      } else if (verdict.has_maildrop_error()) {
        login.maildrop = rpc::FromProto(verdict.maildrop_error());
      }
      return login;
    }
    case fv1::Verdict::RESULT_INVALID_CREDENTIALS:
      return sasl::Verdict::kInvalidCredentials;
    case fv1::Verdict::RESULT_DISABLED:
      return sasl::Verdict::kDisabled;
    case fv1::Verdict::RESULT_MALFORMED:
      return sasl::Verdict::kMalformed;
    case fv1::Verdict::RESULT_UNSUPPORTED_MECHANISM:
      return sasl::Verdict::kUnsupportedMechanism;
    default:
      return absl::UnavailableError("the store sent a verdict this version does not know");
  }
}

absl::StatusOr<LoginStep> ToStep(fv1::AuthenticateResponse& response) {
  if (response.has_challenge()) return Challenge{std::move(*response.mutable_challenge())};
  return ToStep(*response.mutable_verdict());
}

void FillStart(sasl::Start start, std::optional<MaildropRequest> maildrop, fv1::AuthenticateStart& to) {
  to.set_mechanism(std::move(start.mechanism));
  if (start.initial_response.has_value()) to.set_initial_response(*std::move(start.initial_response));
  to.set_client_address(std::move(start.client_address));
  to.set_tls_exporter(std::move(start.tls_exporter));
  to.set_tls_unique(std::move(start.tls_unique));
  if (maildrop.has_value()) FillMaildropRequest(*std::move(maildrop), *to.mutable_maildrop());
}

// ---- Calls of several steps

// A stream whose steps are each waited for so long and no longer.
class LimitedStream {
 public:
  LimitedStream(std::unique_ptr<rpc::CallStream> stream, absl::Duration step_timeout, Timers& timers)
      : stream_(std::move(stream)), step_timeout_(step_timeout), timers_(timers) {}
  ~LimitedStream() { EndStep(); }

  // Within Begin and End of a step, `stream` is cancelled when the time is over.
  void BeginStep(asio::any_io_executor executor) {
    step_ = std::make_shared<Step>(Step{stream_, timers_.NewTimer(executor)});
    asio::co_spawn(executor, Watch(step_, timers_.Now() + step_timeout_), asio::detached);
  }
  // Whether the step took too long.
  bool EndStep() {
    if (step_ == nullptr) return false;
    const std::shared_ptr<Step> step = std::move(step_);
    step->ended = true;
    step->timer->Cancel();
    return step->too_long;
  }

  rpc::CallStream& stream() { return *stream_; }

 private:
  struct Step {
    std::shared_ptr<rpc::CallStream> stream;
    std::unique_ptr<Timer> timer;
    // Set when the step ends in time.
    bool ended = false;
    // Set when it does not.
    bool too_long = false;
  };

  static asio::awaitable<void> Watch(std::shared_ptr<Step> step, absl::Time until) {
    const bool late = !step->ended && co_await step->timer->WaitUntil(until);
    if (!late || step->ended) co_return;
    step->too_long = true;
    step->stream->Cancel();
  }

  const std::shared_ptr<rpc::CallStream> stream_;
  const absl::Duration step_timeout_;
  Timers& timers_;
  // Of the step that is under way.
  std::shared_ptr<Step> step_;
};

class StreamedDownload final : public Download {
 public:
  StreamedDownload(std::unique_ptr<rpc::CallStream> stream, std::string grant, MessageId message)
      : stream_(std::move(stream)) {
    request_.set_grant(std::move(grant));
    request_.set_message_id(message.value);
  }

  const std::string& delivery_id() const override { return delivery_id_; }

  asio::awaitable<absl::StatusOr<bool>> Read(std::string& piece) override {
    if (!std::exchange(asked_, true)) {
      // Should it fail, Read gives why.
      co_await stream_->Write(request_, /*last=*/true);
    }
    fv1::FetchMessageResponse response;
    while (response.content().empty()) {
      absl::StatusOr<bool> more = co_await stream_->Read(response);
      if (!more.ok() || !*more) co_return more;
      if (!response.delivery_id().empty()) delivery_id_ = std::move(*response.mutable_delivery_id());
    }
    piece = std::move(*response.mutable_content());
    co_return true;
  }

 private:
  const std::unique_ptr<rpc::CallStream> stream_;
  fv1::FetchMessageRequest request_;
  // Set when the request has gone.
  bool asked_ = false;
  std::string delivery_id_;
};

}  // namespace

asio::awaitable<absl::Status> StoreApi::CallByName(absl::string_view method,
                                                   const google::protobuf::MessageLite& request,
                                                   google::protobuf::MessageLite& response,
                                                   CallContext context, Retry* told) {
  std::optional<Retry> own;
  Retry& retry = told != nullptr ? *told : own.emplace(timers_, context.patience);
  const rpc::CallOptions options = OptionsOf(context);
  while (true) {
    absl::Status status = co_await transport_.Call(method, request, response, options);
    if (status.ok()) co_return status;
    NoteFailure(method, status);
    const bool again = co_await retry.Again(status);
    if (!again) co_return status;
  }
}

asio::awaitable<std::vector<absl::Status>> StoreApi::CallAllByName(absl::string_view method,
                                                                   std::vector<rpc::OneOfMany> calls,
                                                                   CallContext context) {
  const rpc::CallOptions options = OptionsOf(context);
  Retry retry(timers_, context.patience);
  std::vector<absl::Status> ends(calls.size(), absl::UnknownError("not called yet"));
  // Indexes of what is to be called.
  std::vector<size_t> open(calls.size());
  std::iota(open.begin(), open.end(), size_t{0});
  while (true) {
    std::vector<rpc::OneOfMany> now;
    now.reserve(open.size());
    for (const size_t i : open) now.push_back(calls[i]);
    std::vector<absl::Status> ended = co_await transport_.CallAll(method, std::move(now), options);
    std::vector<size_t> failed;
    for (size_t i = 0; i < open.size(); ++i) {
      NoteFailure(method, ended[i]);
      if (WorthTryingAgain(ended[i])) failed.push_back(open[i]);
      ends[open[i]] = std::move(ended[i]);
    }
    open = std::move(failed);
    if (open.empty()) co_return ends;
    const bool again = co_await retry.Again(ends[open.front()]);
    if (!again) co_return ends;
  }
}

void StoreApi::NoteFailure(absl::string_view method, const absl::Status& status) const {
  if (observer_ == nullptr || !WorthTryingAgain(status)) return;
  observer_->TryFailed(method.substr(method.find('/') + 1), status);
}

asio::awaitable<absl::Status> StoreApi::Probe(CallContext context) {
  const grpc::health::v1::HealthCheckRequest question;
  grpc::health::v1::HealthCheckResponse health;
  CO_RETURN_IF_ERROR(co_await CallByName(kCheckHealth, question, health, context));
  if (health.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    co_return absl::UnavailableError("the store says that it cannot serve");
  }
  // The health service asks nobody who he is. This call shows whether the store takes our credential.
  fv1::ProbeRequest request;
  request.set_revision(kRevision);
  fv1::ProbeResponse response;
  co_return co_await CallByName(kProbe, request, response, std::move(context));
}

asio::awaitable<absl::StatusOr<Resolution>> StoreApi::ResolveRecipient(std::string address,
                                                                       int64_t message_bytes,
                                                                       CallContext context) {
  fv1::ResolveRecipientRequest request;
  request.set_address(std::move(address));
  request.set_message_bytes(message_bytes);
  fv1::ResolveRecipientResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kResolveRecipient, request, response, std::move(context)));
  co_return ToResolution(response);
}

asio::awaitable<std::vector<absl::StatusOr<Resolution>>> StoreApi::ResolveRecipients(
    std::vector<std::string> addresses, int64_t message_bytes, CallContext context) {
  std::vector<fv1::ResolveRecipientRequest> requests(addresses.size());
  std::vector<fv1::ResolveRecipientResponse> responses(addresses.size());
  std::vector<rpc::OneOfMany> calls;
  for (size_t i = 0; i < addresses.size(); ++i) {
    requests[i].set_address(std::move(addresses[i]));
    requests[i].set_message_bytes(message_bytes);
    calls.push_back({&requests[i], &responses[i]});
  }
  std::vector<absl::Status> ends =
      co_await CallAllByName(kResolveRecipient, std::move(calls), std::move(context));
  std::vector<absl::StatusOr<Resolution>> resolutions;
  resolutions.reserve(ends.size());
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].ok()) {
      resolutions.push_back(ToResolution(responses[i]));
    } else {
      resolutions.push_back(std::move(ends[i]));
    }
  }
  co_return resolutions;
}

asio::awaitable<absl::StatusOr<bool>> StoreApi::CheckSender(std::string account, std::string sender,
                                                            CallContext context) {
  fv1::CheckSenderRequest request;
  request.set_account(std::move(account));
  request.set_sender(std::move(sender));
  request.set_grant(context.grant);
  fv1::CheckSenderResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kCheckSender, request, response, std::move(context)));
  co_return response.allowed();
}

asio::awaitable<absl::Status> StoreApi::Deliver(const Envelope& envelope, const std::string& client_address,
                                                const std::string& content, const std::string& trace,
                                                CallContext context) {
  fv1::DeliverRequest request;
  FillFirstPiece(envelope, client_address, context.grant, request);
  request.set_content(content);
  request.mutable_end()->set_trace(trace);
  fv1::DeliverResponse response;
  Retry retry(timers_, context.patience);
  absl::Status end = co_await CallByName(kDeliver, request, response, context, &retry);
  // Whatever the last try was told: an earlier one may be under way yet.
  if (end.ok() || !retry.may_have_happened()) co_return end;
  co_return co_await Settle(envelope.delivery_id, std::move(end), std::move(context));
}

asio::awaitable<absl::Status> StoreApi::Settle(std::string delivery_id, absl::Status end,
                                               CallContext context) {
  fv1::SettleDeliveryRequest request;
  request.set_delivery_id(delivery_id);
  fv1::SettleDeliveryResponse response;
  const std::string session_id = context.session_id;
  context.patience = std::max(context.patience, context.outcome_patience);
  const absl::Status asked = co_await CallByName(kSettleDelivery, request, response, std::move(context));
  const bool stored = asked.ok() && response.outcome() == fv1::SettleDeliveryResponse::OUTCOME_STORED;
  const absl::string_view outcome = stored ? "stored" : asked.ok() ? "void" : "unknown";
  if (observer_ != nullptr) {
    observer_->DeliverySettled({.session_id = session_id,
                                .delivery_id = delivery_id,
                                .outcome = outcome,
                                .error = asked.ok() ? end : asked});
  }
  co_return stored ? absl::OkStatus() : end;
}

class StoreApi::StreamedUpload final : public Upload {
 public:
  StreamedUpload(StoreApi& store, const Envelope& envelope, const std::string& client_address,
                 absl::Duration piece_timeout, CallContext context)
      : store_(store),
        delivery_id_(envelope.delivery_id),
        context_(std::move(context)),
        call_(store.transport_.Open(kDeliver, OptionsOf(context_)), piece_timeout, store.timers_) {
    context_.timeout = piece_timeout;
    FillFirstPiece(envelope, client_address, context_.grant, next_);
  }

  asio::awaitable<absl::Status> Write(std::string piece) override {
    next_.set_content(std::move(piece));
    call_.BeginStep(co_await asio::this_coro::executor);
    absl::Status status = co_await call_.stream().Write(next_, /*last=*/false);
    next_.Clear();
    if (!status.ok()) status = co_await Why();
    co_return Explain(std::move(status));
  }

  asio::awaitable<absl::Status> Finish(std::string piece, std::string trace) override {
    next_.set_content(std::move(piece));
    next_.mutable_end()->set_trace(std::move(trace));
    call_.BeginStep(co_await asio::this_coro::executor);
    // Should it fail, the answer says why.
    co_await call_.stream().Write(next_, /*last=*/true);
    fv1::DeliverResponse response;
    absl::StatusOr<bool> more = co_await call_.stream().Read(response);
    if (more.ok() && !*more) {
      more = absl::InternalError("the store took a message and did not say that it has it");
    } else if (more.ok()) {
      // Only the end of the call makes the response valid.
      more = co_await call_.stream().Read(response);
    }
    absl::Status end = Explain(more.status());
    if (!IsOutcomeUnknown(end)) co_return end;
    co_return co_await store_.Settle(delivery_id_, std::move(end), context_);
  }

 private:
  // Why the store took no more.
  asio::awaitable<absl::Status> Why() {
    fv1::DeliverResponse response;
    const absl::StatusOr<bool> read = co_await call_.stream().Read(response);
    if (!read.ok()) co_return read.status();
    // OK before the last piece would be a store that breaks its word.
    co_return absl::InternalError("the store ended the call before the message");
  }
  absl::Status Explain(absl::Status status) {
    if (!call_.EndStep() || status.ok()) return status;
    return absl::DeadlineExceededError("the store did not take the message in time");
  }

  StoreApi& store_;
  const std::string delivery_id_;
  // For settling.
  CallContext context_;
  LimitedStream call_;
  // The piece that goes next; it has the envelope until the first one has gone.
  fv1::DeliverRequest next_;
};

std::unique_ptr<Upload> StoreApi::StartUpload(const Envelope& envelope, const std::string& client_address,
                                              absl::Duration piece_timeout, CallContext context) {
  return std::make_unique<StreamedUpload>(*this, envelope, client_address, piece_timeout, std::move(context));
}

// An exchange whose first step has all there is goes by a call, which may share a batch; another has a stream of its own.
class StoreApi::Exchange final : public Login {
 public:
  Exchange(StoreApi& store, CallContext context) : store_(store), context_(std::move(context)) {}

  asio::awaitable<absl::StatusOr<LoginStep>> Begin(sasl::Start start,
                                                   std::optional<MaildropRequest> maildrop) override {
    const bool one_step = start.mechanism == "PLAIN" && start.initial_response.has_value();
    fv1::AuthenticateRequest request;
    FillStart(std::move(start), std::move(maildrop), *request.mutable_start());
    fv1::AuthenticateResponse response;
    if (one_step) {
      CO_RETURN_IF_ERROR(co_await store_.CallByName(kAuthenticate, request, response, context_));
      co_return ToStep(response);
    }
    Retry retry(store_.timers_, context_.patience);
    while (true) {
      stream_ = store_.transport_.Open(kAuthenticate, OptionsOf(context_));
      absl::Status status = co_await Ask(request, response);
      if (status.ok()) co_return ToStep(response);
      store_.NoteFailure(kAuthenticate, status);
      const bool again = co_await retry.Again(status);
      if (!again) co_return status;
    }
  }

  asio::awaitable<absl::StatusOr<LoginStep>> Respond(std::string answer) override {
    CHECK(stream_ != nullptr);
    fv1::AuthenticateRequest request;
    request.set_response(std::move(answer));
    fv1::AuthenticateResponse response;
    const absl::Status status = co_await Ask(request, response);
    if (!status.ok()) {
      store_.NoteFailure(kAuthenticate, status);
      co_return status;
    }
    co_return ToStep(response);
  }

 private:
  asio::awaitable<absl::Status> Ask(const fv1::AuthenticateRequest& request,
                                    fv1::AuthenticateResponse& response) {
    // Should it fail, Read gives why.
    co_await stream_->Write(request, /*last=*/false);
    const absl::StatusOr<bool> answered = co_await stream_->Read(response);
    if (!answered.ok()) co_return answered.status();
    if (!*answered) co_return absl::UnavailableError("the store ended the exchange without an answer");
    co_return absl::OkStatus();
  }

  StoreApi& store_;
  const CallContext context_;
  std::unique_ptr<rpc::CallStream> stream_;
};

std::unique_ptr<Login> StoreApi::StartLogin(CallContext context) {
  return std::make_unique<Exchange>(*this, std::move(context));
}

asio::awaitable<absl::StatusOr<LoginChanges>> StoreApi::ListLoginChanges(std::string cursor,
                                                                         CallContext context) {
  fv1::ListLoginChangesRequest request;
  request.set_cursor(std::move(cursor));
  fv1::ListLoginChangesResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kListLoginChanges, request, response, std::move(context)));
  LoginChanges changes;
  changes.cursor = std::move(*response.mutable_cursor());
  changes.any = response.any();
  changes.accounts.reserve(static_cast<size_t>(response.account_ids_size()));
  for (const int64_t id : response.account_ids()) changes.accounts.push_back(AccountId{id});
  co_return changes;
}

asio::awaitable<absl::StatusOr<std::vector<EndedLogin>>> StoreApi::CheckLogins(
    std::vector<std::string> grants, CallContext context) {
  const size_t count = grants.size();
  fv1::CheckLoginsRequest request;
  for (std::string& grant : grants) request.add_grants(std::move(grant));
  fv1::CheckLoginsResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kCheckLogins, request, response, std::move(context)));
  const auto& of_sessions = response.sessions_ended();
  std::vector<EndedLogin> ended;
  for (const int32_t place : response.ended()) {
    if (place < 0 || static_cast<size_t>(place) >= count)
      co_return absl::InternalError("the store ended a login that it was not asked about");
    const bool session_ended = std::find(of_sessions.begin(), of_sessions.end(), place) != of_sessions.end();
    ended.push_back(
        {static_cast<size_t>(place), session_ended ? LoginEnd::kSessionEnded : LoginEnd::kAccountChanged});
  }
  co_return ended;
}

asio::awaitable<absl::StatusOr<TicketKeys>> StoreApi::ListTicketKeys(CallContext context) {
  const fv1::ListTicketKeysRequest request;
  fv1::ListTicketKeysResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kListTicketKeys, request, response, std::move(context)));
  TicketKeys keys;
  for (fv1::TicketKey& key : *response.mutable_keys()) {
    keys.keys.push_back({std::move(*key.mutable_secret()), ToDuration(key.open_for())});
  }
  keys.ask_again_after = ToDuration(response.ask_again_after());
  co_return keys;
}

asio::awaitable<absl::StatusOr<RenewedLease>> StoreApi::RenewLease(std::string lease_id, std::string holder,
                                                                   absl::Duration ttl, CallContext context) {
  fv1::RenewLeaseRequest request;
  request.set_lease_id(std::move(lease_id));
  request.set_holder(std::move(holder));
  SetDuration(ttl, *request.mutable_ttl());
  fv1::RenewLeaseResponse response;
  rpc::CallOptions options = OptionsOf(context);
  options.apart = true;
  const absl::Status status = co_await transport_.Call(kRenewLease, request, response, std::move(options));
  if (!status.ok()) {
    NoteFailure(kRenewLease, status);
    co_return status;
  }
  co_return RenewedLease{ToDuration(response.least_retention())};
}

asio::awaitable<absl::Status> StoreApi::EndLease(std::string lease_id, CallContext context) {
  fv1::EndLeaseRequest request;
  request.set_lease_id(std::move(lease_id));
  fv1::EndLeaseResponse response;
  co_return co_await CallByName(kEndLease, request, response, std::move(context));
}

asio::awaitable<absl::StatusOr<OpenedMaildrop>> StoreApi::OpenMaildrop(std::string grant,
                                                                       MaildropRequest maildrop,
                                                                       CallContext context) {
  fv1::OpenMaildropRequest request;
  request.set_client_address(maildrop.client_address);
  FillMaildropRequest(std::move(maildrop), request);
  request.set_grant(std::move(grant));
  fv1::OpenMaildropResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kOpenMaildrop, request, response, std::move(context)));
  co_return ToOpenedMaildrop(response);
}

asio::awaitable<absl::StatusOr<MaildropPage>> StoreApi::ListMaildrop(std::string grant,
                                                                     std::string page_token, size_t page_size,
                                                                     CallContext context) {
  fv1::ListMaildropRequest request;
  request.set_grant(std::move(grant));
  request.set_page_token(std::move(page_token));
  request.set_page_size(static_cast<int32_t>(page_size));
  fv1::ListMaildropResponse response;
  CO_RETURN_IF_ERROR(co_await CallByName(kListMaildrop, request, response, std::move(context)));
  MaildropPage page;
  CO_ASSIGN_OR_RETURN(page.entries, ToEntries(*response.mutable_entries()));
  page.next_page_token = std::move(*response.mutable_next_page_token());
  co_return page;
}

asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> StoreApi::FetchMessages(
    std::string grant, std::vector<MessageId> messages, CallContext context) {
  std::vector<fv1::FetchMessageRequest> requests(messages.size());
  std::vector<fv1::FetchMessageResponse> responses(messages.size());
  std::vector<rpc::OneOfMany> calls;
  for (size_t i = 0; i < messages.size(); ++i) {
    requests[i].set_grant(grant);
    requests[i].set_message_id(messages[i].value);
    calls.push_back({&requests[i], &responses[i]});
  }
  std::vector<absl::Status> ends =
      co_await CallAllByName(kFetchMaildropMessage, std::move(calls), std::move(context));
  std::vector<absl::StatusOr<FetchedMessage>> fetched;
  fetched.reserve(messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    if (ends[i].ok()) {
      fetched.push_back(FetchedMessage{std::move(*responses[i].mutable_content()),
                                       std::move(*responses[i].mutable_delivery_id())});
    } else {
      fetched.push_back(std::move(ends[i]));
    }
  }
  co_return fetched;
}

std::unique_ptr<Download> StoreApi::FetchMessage(std::string grant, MessageId message, CallContext context) {
  return std::make_unique<StreamedDownload>(transport_.Open(kFetchMaildropMessage, OptionsOf(context)),
                                            std::move(grant), message);
}

asio::awaitable<absl::StatusOr<CommittedMaildrop>> StoreApi::CommitMaildrop(std::string grant,
                                                                            std::string token,
                                                                            std::vector<MessageId> deletions,
                                                                            CallContext context) {
  fv1::CommitMaildropRequest request;
  request.set_grant(std::move(grant));
  request.set_token(std::move(token));
  request.mutable_message_ids()->Reserve(static_cast<int>(deletions.size()));
  for (const MessageId id : deletions) request.add_message_ids(id.value);
  fv1::CommitMaildropResponse response;
  Retry retry(timers_, context.patience, context.outcome_patience);
  const absl::Status committed =
      co_await CallByName(kCommitMaildrop, request, response, std::move(context), &retry);
  if (retry.may_have_happened() && ReasonOf(committed) == kReasonFenced) {
    // A try that had no answer may have committed before somebody else did.
    co_return absl::UnavailableError("the answer to a commit was lost");
  }
  CO_RETURN_IF_ERROR(committed);
  co_return CommittedMaildrop{response.deleted_count(), std::move(*response.mutable_version())};
}

asio::awaitable<absl::Status> StoreApi::ReleaseMaildrop(std::string grant, CallContext context) {
  fv1::ReleaseMaildropRequest request;
  request.set_grant(std::move(grant));
  fv1::ReleaseMaildropResponse response;
  co_return co_await CallByName(kReleaseMaildrop, request, response, std::move(context));
}

void StoreApi::StartReleaseMaildrop(std::string grant, CallContext context, asio::any_io_executor executor,
                                    absl::AnyInvocable<void(absl::Status)> done) {
  auto request = std::make_unique<fv1::ReleaseMaildropRequest>();
  request->set_grant(std::move(grant));
  auto ended = [this, done = std::move(done)](absl::Status status) mutable {
    NoteFailure(kReleaseMaildrop, status);
    done(std::move(status));
  };
  transport_.Start(std::move(executor), kReleaseMaildrop, std::move(request),
                   std::make_unique<fv1::ReleaseMaildropResponse>(), OptionsOf(context), std::move(ended));
}

}  // namespace mailstead::store
