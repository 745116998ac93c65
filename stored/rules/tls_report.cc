#include "stored/rules/tls_report.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace mailstead::engine {

bool TlsSessions::IsLike(const TlsSessions& other) const {
  const auto all = [](const TlsSessions& one) {
    return std::tie(one.policy_type, one.policy_domain, one.policy_strings, one.mx_host, one.address,
                    one.result, one.reason);
  };
  return all(*this) == all(other);
}

}  // namespace mailstead::engine

namespace mailstead::rules {
namespace {

size_t BytesOf(const engine::TlsSessions& sessions) {
  size_t bytes = 16 + sessions.policy_type.size() + sessions.policy_domain.size() + sessions.mx_host.size() +
                 sessions.address.size() + sessions.result.size() + sessions.reason.size();
  for (const std::string& text : sessions.policy_strings) bytes += 2 + text.size();
  return bytes;
}

// FNV-1a: the same in every process, and nobody gains by choosing it.
uint64_t HashOf(absl::string_view text) {
  uint64_t hash = 14'695'981'039'346'656'037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211u;
  return hash;
}

}  // namespace

void AddTlsSessions(const std::vector<engine::TlsSessions>& sessions, engine::TlsReport& report) {
  size_t bytes = 0;
  for (const engine::TlsSessions& each : report.sessions) bytes += BytesOf(each);
  for (const engine::TlsSessions& each : sessions) {
    const auto like = std::find_if(report.sessions.begin(), report.sessions.end(),
                                   [&each](const engine::TlsSessions& other) { return each.IsLike(other); });
    if (like != report.sessions.end()) {
      like->count += each.count;
      continue;
    }
    const size_t more = BytesOf(each);
    if (report.sessions.size() >= kMaxTlsSessionKinds || bytes + more > kMaxTlsReportBytes) continue;
    bytes += more;
    report.sessions.push_back(each);
  }
}

absl::Time TlsReportDue(const engine::TlsReportKey& key, absl::Time end) {
  const auto part = static_cast<int64_t>(HashOf(key.domain) % 1000);
  const absl::Duration step = (end - key.start) / 12;
  return end + absl::Trunc(step + step * part / 1000, absl::Microseconds(1));
}

absl::Status NoTlsReport(const engine::TlsReportKey& key) {
  return absl::NotFoundError(absl::StrCat("there is no report for ", key.domain, " of that time"));
}

absl::Status CheckTlsReportLease(const engine::TlsReport& report, int64_t lease) {
  if (report.lease_count == lease) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("the report for ", report.key.domain, " was given to another relay"));
}

}  // namespace mailstead::rules
