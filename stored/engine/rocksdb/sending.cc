// What accounts send to other hosts.
#include <string>
#include <utility>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"

namespace mailstead::engine {
namespace {

// One record of an account.
class PutChange final : public Change {
 public:
  PutChange(std::string key, std::string value, bool sync)
      : key_(std::move(key)), value_(std::move(value)), sync_(sync) {}
  absl::Status Apply(Batch& batch) override {
    batch.Put(Family::kMeta, key_, value_);
    return absl::OkStatus();
  }
  bool is_small() const override { return !sync_; }
  bool needs_sync() const override { return sync_; }
  size_t record_count() const override { return 1; }
  size_t size_bytes() const override { return value_.size(); }

 private:
  const std::string key_;
  const std::string value_;
  const bool sync_;
};

}  // namespace

Task<absl::StatusOr<Sending>> RocksDbSending::Find(AccountId account) {
  const auto read = [account](const Database::Use& use) -> absl::StatusOr<Sending> {
    Sending sending;
    std::string value;
    ASSIGN_OR_RETURN(bool found, use.Find(Family::kMeta, SendingKey(kSendingSettingsKind, account), value));
    if (found) RETURN_IF_ERROR(Decode(value, sending.settings));
    ASSIGN_OR_RETURN(found, use.Find(Family::kMeta, SendingKey(kSendingUseKind, account), value));
    if (found) RETURN_IF_ERROR(Decode(value, sending.use));
    ASSIGN_OR_RETURN(found, use.Find(Family::kMeta, SendingKey(kSendingKnownKind, account), value));
    if (found) sending.known = std::move(value);
    return sending;
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::Status> RocksDbSending::SetSettings(AccountId account, SendingSettings settings) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  PutChange change(SendingKey(kSendingSettingsKind, account), Encode(settings), /*sync=*/true);
  co_return co_await shared_.writer().Commit(change);
}

Task<absl::Status> RocksDbSending::KeepUse(AccountId account, SendingUse use) {
  PutChange change(SendingKey(kSendingUseKind, account), Encode(use), /*sync=*/false);
  co_return co_await shared_.writer().Commit(change);
}

Task<absl::Status> RocksDbSending::KeepKnown(AccountId account, std::string known) {
  PutChange change(SendingKey(kSendingKnownKind, account), std::move(known), /*sync=*/false);
  co_return co_await shared_.writer().Commit(change);
}

Task<absl::Status> RocksDbSending::Forget(AccountId account) {
  const auto apply = [account](Batch& batch) -> absl::Status {
    for (const char kind : {kSendingSettingsKind, kSendingUseKind, kSendingKnownKind}) {
      batch.Delete(Family::kMeta, SendingKey(kind, account));
    }
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/false);
}

}  // namespace mailstead::engine
