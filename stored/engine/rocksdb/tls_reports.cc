// Reports on TLS to other domains.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/tls_report.h"

namespace mailstead::engine {
namespace {

absl::StatusOr<int64_t> CountIn(const Batch& batch) {
  ASSIGN_OR_RETURN(const std::optional<TlsReportCount> counted,
                   FindRecord<TlsReportCount>(batch, Family::kQueue, kTlsReportCountKey));
  return counted.value_or(TlsReportCount()).count;
}

void PutCount(Batch& batch, int64_t count) {
  batch.Put(Family::kQueue, kTlsReportCountKey, Encode(TlsReportCount{count}));
}

void Put(Batch& batch, const TlsReport& report) {
  batch.Put(Family::kQueue, KeyOfTlsReport(report.key), Encode(report));
  batch.Put(Family::kQueue, TlsReportDueKey(report.due_time, report.key), "");
}

void Remove(Batch& batch, const TlsReport& report) {
  batch.Delete(Family::kQueue, KeyOfTlsReport(report.key));
  batch.Delete(Family::kQueue, TlsReportDueKey(report.due_time, report.key));
}

class CountChange final : public Change {
 public:
  explicit CountChange(const std::vector<TlsReport>& counts) : counts_(counts) {}

  absl::Status Apply(Batch& batch) override {
    ASSIGN_OR_RETURN(int64_t report_count, CountIn(batch));
    for (const TlsReport& count : counts_) {
      ASSIGN_OR_RETURN(std::optional<TlsReport> report,
                       FindRecord<TlsReport>(batch, Family::kQueue, KeyOfTlsReport(count.key)));
      if (!report.has_value()) {
        if (report_count >= rules::kMaxTlsReports) continue;
        ++report_count;
        report = count;
        report->lease_count = 0;
        report->sessions.clear();
      }
      rules::AddTlsSessions(count.sessions, *report);
      Put(batch, *report);
    }
    PutCount(batch, report_count);
    return absl::OkStatus();
  }
  size_t record_count() const override { return 1 + 3 * counts_.size(); }
  size_t size_bytes() const override { return counts_.size() * rules::kMaxTlsReportBytes; }

 private:
  const std::vector<TlsReport>& counts_;
};

class LeaseChange final : public Change {
 public:
  LeaseChange(absl::Time now, size_t limit) : now_(now), limit_(limit) {}

  absl::Status Apply(Batch& batch) override {
    leased_.clear();
    std::vector<TlsReportKey> due;
    RETURN_IF_ERROR(batch.Scan(Family::kQueue, std::string(1, kTlsReportDueKind),
                               QueueTimeBound(kTlsReportDueKind, now_ + absl::Microseconds(1)),
                               [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                 due.push_back(TlsReportOfDueKey(key));
                                 return due.size() < limit_;
                               }));
    if (due.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(int64_t report_count, CountIn(batch));
    for (const TlsReportKey& key : due) {
      ASSIGN_OR_RETURN(std::optional<TlsReport> report,
                       FindRecord<TlsReport>(batch, Family::kQueue, KeyOfTlsReport(key)));
      if (!report.has_value()) return absl::DataLossError("a report on TLS that is due is not there");
      Remove(batch, *report);
      if (report->lease_count >= rules::kMaxTlsReportLeases) {
        --report_count;
        continue;
      }
      ++report->lease_count;
      report->due_time = now_ + rules::kTlsReportLease;
      Put(batch, *report);
      leased_.push_back(*std::move(report));
    }
    PutCount(batch, report_count);
    return absl::OkStatus();
  }
  size_t record_count() const override { return 1 + 5 * limit_; }
  size_t size_bytes() const override { return limit_ * rules::kMaxTlsReportBytes; }

  std::vector<TlsReport> TakeLeased() { return std::move(leased_); }

 private:
  const absl::Time now_;
  const size_t limit_;
  std::vector<TlsReport> leased_;
};

absl::StatusOr<TlsReport> FindLeased(const Source& source, const TlsReportKey& key, int64_t lease) {
  ASSIGN_OR_RETURN(std::optional<TlsReport> report,
                   FindRecord<TlsReport>(source, Family::kQueue, KeyOfTlsReport(key)));
  if (!report.has_value()) return rules::NoTlsReport(key);
  RETURN_IF_ERROR(rules::CheckTlsReportLease(*report, lease));
  return *std::move(report);
}

}  // namespace

Task<absl::Status> RocksDbTlsReports::Count(std::vector<TlsReport> counts) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  CountChange change(counts);
  co_return co_await shared_.writer().Commit(change);
}

Task<absl::StatusOr<std::vector<TlsReport>>> RocksDbTlsReports::Lease(absl::Time now, size_t limit) {
  LeaseChange change(now, limit);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  co_return change.TakeLeased();
}

Task<absl::StatusOr<TlsReport>> RocksDbTlsReports::Find(TlsReportKey key, int64_t lease) {
  const auto read = [&](const Database::Use& use) { return FindLeased(use, key, lease); };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::Status> RocksDbTlsReports::Finish(TlsReportKey key, int64_t lease) {
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const TlsReport report, FindLeased(batch, key, lease));
    ASSIGN_OR_RETURN(const int64_t report_count, CountIn(batch));
    Remove(batch, report);
    PutCount(batch, report_count - 1);
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

}  // namespace mailstead::engine
