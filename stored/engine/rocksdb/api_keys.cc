// API keys: a record for each, and one for its last use, which is written by itself.
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/rules/key.h"

namespace mailstead::engine {
namespace {

// The page behind `after`.
template <typename T>
absl::StatusOr<std::vector<T>> ReadPage(const Database::Use& use, absl::string_view prefix,
                                        const std::string& after, size_t limit) {
  std::vector<T> page;
  if (limit == 0) return page;
  std::string first(prefix);
  if (!after.empty()) first += after + std::string(1, '\0');
  RETURN_IF_ERROR(Scan(use, Family::kMeta, first, PrefixEnd(prefix),
                       [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                         RETURN_IF_ERROR(Decode(value, page.emplace_back()));
                         return page.size() < limit;
                       }));
  return page;
}

}  // namespace

Task<absl::StatusOr<std::vector<Key>>> RocksDbKeys::List(std::string after, size_t limit) {
  const auto read = [&](const Database::Use& use) { return ReadPage<Key>(use, kApiKeyPrefix, after, limit); };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::vector<KeyUse>>> RocksDbKeys::ListUses(std::string after, size_t limit) {
  const auto read = [&](const Database::Use& use) {
    return ReadPage<KeyUse>(use, kApiKeyUsePrefix, after, limit);
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::Status> RocksDbKeys::Put(Key key) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    const std::string place = ApiKeyKey(kApiKeyPrefix, key.id);
    ASSIGN_OR_RETURN(const auto kept, FindRecord<Key>(batch, Family::kMeta, place));
    RETURN_IF_ERROR(rules::CheckKeyVersion(kept.has_value() ? kept->version : 0, key.version));
    batch.Put(Family::kMeta, place, Encode(key));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::Status> RocksDbKeys::Delete(std::string id) {
  const auto apply = [&](Batch& batch) -> absl::Status {
    for (const absl::string_view prefix : {kApiKeyPrefix, kApiKeyUsePrefix}) {
      batch.Delete(Family::kMeta, ApiKeyKey(prefix, id));
    }
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::Status> RocksDbKeys::NoteUses(std::vector<KeyUse> uses) {
  const auto apply = [&](Batch& batch) -> absl::Status {
    std::string value;
    for (const KeyUse& use : uses) {
      ASSIGN_OR_RETURN(const bool there, batch.Find(Family::kMeta, ApiKeyKey(kApiKeyPrefix, use.id), value));
      if (there) batch.Put(Family::kMeta, ApiKeyKey(kApiKeyUsePrefix, use.id), Encode(use));
    }
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/false);
}

}  // namespace mailstead::engine
