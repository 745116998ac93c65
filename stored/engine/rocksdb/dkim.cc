// Keys that sign mail: one record for each domain, which is read and written whole, so that whatever takes the place of a key
// is one change; and a mark of those domains that have a pending one.
#include "stored/rules/dkim.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::engine {
namespace {

constexpr absl::string_view kMark = "1";

absl::StatusOr<std::vector<DkimKey>> FindKeys(const Source& source, const std::string& domain) {
  ASSIGN_OR_RETURN(auto record,
                   FindRecord<DkimRecord>(source, Family::kDirectory, DkimDomainKey(kDkimKind, domain)));
  return record.has_value() ? std::move(record->keys) : std::vector<DkimKey>();
}

void PutKeys(Batch& batch, const std::string& domain, std::vector<DkimKey> keys) {
  const std::string pending = DkimDomainKey(kPendingDkimKind, domain);
  if (rules::HasPendingDkimKey(keys)) {
    batch.Put(Family::kDirectory, pending, kMark);
  } else {
    batch.Delete(Family::kDirectory, pending);
  }
  const std::string key = DkimDomainKey(kDkimKind, domain);
  if (keys.empty()) {
    batch.Delete(Family::kDirectory, key);
  } else {
    batch.Put(Family::kDirectory, key, Encode(DkimRecord{std::move(keys)}));
  }
}

}  // namespace

Task<absl::StatusOr<std::vector<DkimKey>>> RocksDbDkim::Find(std::string domain) {
  const auto read = [&domain](const Database::Use& use) { return FindKeys(use, domain); };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<std::vector<DkimDomain>>> RocksDbDkim::List(std::string after, size_t limit,
                                                                bool only_pending) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<DkimDomain>> {
    std::vector<DkimDomain> domains;
    if (limit == 0) return domains;
    const char kind = only_pending ? kPendingDkimKind : kDkimKind;
    const std::string first = DkimDomainKey(kind, after) + (after.empty() ? "" : std::string(1, '\0'));
    RETURN_IF_ERROR(Scan(use, Family::kDirectory, first, PrefixEnd(absl::string_view(&kind, 1)),
                         [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                           domains.push_back({DomainOfDkimKey(key), {}});
                           return domains.size() < limit;
                         }));
    for (DkimDomain& domain : domains) {
      ASSIGN_OR_RETURN(domain.keys, FindKeys(use, domain.name));
    }
    // Keys that went between the two reads.
    std::erase_if(domains, [&](const DkimDomain& domain) {
      return domain.keys.empty() || (only_pending && !rules::HasPendingDkimKey(domain.keys));
    });
    return domains;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::Status> RocksDbDkim::Create(std::string domain, DkimKey key) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    std::string bytes;
    ASSIGN_OR_RETURN(const bool there, batch.Find(Family::kDirectory, NameKey(domain), bytes));
    if (!there) return rules::NoDkimDomain(domain);
    ASSIGN_OR_RETURN(std::vector<DkimKey> keys, FindKeys(batch, domain));
    RETURN_IF_ERROR(rules::AddDkimKey(keys, domain, key));
    PutKeys(batch, domain, std::move(keys));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::Status> RocksDbDkim::Activate(std::string domain, std::string selector, int64_t expected_version,
                                         absl::Time time) {
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(std::vector<DkimKey> keys, FindKeys(batch, domain));
    RETURN_IF_ERROR(rules::ActivateDkimKey(keys, domain, selector, expected_version, time));
    PutKeys(batch, domain, std::move(keys));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::Status> RocksDbDkim::Delete(std::string domain, std::string selector, int64_t expected_version,
                                       bool even_active) {
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(std::vector<DkimKey> keys, FindKeys(batch, domain));
    RETURN_IF_ERROR(rules::DeleteDkimKey(keys, domain, selector, expected_version, even_active));
    PutKeys(batch, domain, std::move(keys));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

}  // namespace mailstead::engine
