// The state of the store, and what goes on by itself: recovery from failures, deleted mailboxes, forgotten leases,
// receipts and body space.
#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/schema.h"

namespace mailstead::engine {
namespace {

// So many entries go in one commit: other callers wait a few milliseconds at most.
constexpr size_t kReclaimEntries = 500;
constexpr size_t kSweepReceipts = 1000;

// Body space is reclaimed when so much was deleted since the last time, and so large a part of what is on
// disk.
constexpr int64_t kMinReclaimBytes = int64_t{16} << 20;
constexpr int64_t kReclaimFraction = 4;
// After that, if more than this part of the blob files is garbage they are all rewritten.
constexpr double kForceGarbageRatio = 0.5;

int64_t Property(const Database::Use& use, const std::string& name) {
  uint64_t value = 0;
  return use.db().GetIntProperty(use.family(Family::kBody), name, &value) ? static_cast<int64_t>(value) : 0;
}

}  // namespace

bool RocksDbUpkeep::stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void RocksDbUpkeep::Begin() {
  thread_ = std::thread([this] { Maintain(); });
}

void RocksDbUpkeep::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void RocksDbUpkeep::Maintain() {
  const auto is_stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; };
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&is_stopping), shared_.options().maintenance_interval))
        return;
    }
    RecoverIfNeeded();
    // What fails here is tried again at the next turn; a write that fails has told Health.
    shared_.database().NoteAcknowledged().IgnoreError();
    leases_.Forget().IgnoreError();
    if (shared_.TakeDoomed() && !ReclaimDoomedMailboxes().ok()) shared_.NoteDoomed();
  }
}

void RocksDbUpkeep::RecoverIfNeeded() {
  if (!shared_.health().write_failed()) return;
  if (!failure_logged_) obs::LogError("store_write_failed", {{"error", shared_.health().Get().ToString()}});
  failure_logged_ = true;
  if (!shared_.database().Recover().ok()) return;
  shared_.health().Recovered();
  failure_logged_ = false;
  obs::LogWarning("store_recovered", {});
}

absl::Status RocksDbUpkeep::ReclaimDoomedMailboxes() {
  std::vector<AccountId> doomed;
  {
    const Database::Use use(shared_.database());
    RETURN_IF_ERROR(use.status());
    RETURN_IF_ERROR(Scan(use, Family::kMeta, kDoomedPrefix, PrefixEnd(kDoomedPrefix),
                         [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                           doomed.push_back(AccountOfKey(key.substr(kDoomedPrefix.size())));
                           return true;
                         }));
  }
  for (const AccountId account : doomed) RETURN_IF_ERROR(ReclaimMailbox(account));
  return absl::OkStatus();
}

