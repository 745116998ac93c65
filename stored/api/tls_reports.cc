#include "stored/api/tls_reports.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/mailauth/tls_report_record.h"
#include "common/mailauth/tls_result.h"
#include "common/rpc/errors.h"
#include "common/store/tls_report_limits.h"
#include "common/text/utf8.h"
#include "stored/api/convert/values.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

constexpr size_t kMaxNameBytes = 255;
constexpr int kMaxPolicyStrings = 64;
constexpr size_t kMaxPolicyStringBytes = 512;
// More than all mail of a day.
constexpr int64_t kMostSessions = int64_t{1} << 40;

bool IsText(const std::string& text, size_t max_bytes) {
  return text.size() <= max_bytes && IsAscii(text) && !HasControlCharacter(text);
}

bool IsPolicyType(const std::string& name) {
  return std::any_of(
      std::begin(mailauth::kAllTlsPolicyTypes), std::end(mailauth::kAllTlsPolicyTypes),
      [&name](mailauth::TlsPolicyType type) { return mailauth::PolicyTypeName(type) == name; });
}

bool IsFailure(const std::string& name) {
  return std::any_of(
      std::begin(mailauth::kAllTlsFailures), std::end(mailauth::kAllTlsFailures),
      [&name](mailauth::TlsFailure failure) { return mailauth::FailureName(failure) == name; });
}

absl::StatusOr<engine::TlsSessions> FromProto(const std::string& field, const v1::TlsSessions& proto) {
  const auto bad = [&field](absl::string_view name, absl::string_view why) {
    return FieldError(absl::StrCat(field, ".", name), why);
  };
  if (!IsPolicyType(proto.policy_type())) return bad("policy_type", "is none of RFC 8460");
  if (!proto.result_type().empty() && !IsFailure(proto.result_type()))
    return bad("result_type", "is none of RFC 8460");
  if (!IsText(proto.policy_domain(), kMaxNameBytes)) return bad("policy_domain", "must be a name");
  if (!IsText(proto.mx_host(), kMaxNameBytes)) return bad("mx_host", "must be a name");
  if (!IsText(proto.address(), kMaxNameBytes)) return bad("address", "must be an address");
  if (!IsText(proto.reason_code(), kMaxNameBytes))
    return bad("reason_code", "must be ASCII of at most 255 bytes");
  const bool are_texts =
      proto.policy_strings_size() <= kMaxPolicyStrings &&
      std::all_of(proto.policy_strings().begin(), proto.policy_strings().end(),
                  [](const std::string& text) { return IsText(text, kMaxPolicyStringBytes); });
  if (!are_texts) return bad("policy_strings", "must be at most 64, of 512 bytes of ASCII each");
  if (proto.session_count() < 1 || proto.session_count() > kMostSessions) {
    return bad("session_count", "must be at least 1");
  }
  engine::TlsSessions sessions;
  sessions.policy_type = proto.policy_type();
  sessions.policy_domain = proto.policy_domain();
  sessions.policy_strings.assign(proto.policy_strings().begin(), proto.policy_strings().end());
  sessions.mx_host = proto.mx_host();
  sessions.address = proto.address();
  sessions.result = proto.result_type();
  sessions.reason = proto.reason_code();
  sessions.count = proto.session_count();
  return sessions;
}

absl::StatusOr<engine::TlsReportKey> KeyFrom(const std::string& domain,
                                             const google::protobuf::Timestamp& start) {
  engine::TlsReportKey key;
  ASSIGN_OR_RETURN(key.domain, CheckDomainName("domain", domain));
  key.start = absl::FromUnixSeconds(start.seconds()) + absl::Nanoseconds(start.nanos());
  return key;
}

}  // namespace

Task<absl::Status> CountTlsSessions(Environment& environment, rpc::Call&,
                                    const v1::CountTlsSessionsRequest& request,
                                    v1::CountTlsSessionsResponse& response) {
  if (request.domains_size() < 1 || request.domains_size() > store::kMaxCountedTlsDomains) {
    co_return FieldError("domains", absl::StrCat("must be 1 to ", store::kMaxCountedTlsDomains));
  }
  std::vector<TlsReports::Sessions> counts;
  for (int i = 0; i < request.domains_size(); ++i) {
    const v1::DomainTlsSessions& proto = request.domains(i);
    const std::string field = absl::StrCat("domains[", i, "]");
    TlsReports::Sessions& count = counts.emplace_back();
    CO_ASSIGN_OR_RETURN(count.domain, CheckDomainName(field + ".domain", proto.domain()));
    for (int j = 0; j < proto.sessions_size(); ++j) {
      CO_ASSIGN_OR_RETURN(engine::TlsSessions sessions,
                          FromProto(absl::StrCat(field, ".sessions[", j, "]"), proto.sessions(j)));
      count.sessions.push_back(std::move(sessions));
    }
  }
  response.set_reports_wanted(environment.core.tls_reports.wanted());
  co_return co_await environment.core.tls_reports.Count(std::move(counts));
}

Task<absl::Status> LeaseTlsReports(Environment& environment, rpc::Call&,
                                   const v1::LeaseTlsReportsRequest& request,
                                   v1::LeaseTlsReportsResponse& response) {
  if (request.report_limit() < 1 || request.report_limit() > store::kMaxLeasedTlsReports) {
    co_return FieldError("report_limit", absl::StrCat("must be 1 to ", store::kMaxLeasedTlsReports));
  }
  CO_ASSIGN_OR_RETURN(std::vector<TlsReports::Due> due, co_await environment.core.tls_reports.Lease(
                                                            static_cast<size_t>(request.report_limit())));
  for (TlsReports::Due& each : due) {
    v1::DueTlsReport& report = *response.add_reports();
    report.set_domain(std::move(each.key.domain));
    ToProto(each.key.start, *report.mutable_start_time());
    report.set_lease(each.lease);
    report.set_content(std::move(each.content));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> FinishTlsReport(Environment& environment, rpc::Call&,
                                   const v1::FinishTlsReportRequest& request, v1::FinishTlsReportResponse&) {
  CO_ASSIGN_OR_RETURN(engine::TlsReportKey key, KeyFrom(request.domain(), request.start_time()));
  if (request.mail_to_size() > static_cast<int>(mailauth::kMaxReportUris)) {
    co_return FieldError("mail_to", absl::StrCat("must be at most ", mailauth::kMaxReportUris));
  }
  std::vector<std::string> mail_to;
  for (const std::string& text : request.mail_to()) {
    const absl::StatusOr<Address> address = ParseAddress(text);
    if (!address.ok() || !address->is_ascii()) co_return FieldError("mail_to", "must be addresses");
    mail_to.push_back(address->ToString());
  }
  co_return co_await environment.core.tls_reports.Finish(std::move(key), request.lease(), std::move(mail_to));
}

}  // namespace mailstead::stored
