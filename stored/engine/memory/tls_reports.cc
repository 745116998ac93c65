// Reports on TLS to other domains.
#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/tls_report.h"

namespace mailstead::engine {

Task<absl::Status> MemoryTlsReports::Count(std::vector<TlsReport> counts) {
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    auto& reports = state.tls_reports;
    for (TlsReport& count : counts) {
      auto found = reports.find(count.key);
      if (found == reports.end()) {
        if (static_cast<int64_t>(reports.size()) >= rules::kMaxTlsReports) continue;
        TlsReport made = count;
        made.lease_count = 0;
        made.sessions.clear();
        found = reports.emplace(count.key, std::move(made)).first;
      }
      rules::AddTlsSessions(count.sessions, found->second);
    }
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::vector<TlsReport>>> MemoryTlsReports::Lease(absl::Time now, size_t limit) {
  std::vector<TlsReport> leased;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    auto& reports = state.tls_reports;
    const auto before = [](const TlsReport* a, const TlsReport* b) {
      return std::tie(a->due_time, a->key) < std::tie(b->due_time, b->key);
    };
    std::vector<TlsReport*> due;
    for (auto& [key, report] : reports) {
      if (report.due_time <= now) due.push_back(&report);
    }
    std::sort(due.begin(), due.end(), before);
    if (due.size() > limit) due.resize(limit);
    for (TlsReport* const report : due) {
      if (report->lease_count >= rules::kMaxTlsReportLeases) {
        reports.erase(TlsReportKey(report->key));
        continue;
      }
      ++report->lease_count;
      report->due_time = now + rules::kTlsReportLease;
      leased.push_back(*report);
    }
  }
  co_await shared_.End();
  co_return leased;
}

Task<absl::StatusOr<TlsReport>> MemoryTlsReports::Find(TlsReportKey key, int64_t lease) {
  absl::StatusOr<TlsReport> result = rules::NoTlsReport(key);
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto found = state.tls_reports.find(key);
    if (found != state.tls_reports.end()) {
      result = found->second;
      const absl::Status holds = rules::CheckTlsReportLease(found->second, lease);
      if (!holds.ok()) result = holds;
    }
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::Status> MemoryTlsReports::Finish(TlsReportKey key, int64_t lease) {
  absl::Status result = rules::NoTlsReport(key);
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto found = state.tls_reports.find(key);
    if (found != state.tls_reports.end()) result = rules::CheckTlsReportLease(found->second, lease);
    if (result.ok()) state.tls_reports.erase(found);
  }
  co_await shared_.End();
  co_return result;
}

}  // namespace mailstead::engine