absl::Status RocksDbUpkeep::ReclaimMailbox(AccountId account) {
  const std::string prefix = MailboxKey(account);
  bool more = true;
  while (more) {
    if (stopping()) return absl::CancelledError("the engine is being closed");
    RETURN_IF_ERROR(shared_.writer().Run([&](Batch& batch) -> absl::Status {
      std::vector<std::pair<std::string, int64_t>> entries;
      RETURN_IF_ERROR(Scan(batch.use(), Family::kMessage, prefix, PrefixEnd(prefix),
                           [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                             MessageRecord record;
                             RETURN_IF_ERROR(Decode(value, record));
                             entries.emplace_back(std::string(key), record.body);
                             return entries.size() < kReclaimEntries;
                           }));
      for (const auto& [key, body] : entries) {
        // The scan does not see this batch: a sweep at the same time may have taken the entry in it.
        std::string value;
        ASSIGN_OR_RETURN(const bool still_there, batch.Find(Family::kMessage, key, value));
        if (!still_there) continue;
        RETURN_IF_ERROR(UnrefBody(batch, body));
        batch.Delete(Family::kMessage, key);
      }
      more = !entries.empty();
      if (more) return absl::OkStatus();
      // The listings that a front-end may remember go with the last entry.
      RETURN_IF_ERROR(Scan(batch.use(), Family::kMailbox, prefix, PrefixEnd(prefix),
                           [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                             batch.Delete(Family::kMailbox, key);
                             return true;
                           }));
      batch.Delete(Family::kMeta, DoomedKey(account));
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

Task<absl::Status> RocksDbUpkeep::Sweep(absl::Duration receipt_age) {
  if (!co_await shared_.background().Enter()) co_return Readers::TooMany();
  absl::Status swept = SweepNow(receipt_age);
  co_await shared_.background().Leave();
  co_return swept;
}

absl::Status RocksDbUpkeep::SweepNow(absl::Duration receipt_age) {
  absl::MutexLock lock(&sweep_mutex_);
  RETURN_IF_ERROR(ReclaimDoomedMailboxes());
  const absl::Time before = shared_.clock().Now() - receipt_age;
  RETURN_IF_ERROR(SweepReceipts(kReceiptTimeKind, before));
  if (shared_.database().has_old_receipts()) {
    RETURN_IF_ERROR(SweepReceipts(kOldReceiptTimeKind, before));
    RETURN_IF_ERROR(shared_.database().LookForOldReceipts());
  }
  return ReclaimBodySpace();
}

absl::Status RocksDbUpkeep::SweepReceipts(char kind, absl::Time before) {
  const std::string first(1, kind);
  const std::string end = ReceiptTimeBound(kind, before);
  for (;;) {
    std::vector<std::string> keys;
    {
      const Database::Use use(shared_.database());
      RETURN_IF_ERROR(use.status());
      RETURN_IF_ERROR(Scan(use, Family::kDelivery, first, end,
                           [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                             keys.emplace_back(key);
                             return keys.size() < kSweepReceipts;
                           }));
    }
    if (keys.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(shared_.writer().Run([&](Batch& batch) -> absl::Status {
      for (const std::string& key : keys) {
        batch.Delete(Family::kDelivery, key);
        batch.Delete(Family::kDelivery, ReceiptOfTimeKey(key));
      }
      return absl::OkStatus();
    }));
  }
}

Task<absl::StatusOr<EngineStatus>> RocksDbUpkeep::Status() {
  const auto read = [this](const Database::Use& use) -> absl::StatusOr<EngineStatus> {
    const Database& database = shared_.database();
    const Counters counters = database.counters();
    EngineStatus status;
    status.engine = "rocksdb";
    status.schema_version = static_cast<int32_t>(kSchemaVersion);
    status.incarnation = database.incarnation();
    status.domain_count = counters.domain_count;
    status.account_count = counters.account_count;
    status.alias_count = counters.alias_count;
    status.message_count = counters.message_count;
    status.message_bytes = counters.message_bytes;
    status.disk_bytes = database.DiskBytes();
    status.disk_free_bytes = static_cast<int64_t>(
        std::min<uint64_t>(shared_.health().free_bytes(), std::numeric_limits<int64_t>::max()));
    status.leases = shared_.leases().LiveLeases();
    RETURN_IF_ERROR(Scan(
        use, Family::kLock, "", "", [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
          rules::Lock lock;
          RETURN_IF_ERROR(Decode(value, lock));
          const rules::LeaseState lease = shared_.leases().StateOf(lock.lease_id, lock.lease_number);
          if (lease == rules::LeaseState::kLive) ++status.open_maildrop_count;
          return true;
        }));
    return status;
  };
  co_return co_await shared_.OnDisk(read);
}

// A deletion only hides a body. Its bytes are garbage once a compaction has met the deletion, and free once
// the blob file holds nothing else or has been rewritten.
absl::Status RocksDbUpkeep::ReclaimBodySpace() {
  int64_t deleted = 0;
  {
    const Database::Use use(shared_.database());
    RETURN_IF_ERROR(use.status());
    deleted = use.counters().deleted_body_bytes;
    const int64_t on_disk = Property(use, rocksdb::DB::Properties::kTotalBlobFileSize) +
                            Property(use, rocksdb::DB::Properties::kTotalSstFilesSize);
    if (deleted < kMinReclaimBytes || deleted < on_disk / kReclaimFraction) return absl::OkStatus();

    rocksdb::CompactRangeOptions compact;
    compact.exclusive_manual_compaction = false;
    compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    RETURN_IF_ERROR(FromRocksDb(use.db().CompactRange(compact, use.family(Family::kBody), nullptr, nullptr)));
    const double garbage =
        static_cast<double>(Property(use, rocksdb::DB::Properties::kLiveBlobFileGarbageSize));
    const double live = static_cast<double>(Property(use, rocksdb::DB::Properties::kLiveBlobFileSize));
    if (garbage > kForceGarbageRatio * live) {
      compact.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
      compact.blob_garbage_collection_age_cutoff = 1.0;
      RETURN_IF_ERROR(
          FromRocksDb(use.db().CompactRange(compact, use.family(Family::kBody), nullptr, nullptr)));
    }
  }
  return shared_.writer().Run(
      [&](Batch& batch) -> absl::Status {
        int64_t& counter = batch.counters().deleted_body_bytes;
        counter -= std::min(counter, deleted);
        return absl::OkStatus();
      },
      /*sync=*/false);
}

}  // namespace mailstead::engine
