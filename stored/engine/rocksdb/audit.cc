// The audit: a record for each entry, under its kind and number; and the number of the newest of each kind.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"

namespace mailstead::engine {
namespace {

absl::StatusOr<int64_t> NewestOf(const Source& source, AuditKind kind) {
  ASSIGN_OR_RETURN(const auto end, FindRecord<AuditEnd>(source, Family::kMeta, AuditEndKey(kind)));
  return end.has_value() ? end->newest : 0;
}

}  // namespace

Task<absl::Status> RocksDbAudit::Append(std::vector<AuditEntry> entries) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    std::map<AuditKind, int64_t> newest;
    for (const AuditKind kind : kAuditKinds) {
      ASSIGN_OR_RETURN(newest[kind], NewestOf(batch, kind));
    }
    for (AuditEntry& entry : entries) {
      entry.number = ++newest[entry.kind];
      batch.Put(Family::kMeta, AuditKey(entry.kind, entry.number), Encode(entry));
      batch.Put(Family::kMeta, AuditEndKey(entry.kind), Encode(AuditEnd{entry.number}));
    }
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/false);
}

Task<absl::StatusOr<std::vector<AuditEntry>>> RocksDbAudit::List(AuditKind kind, int64_t before,
                                                                 size_t limit) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<AuditEntry>> {
    ASSIGN_OR_RETURN(const int64_t newest, NewestOf(use, kind));
    // There are no gaps: so many numbers are so many entries, but for those that were forgotten, the oldest.
    const int64_t end = std::min(before, newest + 1);
    const int64_t first = end - std::min(end, static_cast<int64_t>(limit));
    std::vector<AuditEntry> entries;
    RETURN_IF_ERROR(Scan(use, Family::kMeta, AuditKey(kind, first), AuditKey(kind, end),
                         [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                           RETURN_IF_ERROR(Decode(value, entries.emplace_back()));
                           return true;
                         }));
    std::reverse(entries.begin(), entries.end());
    return entries;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<size_t>> RocksDbAudit::Forget(AuditKind kind, absl::Time time, int64_t count,
                                                  size_t limit) {
  size_t forgotten = 0;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t newest, NewestOf(batch, kind));
    std::vector<std::string> old;
    RETURN_IF_ERROR(batch.Scan(Family::kMeta, AuditKey(kind, 0), AuditKey(kind, kNewestAudit),
                               [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                                 AuditEntry entry;
                                 RETURN_IF_ERROR(Decode(value, entry));
                                 const bool goes = entry.time < time || newest - entry.number >= count;
                                 if (goes && old.size() < limit) old.emplace_back(key);
                                 return goes && old.size() < limit;
                               }));
    for (const std::string& key : old) batch.Delete(Family::kMeta, key);
    forgotten = old.size();
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/false));
  co_return forgotten;
}

}  // namespace mailstead::engine
