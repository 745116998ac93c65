// MTA-STS policies of other domains.
#include "stored/rules/sts.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::engine {
namespace {

// Dropped in one commit: more than one only where the limit has become smaller.
constexpr size_t kMaxDropped = 10;

class KeepChange final : public Change {
 public:
  KeepChange(StsFetch fetch, int64_t limit) : fetch_(std::move(fetch)), limit_(limit) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = StsPolicyKey(fetch_.domain);
    ASSIGN_OR_RETURN(std::optional<StsPolicy> before, FindRecord<StsPolicy>(batch, Family::kQueue, key));
    ASSIGN_OR_RETURN(const std::optional<StsCount> counted,
                     FindRecord<StsCount>(batch, Family::kQueue, kStsCountKey));
    int64_t count = counted.value_or(StsCount()).count;
    if (before.has_value()) {
      batch.Delete(Family::kQueue, StsOrderKey(rules::StsOrder(*before), fetch_.domain));
    } else {
      ++count;
    }
    kept_ = rules::KeepStsFetch(std::move(before), fetch_);
    batch.Put(Family::kQueue, key, Encode(kept_));
    batch.Put(Family::kQueue, StsOrderKey(rules::StsOrder(kept_), kept_.domain), "");
    RETURN_IF_ERROR(DropOldest(batch, count));
    batch.Put(Family::kQueue, kStsCountKey, Encode(StsCount{count}));
    return absl::OkStatus();
  }
  size_t record_count() const override { return 6 + 2 * kMaxDropped; }
  size_t size_bytes() const override { return fetch_.file.size(); }

  StsPolicy TakeKept() { return std::move(kept_); }

 private:
  absl::Status DropOldest(Batch& batch, int64_t& count) const {
    std::vector<std::string> oldest;
    const std::string prefix(1, kStsOrderKind);
    if (count > limit_) {
      RETURN_IF_ERROR(batch.Scan(Family::kQueue, prefix, PrefixEnd(prefix),
                                 [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                   oldest.emplace_back(key);
                                   return --count > limit_ && oldest.size() < kMaxDropped;
                                 }));
    }
    for (const std::string& key : oldest) {
      batch.Delete(Family::kQueue, key);
      batch.Delete(Family::kQueue, StsPolicyKey(NameOfTimeKey(key)));
    }
    return absl::OkStatus();
  }

  // Apply may be called twice.
  const StsFetch fetch_;
  const int64_t limit_;
  StsPolicy kept_;
};

}  // namespace

Task<absl::StatusOr<StsPolicy>> RocksDbSts::Find(std::string domain) {
  const auto read = [&domain](const Database::Use& use) -> absl::StatusOr<StsPolicy> {
    ASSIGN_OR_RETURN(std::optional<StsPolicy> found,
                     FindRecord<StsPolicy>(use, Family::kQueue, StsPolicyKey(domain)));
    if (!found.has_value()) return absl::NotFoundError(absl::StrCat("nothing is known of ", domain));
    return *std::move(found);
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<StsPolicy>> RocksDbSts::Keep(StsFetch fetch, int64_t limit) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  KeepChange change(std::move(fetch), limit);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  co_return change.TakeKept();
}

}  // namespace mailstead::engine
