#include "common/store/relay_api.h"

#include <utility>

#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "common/store/envelope_convert.h"
#include "mailstead/frontend/v1/relay.pb.h"
#include "mailstead/frontend/v1/signing.pb.h"

namespace mailstead::store {
namespace {

namespace fv1 = ::mailstead::frontend::v1;

constexpr Method<fv1::LeaseAttemptsRequest, fv1::LeaseAttemptsResponse> kLeaseAttempts{
    "mailstead.frontend.v1.RelayService/LeaseAttempts"};
// Several responses.
constexpr Method<fv1::FetchQueuedMessageRequest, fv1::FetchQueuedMessageResponse> kFetchQueuedMessage{
    "mailstead.frontend.v1.RelayService/FetchQueuedMessage"};
constexpr Method<fv1::ReportAttemptsRequest, fv1::ReportAttemptsResponse> kReportAttempts{
    "mailstead.frontend.v1.RelayService/ReportAttempts"};

constexpr Method<fv1::SignMessageRequest, fv1::SignMessageResponse> kSignMessage{
    "mailstead.frontend.v1.SigningService/SignMessage"};
constexpr Method<fv1::ListPendingKeysRequest, fv1::ListPendingKeysResponse> kListPendingKeys{
    "mailstead.frontend.v1.SigningService/ListPendingKeys"};
constexpr Method<fv1::ReportKeyRecordsRequest, fv1::ReportKeyRecordsResponse> kReportKeyRecords{
    "mailstead.frontend.v1.SigningService/ReportKeyRecords"};

absl::Time ToTime(const google::protobuf::Timestamp& proto) {
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

void SetDuration(absl::Duration from, google::protobuf::Duration& to) {
  to.set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

Route::Tls ToTls(v1::RouteTls tls) {
  switch (tls) {
    case v1::ROUTE_TLS_NONE:
      return Route::Tls::kNone;
    case v1::ROUTE_TLS_REQUIRE:
      return Route::Tls::kRequire;
    case v1::ROUTE_TLS_VERIFY:
      return Route::Tls::kVerify;
    default:
      return Route::Tls::kMay;
  }
}

Route ToRoute(const v1::Route& proto, std::string password) {
  Route route;
  for (const v1::RouteHost& host : proto.hosts()) {
    route.hosts.push_back({host.host(), static_cast<uint16_t>(host.port() == 0 ? 25 : host.port())});
  }
  route.tls = ToTls(proto.tls());
  route.user = proto.user();
  route.password = std::move(password);
  route.source_address = proto.source_address();
  route.ehlo_name = proto.ehlo_name();
  return route;
}

absl::StatusOr<QueueAttempt> ToAttempt(fv1::Attempt& proto) {
  QueueAttempt attempt;
  attempt.message = QueueId{proto.queue_id()};
  attempt.grant = proto.grant();
  attempt.destination = std::move(*proto.mutable_destination());
  attempt.probe = proto.probe();
  attempt.tls_broken = proto.tls_broken();
  ASSIGN_OR_RETURN(attempt.envelope, FromProto(proto.envelope()));
  attempt.recipient_numbers.assign(proto.recipient_numbers().begin(), proto.recipient_numbers().end());
  if (attempt.recipient_numbers.size() != attempt.envelope.recipients.size()) {
    return absl::InternalError("the store's attempt has not one number for each recipient");
  }
  attempt.size_bytes = proto.size_bytes();
  attempt.queue_time = ToTime(proto.queue_time());
  attempt.expire_time = ToTime(proto.expire_time());
  attempt.attempt_count = proto.attempt_count();
  if (proto.has_route()) {
    attempt.route = ToRoute(proto.route(), std::move(*proto.mutable_route_password()));
  }
  attempt.content = std::move(*proto.mutable_content());
  attempt.to_be_signed = proto.to_be_signed();
  return attempt;
}

fv1::RecipientOutcome::Kind ToProto(QueueOutcome::Kind kind) {
  switch (kind) {
    case QueueOutcome::Kind::kDelivered:
      return fv1::RecipientOutcome::KIND_DELIVERED;
    case QueueOutcome::Kind::kFailed:
      return fv1::RecipientOutcome::KIND_FAILED;
    case QueueOutcome::Kind::kDeferred:
      break;
  }
  return fv1::RecipientOutcome::KIND_DEFERRED;
}

fv1::AttemptReport::Sign ToProto(QueueReport::Sign sign) {
  switch (sign) {
    case QueueReport::Sign::kAnswered:
      return fv1::AttemptReport::SIGN_ANSWERED;
    case QueueReport::Sign::kUnreachable:
      return fv1::AttemptReport::SIGN_UNREACHABLE;
    case QueueReport::Sign::kNone:
      break;
  }
  return fv1::AttemptReport::SIGN_UNSPECIFIED;
}

fv1::AttemptReport::Tls ToProto(QueueReport::Tls tls) {
  switch (tls) {
    case QueueReport::Tls::kUsed:
      return fv1::AttemptReport::TLS_USED;
    case QueueReport::Tls::kBroken:
      return fv1::AttemptReport::TLS_BROKEN;
    case QueueReport::Tls::kNone:
      break;
  }
  return fv1::AttemptReport::TLS_UNSPECIFIED;
}

void Fill(QueueOutcome outcome, fv1::RecipientOutcome& proto) {
  proto.set_number(outcome.number);
  proto.set_kind(ToProto(outcome.kind));
  proto.set_reply_code(outcome.code);
  proto.set_reply_status(std::move(outcome.status));
  proto.set_reply_text(std::move(outcome.text));
  proto.set_reply_host(std::move(outcome.host));
  if (outcome.retry_after > absl::ZeroDuration()) SetDuration(outcome.retry_after, *proto.mutable_retry_after());
  proto.set_dsn_relayed(outcome.dsn_relayed);
}

void Fill(QueueReport report, fv1::AttemptReport& proto) {
  proto.set_queue_id(report.message.value);
  proto.set_grant(report.grant);
  for (QueueOutcome& outcome : report.outcomes) Fill(std::move(outcome), *proto.add_outcomes());
  proto.set_sign(ToProto(report.sign));
  proto.set_site(std::move(report.site));
  proto.set_tls(ToProto(report.tls));
}

class StreamedBody final : public RelayApi::Body {
 public:
  using Stream = TypedStream<fv1::FetchQueuedMessageRequest, fv1::FetchQueuedMessageResponse>;
  StreamedBody(Stream stream, QueueId message) : stream_(std::move(stream)), message_(message) {}

  asio::awaitable<absl::StatusOr<std::string>> Read() override {
    if (!begun_) {
      begun_ = true;
      fv1::FetchQueuedMessageRequest request;
      request.set_queue_id(message_.value);
      CO_RETURN_IF_ERROR(co_await stream_.Write(request, /*last=*/true));
    }
    fv1::FetchQueuedMessageResponse response;
    // A message without a byte is one empty piece, and so is what follows it.
    CO_ASSIGN_OR_RETURN(const bool more, co_await stream_.Read(response));
    if (!more) co_return std::string();
    co_return std::move(*response.mutable_content());
  }

 private:
  Stream stream_;
  const QueueId message_;
  bool begun_ = false;
};

}  // namespace

asio::awaitable<absl::StatusOr<std::vector<QueueAttempt>>> RelayApi::LeaseAttempts(std::string lease_id, int limit,
                                                                                   absl::Duration wait,
                                                                                   CallContext context) {
  fv1::LeaseAttemptsRequest request;
  request.set_lease_id(std::move(lease_id));
  request.set_attempt_limit(limit);
  SetDuration(wait, *request.mutable_wait());
  context.timeout += wait;
  CO_ASSIGN_OR_RETURN(fv1::LeaseAttemptsResponse response,
                      co_await store_.Call(kLeaseAttempts, std::move(request), std::move(context)));
  std::vector<QueueAttempt> attempts;
  for (fv1::Attempt& proto : *response.mutable_attempts()) {
    CO_ASSIGN_OR_RETURN(QueueAttempt attempt, ToAttempt(proto));
    attempts.push_back(std::move(attempt));
  }
  co_return attempts;
}

asio::awaitable<absl::StatusOr<std::string>> RelayApi::FetchWhole(QueueId message, CallContext context) {
  fv1::FetchQueuedMessageRequest request;
  request.set_queue_id(message.value);
  CO_ASSIGN_OR_RETURN(fv1::FetchQueuedMessageResponse response,
                      co_await store_.Call(kFetchQueuedMessage, std::move(request), std::move(context)));
  co_return std::move(*response.mutable_content());
}

std::unique_ptr<RelayApi::Body> RelayApi::Fetch(QueueId message, CallContext context) {
  return std::make_unique<StreamedBody>(store_.Open(kFetchQueuedMessage, std::move(context)), message);
}

asio::awaitable<absl::StatusOr<std::vector<absl::Status>>> RelayApi::Report(std::vector<QueueReport> reports,
                                                                            CallContext context) {
  fv1::ReportAttemptsRequest request;
  for (QueueReport& report : reports) Fill(std::move(report), *request.add_reports());
  CO_ASSIGN_OR_RETURN(const fv1::ReportAttemptsResponse response,
                      co_await store_.Call(kReportAttempts, std::move(request), std::move(context)));
  if (static_cast<size_t>(response.results_size()) != reports.size()) {
    co_return absl::InternalError("the store has not answered each report");
  }
  std::vector<absl::Status> results;
  for (const google::rpc::Status& result : response.results()) results.push_back(rpc::FromProto(result));
  co_return results;
}

asio::awaitable<absl::StatusOr<std::string>> RelayApi::Sign(SigningRequest from, CallContext context) {
  fv1::SignMessageRequest request;
  request.set_queue_id(from.message.value);
  request.set_recipient_number(from.recipient_number);
  for (std::string& name : from.names) request.add_names(std::move(name));
  request.set_canonical_header(std::move(from.canonical_header));
  request.set_body_sha256(std::move(from.body_sha256));
  CO_ASSIGN_OR_RETURN(fv1::SignMessageResponse response,
                      co_await store_.Call(kSignMessage, std::move(request), std::move(context)));
  co_return std::move(*response.mutable_fields());
}

asio::awaitable<absl::StatusOr<std::vector<PendingKey>>> RelayApi::ListPendingKeys(CallContext context) {
  fv1::ListPendingKeysRequest request;
  CO_ASSIGN_OR_RETURN(fv1::ListPendingKeysResponse response,
                      co_await store_.Call(kListPendingKeys, std::move(request), std::move(context)));
  std::vector<PendingKey> keys;
  for (fv1::PendingKey& proto : *response.mutable_keys()) {
    keys.push_back({std::move(*proto.mutable_domain()), std::move(*proto.mutable_selector()),
                    std::move(*proto.mutable_record_name())});
  }
  co_return keys;
}

asio::awaitable<absl::Status> RelayApi::ReportKeyRecords(std::vector<KeyRecords> seen, CallContext context) {
  fv1::ReportKeyRecordsRequest request;
  for (KeyRecords& from : seen) {
    fv1::KeyRecords& to = *request.add_keys();
    to.set_domain(std::move(from.domain));
    to.set_selector(std::move(from.selector));
    to.set_failed(from.failed);
    for (std::string& record : from.records) to.add_records(std::move(record));
  }
  const auto response = co_await store_.Call(kReportKeyRecords, std::move(request), std::move(context));
  co_return response.status();
}

}  // namespace mailstead::store
