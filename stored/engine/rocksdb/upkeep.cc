// What goes on by itself: recovery from failures, deleted mailboxes, forgotten leases, receipts and body
// space.
#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::store {
namespace {

// So many entries go in one commit: other callers wait a few milliseconds at most.
constexpr size_t kReclaimEntries = 500;
constexpr size_t kSweepReceipts = 1000;

// Body space is reclaimed when so much was deleted since the last time, and so large a part of what is on
// disk.
constexpr uint64_t kMinReclaimBytes = uint64_t{16} << 20;
constexpr uint64_t kReclaimFraction = 4;
// After that, if more than this part of the blob files is garbage they are all rewritten.
constexpr double kForceGarbageRatio = 0.5;

uint64_t Property(const Database::Use& use, const std::string& name) {
  uint64_t value = 0;
  return use.db().GetIntProperty(use.family(Family::kBody), name, &value) ? value : 0;
}

}  // namespace

absl::Status RocksDbEngine::Health() { return health_.Get(); }

bool RocksDbEngine::stopping() {
  absl::MutexLock lock(&upkeep_mutex_);
  return stopping_;
}

void RocksDbEngine::Maintain() {
  const auto is_stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(upkeep_mutex_) { return stopping_; };
  for (;;) {
    bool has_doomed;
    {
      absl::MutexLock lock(&upkeep_mutex_);
      if (upkeep_mutex_.AwaitWithTimeout(absl::Condition(&is_stopping), options_.maintenance_interval))
        return;
      has_doomed = std::exchange(has_doomed_, false);
    }
    RecoverIfNeeded();
    // What fails here is tried again at the next turn; a write that fails has told Health.
    database_->NoteAcknowledged().IgnoreError();
    ForgetLeases().IgnoreError();
    if (has_doomed && !ReclaimDoomedMailboxes().ok()) {
      absl::MutexLock lock(&upkeep_mutex_);
      has_doomed_ = true;
    }
  }
}

void RocksDbEngine::RecoverIfNeeded() {
  if (!health_.write_failed()) return;
  if (!failure_logged_) obs::LogError("store_write_failed", {{"error", health_.Get().ToString()}});
  failure_logged_ = true;
  if (!database_->Recover().ok()) return;
  health_.Recovered();
  failure_logged_ = false;
  obs::LogWarning("store_recovered", {});
}

absl::Status RocksDbEngine::ReclaimDoomedMailboxes() {
  std::vector<MailboxId> doomed;
  {
    const Database::Use use(*database_);
    RETURN_IF_ERROR(use.status());
    RETURN_IF_ERROR(Scan(use, nullptr, Family::kMeta, kDoomedPrefix, PrefixEnd(kDoomedPrefix),
                         [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                           doomed.push_back(MailboxOfKey(key.substr(kDoomedPrefix.size())));
                           return true;
                         }));
  }
  for (const MailboxId mailbox : doomed) RETURN_IF_ERROR(ReclaimMailbox(mailbox));
  return absl::OkStatus();
}

absl::Status RocksDbEngine::ReclaimMailbox(MailboxId mailbox) {
  const std::string prefix = MailboxKey(mailbox);
  bool more = true;
  while (more) {
    if (stopping()) return absl::CancelledError("the engine is being closed");
    RETURN_IF_ERROR(writer_->Run([&](Batch& batch) -> absl::Status {
      std::vector<std::pair<std::string, uint64_t>> entries;
      RETURN_IF_ERROR(Scan(batch.use(), nullptr, Family::kMessage, prefix, PrefixEnd(prefix),
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
      if (!more) batch.Delete(Family::kMeta, DoomedKey(mailbox));
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::Status RocksDbEngine::Sweep(absl::Duration receipt_age) {
  absl::MutexLock lock(&sweep_mutex_);
  RETURN_IF_ERROR(ReclaimDoomedMailboxes());
  RETURN_IF_ERROR(SweepReceipts(receipt_age));
  return ReclaimBodySpace();
}

absl::Status RocksDbEngine::SweepReceipts(absl::Duration receipt_age) {
  const std::string end = ReceiptTimeBound(clock_.Now() - receipt_age);
  for (;;) {
    std::vector<std::string> keys;
    {
      const Database::Use use(*database_);
      RETURN_IF_ERROR(use.status());
      RETURN_IF_ERROR(Scan(use, nullptr, Family::kDelivery, kReceiptTimePrefix, end,
                           [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                             keys.emplace_back(key);
                             return keys.size() < kSweepReceipts;
                           }));
    }
    if (keys.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(writer_->Run([&](Batch& batch) -> absl::Status {
      for (const std::string& key : keys) {
        batch.Delete(Family::kDelivery, key);
        batch.Delete(Family::kDelivery, ReceiptKey(DeliveryOfReceiptTimeKey(key)));
      }
      return absl::OkStatus();
    }));
  }
}

// A deletion only hides a body. Its bytes are garbage once a compaction has met the deletion, and free once
// the blob file holds nothing else or has been rewritten.
absl::Status RocksDbEngine::ReclaimBodySpace() {
  uint64_t deleted = 0;
  {
    const Database::Use use(*database_);
    RETURN_IF_ERROR(use.status());
    deleted = use.counters().deleted_body_bytes;
    const uint64_t on_disk = Property(use, rocksdb::DB::Properties::kTotalBlobFileSize) +
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
  return writer_->Run(
      [&](Batch& batch) -> absl::Status {
        uint64_t& counter = batch.counters().deleted_body_bytes;
        counter -= std::min(counter, deleted);
        return absl::OkStatus();
      },
      /*sync=*/false);
}

}  // namespace mailstead::store
