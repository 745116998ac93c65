// Secrets and senders of SRS.
#include "stored/rules/srs.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"

namespace mailstead::engine {

Task<absl::StatusOr<std::vector<SrsSecret>>> RocksDbSrs::ListSecrets() {
  const auto read = [](const Database::Use& use) -> absl::StatusOr<std::vector<SrsSecret>> {
    const std::string prefix(kSrsSecretPrefix);
    std::vector<SrsSecret> secrets;
    RETURN_IF_ERROR(Scan(use, Family::kMeta, prefix, PrefixEnd(prefix),
                         [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                           RETURN_IF_ERROR(Decode(value, secrets.emplace_back()));
                           return true;
                         }));
    return secrets;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::Status> RocksDbSrs::SetSecrets(std::vector<SrsSecret> secrets, int64_t newest) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    const std::string prefix(kSrsSecretPrefix);
    SrsSecret last;
    std::vector<std::string> present;
    RETURN_IF_ERROR(batch.Scan(Family::kMeta, prefix, PrefixEnd(prefix),
                               [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                                 present.emplace_back(key);
                                 RETURN_IF_ERROR(Decode(value, last));
                                 return true;
                               }));
    RETURN_IF_ERROR(rules::CheckNewestSrsSecret(last.number, newest));
    for (const std::string& key : present) batch.Delete(Family::kMeta, key);
    for (const SrsSecret& secret : secrets)
      batch.Put(Family::kMeta, SrsSecretKey(secret.number), Encode(secret));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::Status> RocksDbSrs::KeepSender(SrsSender sender) {
  const std::string key = SrsSenderKey(sender.day, sender.name);
  const auto is_there = [&key](const Database::Use& use) -> absl::StatusOr<bool> {
    std::string value;
    return use.Find(Family::kMeta, key, value);
  };
  CO_ASSIGN_OR_RETURN(const bool there, co_await shared_.InMemoryFirst(is_there));
  if (there) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    batch.Put(Family::kMeta, key, Encode(sender));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::StatusOr<SrsSender>> RocksDbSrs::FindSender(int64_t day, std::string name) {
  const std::string key = SrsSenderKey(day, name);
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<SrsSender> {
    std::string value;
    ASSIGN_OR_RETURN(const bool found, use.Find(Family::kMeta, key, value));
    if (!found) return absl::NotFoundError(absl::StrCat("no sender is kept under ", name));
    SrsSender sender;
    RETURN_IF_ERROR(Decode(value, sender));
    return sender;
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<size_t>> RocksDbSrs::ForgetSenders(int64_t day, size_t limit) {
  size_t count = 0;
  const auto apply = [&](Batch& batch) -> absl::Status {
    count = 0;
    std::vector<std::string> old;
    RETURN_IF_ERROR(batch.Scan(Family::kMeta, SrsSenderBound(0), SrsSenderBound(day),
                               [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                 if (old.size() < limit) old.emplace_back(key);
                                 return old.size() < limit;
                               }));
    for (const std::string& key : old) batch.Delete(Family::kMeta, key);
    count = old.size();
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/false));
  co_return count;
}

}  // namespace mailstead::engine
