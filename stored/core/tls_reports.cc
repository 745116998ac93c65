#include "stored/core/tls_reports.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/store/tls_report_limits.h"
#include "stored/core/digest.h"
#include "stored/rules/lane.h"
#include "stored/rules/tls_report.h"

namespace mailstead::stored {
namespace {

constexpr absl::string_view kScope = "tls_report";

mailauth::TlsReportPolicy PolicyOf(const engine::TlsSessions& sessions) {
  mailauth::TlsReportPolicy policy;
  policy.type = sessions.policy_type;
  policy.domain = sessions.policy_domain;
  policy.strings = sessions.policy_strings;
  for (absl::string_view line : sessions.policy_strings) {
    // RFC 8461 section 3.2; of TLSA records none begins like this.
    if (absl::ConsumePrefix(&line, "mx:")) policy.mx_hosts.emplace_back(absl::StripAsciiWhitespace(line));
  }
  return policy;
}

bool IsOf(const engine::TlsSessions& sessions, const mailauth::TlsReportPolicy& policy) {
  return sessions.policy_type == policy.type && sessions.policy_domain == policy.domain &&
         sessions.policy_strings == policy.strings;
}

// The same for the same report: a repeat of its mail is none.
std::string IdOf(const engine::TlsReportKey& key) {
  const std::string digest = Sha256(key.domain);
  return absl::StrCat(store::kTlsReportDeliveryIdPrefix, absl::ToUnixSeconds(key.start), "-",
                      absl::BytesToHexString(digest.substr(0, 12)));
}

}  // namespace

Task<absl::Status> TlsReports::Count(std::vector<Sessions> counts) {
  if (!wanted()) co_return absl::OkStatus();
  const absl::Duration since = clock_.Now() - absl::UnixEpoch();
  const absl::Time start = absl::UnixEpoch() + absl::Floor(since, options_.period);
  std::vector<engine::TlsReport> reports;
  for (Sessions& each : counts) {
    engine::TlsReport& report = reports.emplace_back();
    report.key = {start, std::move(each.domain)};
    report.end = start + options_.period;
    report.due_time = rules::TlsReportDue(report.key, report.end);
    report.sessions = std::move(each.sessions);
  }
  co_return co_await engine_.Count(std::move(reports));
}

mailauth::TlsReport TlsReports::ReportOf(engine::TlsReport kept) const {
  mailauth::TlsReport report;
  report.organization = options_.organization;
  report.contact = options_.contact;
  report.id = IdOf(kept.key);
  report.start = kept.key.start;
  report.end = kept.end;
  report.domain = std::move(kept.key.domain);
  for (engine::TlsSessions& sessions : kept.sessions) {
    auto policy = std::find_if(report.policies.begin(), report.policies.end(),
                               [&sessions](const auto& each) { return IsOf(sessions, each); });
    if (policy == report.policies.end()) policy = report.policies.insert(policy, PolicyOf(sessions));
    if (sessions.result.empty()) {
      policy->success_count += sessions.count;
      continue;
    }
    policy->failure_count += sessions.count;
    policy->failures.push_back({std::move(sessions.result), std::move(sessions.mx_host),
                                std::move(sessions.address), std::move(sessions.reason), sessions.count});
  }
  return report;
}

Task<absl::StatusOr<std::vector<TlsReports::Due>>> TlsReports::Lease(size_t limit) {
  std::vector<Due> due;
  if (!wanted()) co_return due;
  CO_ASSIGN_OR_RETURN(std::vector<engine::TlsReport> leased, co_await engine_.Lease(clock_.Now(), limit));
  for (engine::TlsReport& report : leased) {
    const engine::TlsReportKey key = report.key;
    const int64_t lease = report.lease_count;
    due.push_back({key, lease, mailauth::Gzip(mailauth::TlsReportJson(ReportOf(std::move(report))))});
  }
  co_return due;
}

Task<absl::Status> TlsReports::Mail(const mailauth::TlsReport& report, std::vector<std::string> mail_to) {
  mailauth::TlsReportMail mail{host_name_, clock_.Now(), std::move(mail_to)};
  mailauth::WrittenTlsReport written = mailauth::WriteTlsReportMail(report, mail);
  Intake intake(intake_, std::string(kScope), Promise::kGiven);
  intake.AllowRelay();
  // So that it is signed: RFC 8460 section 3.
  intake.SetLane(std::string(rules::kNoticeLane));
  intake.KeepWhole();
  written.envelope.delivery_id = report.id;
  CO_RETURN_IF_ERROR(co_await intake.Begin(std::move(written.envelope)));
  CO_RETURN_IF_ERROR(co_await intake.Append(std::move(written.content)));
  const absl::StatusOr<Taken> taken = co_await intake.Finish("");
  co_return taken.status();
}

Task<absl::Status> TlsReports::Finish(engine::TlsReportKey key, int64_t lease,
                                      std::vector<std::string> mail_to) {
  if (!mail_to.empty() && wanted()) {
    CO_ASSIGN_OR_RETURN(engine::TlsReport report, co_await engine_.Find(key, lease));
    const absl::Status mailed = co_await Mail(ReportOf(std::move(report)), std::move(mail_to));
    // One that cannot be sent now cannot be sent by another relay either.
    if (!mailed.ok() && IsTemporary(mailed)) co_return mailed;
  }
  co_return co_await engine_.Finish(std::move(key), lease);
}

}  // namespace mailstead::stored
