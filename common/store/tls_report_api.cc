#include "common/store/tls_report_api.h"

#include <tuple>
#include <utility>

#include "common/base/status.h"
#include "mailstead/frontend/v1/tls_report.pb.h"

namespace mailstead::store {
namespace {

namespace fv1 = ::mailstead::frontend::v1;

constexpr Method<fv1::CountTlsSessionsRequest, fv1::CountTlsSessionsResponse> kCountTlsSessions{
    "mailstead.frontend.v1.TlsReportService/CountTlsSessions"};
constexpr Method<fv1::LeaseTlsReportsRequest, fv1::LeaseTlsReportsResponse> kLeaseTlsReports{
    "mailstead.frontend.v1.TlsReportService/LeaseTlsReports"};
constexpr Method<fv1::FinishTlsReportRequest, fv1::FinishTlsReportResponse> kFinishTlsReport{
    "mailstead.frontend.v1.TlsReportService/FinishTlsReport"};

void ToProto(TlsSessions sessions, fv1::TlsSessions& proto) {
  proto.set_policy_type(std::move(sessions.policy_type));
  proto.set_policy_domain(std::move(sessions.policy_domain));
  for (std::string& text : sessions.policy_strings) proto.add_policy_strings(std::move(text));
  proto.set_mx_host(std::move(sessions.mx_host));
  proto.set_address(std::move(sessions.address));
  proto.set_result_type(std::move(sessions.result_type));
  proto.set_reason_code(std::move(sessions.reason_code));
  proto.set_session_count(sessions.count);
}

}  // namespace

bool TlsSessions::IsLike(const TlsSessions& other) const {
  const auto all = [](const TlsSessions& one) {
    return std::tie(one.policy_type, one.policy_domain, one.policy_strings, one.mx_host, one.address,
                    one.result_type, one.reason_code);
  };
  return all(*this) == all(other);
}

asio::awaitable<absl::StatusOr<bool>> TlsReportApi::Count(std::vector<DomainTlsSessions> counts,
                                                          CallContext context) {
  fv1::CountTlsSessionsRequest request;
  for (DomainTlsSessions& count : counts) {
    fv1::DomainTlsSessions& proto = *request.add_domains();
    proto.set_domain(std::move(count.domain));
    for (TlsSessions& sessions : count.sessions) ToProto(std::move(sessions), *proto.add_sessions());
  }
  CO_ASSIGN_OR_RETURN(const fv1::CountTlsSessionsResponse response,
                      co_await store_.Call(kCountTlsSessions, std::move(request), std::move(context)));
  co_return response.reports_wanted();
}

asio::awaitable<absl::StatusOr<std::vector<DueTlsReport>>> TlsReportApi::Lease(int limit,
                                                                               CallContext context) {
  fv1::LeaseTlsReportsRequest request;
  request.set_report_limit(limit);
  CO_ASSIGN_OR_RETURN(fv1::LeaseTlsReportsResponse response,
                      co_await store_.Call(kLeaseTlsReports, std::move(request), std::move(context)));
  std::vector<DueTlsReport> due;
  for (fv1::DueTlsReport& proto : *response.mutable_reports()) {
    DueTlsReport& report = due.emplace_back();
    report.domain = std::move(*proto.mutable_domain());
    report.start_time =
        absl::FromUnixSeconds(proto.start_time().seconds()) + absl::Nanoseconds(proto.start_time().nanos());
    report.lease = proto.lease();
    report.content = std::move(*proto.mutable_content());
  }
  co_return due;
}

asio::awaitable<absl::Status> TlsReportApi::Finish(DueTlsReport report, std::vector<std::string> mail_to,
                                                   CallContext context) {
  fv1::FinishTlsReportRequest request;
  request.set_domain(std::move(report.domain));
  const absl::Duration since = report.start_time - absl::UnixEpoch();
  request.mutable_start_time()->set_seconds(absl::ToInt64Seconds(since));
  request.mutable_start_time()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(since - absl::Trunc(since, absl::Seconds(1)))));
  request.set_lease(report.lease);
  for (std::string& address : mail_to) request.add_mail_to(std::move(address));
  const absl::StatusOr<fv1::FinishTlsReportResponse> response =
      co_await store_.Call(kFinishTlsReport, std::move(request), std::move(context));
  co_return response.status();
}

}  // namespace mailstead::store
