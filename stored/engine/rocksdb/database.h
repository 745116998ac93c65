// RocksDB with its column families, opened, checked and, after a failure, brought back.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/base/status.h"
#include "stored/engine/change.h"
#include "stored/engine/rocksdb/health.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/queue_marks.h"
#include "stored/engine/rocksdb/recent_records.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"

namespace mailstead::engine {

inline rocksdb::Slice ToSlice(absl::string_view text) { return rocksdb::Slice(text.data(), text.size()); }
inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return absl::string_view(slice.data(), slice.size());
}

// How much a scan reads. Of very much nothing is put into the block cache, where it would take the place of what others
// need, and nothing of it is read again soon.
enum class ScanSize { kUsual, kVeryMuch };

// Something that values are read from: the database, a snapshot of it, or a batch on top of it.
class Source {
 public:
  virtual ~Source() = default;
  // False when the key is not there.
  virtual absl::StatusOr<bool> Find(Family family, absl::string_view key, std::string& value) const = 0;
};

// DataLoss names the family and the key.
template <typename Record>
absl::StatusOr<std::optional<Record>> FindRecord(const Source& source, Family family, absl::string_view key) {
  std::string bytes;
  ASSIGN_OR_RETURN(const bool found, source.Find(family, key, bytes));
  if (!found) return std::optional<Record>();
  Record record;
  const absl::Status decoded = Decode(bytes, record);
  if (!decoded.ok()) {
    return absl::DataLossError(
        absl::StrCat(decoded.message(), " (", FamilyName(family), " ", absl::BytesToHexString(key), ")"));
  }
  return std::optional<Record>(std::move(record));
}

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const RocksDbOptions& options, rocksdb::Env& env,
                                                        Health& health);
  // To be read only: nothing in the folder changes. It must not be open.
  static absl::StatusOr<std::unique_ptr<Database>> OpenForReading(const RocksDbOptions& options,
                                                                  rocksdb::Env& env, Health& health);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  class Snapshot;
  class LiveFiles;

  // Where a Use reads.
  enum class Tier {
    // Waits for the disk, and for a database that is being closed and opened again.
    kDisk,
    // Never waits: what is not in memory is missed, and a write that would be held up is not done.
    kMemory,
  };

  // Keeps the database open while it lives; short, and never two at a time in one thread (Recover waits for all).
  class Use final : public Source {
   public:
    explicit Use(Database& database, Tier tier = Tier::kDisk);
    ~Use() override;
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    // Unavailable while a failure could not be mended, and for kMemory while the database is being opened again; nothing
    // else may be called then, but StalledFor.
    absl::Status status() const;
    // Set once something was asked for that is not in memory, or a write would have been held up: what was read since is
    // worth nothing.
    bool missed() const { return missed_; }
    rocksdb::ReadOptions read_options() const;
    // Of an iterator.
    absl::Status Outcome(const rocksdb::Status& status) const;
    // Of a Get of what is never empty: false when the key is not there.
    absl::StatusOr<bool> Found(const rocksdb::Status& status, absl::string_view value) const;
    // Grows when the database was closed and opened again.
    uint64_t generation() const { return database_.generation_; }
    rocksdb::DB& db() const { return *database_.db_; }
    rocksdb::ColumnFamilyHandle* family(Family family) const {
      return database_.families_[static_cast<size_t>(family)];
    }
    absl::StatusOr<bool> Find(Family family, absl::string_view key, std::string& value) const override {
      return FindAt(nullptr, family, key, value);
    }
    // `snapshot` may be null: the newest state.
    absl::StatusOr<bool> FindAt(const rocksdb::Snapshot* snapshot, Family family, absl::string_view key,
                                std::string& value) const;
    Counters counters() const { return database_.counters(); }
    // How writes are held up now; and for how long they were in all, not counting one that waits.
    WriteStall Stall() const;
    absl::Duration StalledFor() const;
    Database& database() const { return database_; }
    // Reports a failure to Health.
    absl::Status Write(rocksdb::WriteBatch& batch, bool sync) const;

   private:
    friend class Database::Snapshot;
    Database& database_;
    const Tier tier_;
    const bool entered_;
    mutable bool missed_ = false;
  };

  // A view that stays. When the database is closed and opened again the view is lost: Get gives null.
  class Snapshot {
   public:
    explicit Snapshot(const Use& use);
    ~Snapshot();
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    const rocksdb::Snapshot* Get(const Use& use) const {
      return use.generation() == generation_ ? snapshot_ : nullptr;
    }

   private:
    Database& database_;
    const uint64_t generation_;
    const rocksdb::Snapshot* const snapshot_;
  };

  // All files that together are the database at one moment, with everything in them that had been committed before. They
  // stay as they are, but for what is appended, until it is destroyed, or the database is closed and opened again.
  class LiveFiles {
   public:
    // Writes out what is in memory first, in the background, as RocksDB does from time to time.
    static absl::StatusOr<std::unique_ptr<LiveFiles>> Hold(Database& database);
    ~LiveFiles();
    LiveFiles(const LiveFiles&) = delete;
    LiveFiles& operator=(const LiveFiles&) = delete;

    const std::vector<rocksdb::LiveFileStorageInfo>& files() const { return files_; }
    // A sequence number of RocksDB that is in them.
    uint64_t sequence() const { return sequence_; }
    // Unavailable: the database was closed and opened again, and they may be gone.
    absl::Status CheckHeld() const;

   private:
    LiveFiles(Database& database, const Use& use);

    Database& database_;
    const uint64_t generation_;
    const uint64_t sequence_;
    std::vector<rocksdb::LiveFileStorageInfo> files_;
  };

  // After a write failed. OK when writes succeed again; else the engine tries again later.
  absl::Status Recover();

  // Notes in the folder how far the database is known to be synced, if that has changed.
  absl::Status NoteAcknowledged();

  // Never given out before, nor after a restart or power cut: boot epoch (23 bits) and a counter (40 bits).
  int64_t NextId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

  // As of the last commit. Set by the writer.
  Counters counters() const {
    absl::MutexLock lock(&counters_mutex_);
    return counters_;
  }
  void set_counters(const Counters& counters) {
    absl::MutexLock lock(&counters_mutex_);
    counters_ = counters;
  }

  // DirectoryEngine::Version.
  int64_t directory_version() const { return directory_version_.load(std::memory_order_acquire); }
  void DirectoryChanged() { directory_version_.fetch_add(1, std::memory_order_acq_rel); }
  // The same of the queue: more may be due than before.
  int64_t queue_version() const { return queue_version_.load(std::memory_order_acquire); }
  // No message with a lesser id is in the queue: ids grow.
  int64_t queued_from() const { return queued_from_.load(std::memory_order_relaxed); }
  void QueuedBegin(int64_t id) { queued_from_.store(id, std::memory_order_relaxed); }
  // The writer's alone, as of the newest state.
  QueueMarks& queue_marks() { return queue_marks_; }
  RecentRecords& recent_records() { return recent_records_; }
  // What both know was undone, or may have been.
  void ForgetQueue() {
    queue_marks_.Forget();
    recent_records_.Forget();
  }
  void QueueChanged() { queue_version_.fetch_add(1, std::memory_order_acq_rel); }

  // Random, chosen when the store was made, or opened from a backup.
  const std::string& incarnation() const { return incarnation_; }
  // Whether receipts are left that a store of schema version 1 or 2 has made; looked up on opening, and again by
  // LookForOldReceipts.
  bool has_old_receipts() const { return has_old_receipts_.load(std::memory_order_relaxed); }
  absl::Status LookForOldReceipts();

  // ChangeEngine::Bounds. The writer alone makes positions: those behind `last`.
  ChangeBounds change_bounds() const {
    // In this order: what is trimmed in between has committed before.
    const int64_t first = change_first_.load();
    return {first, change_last_.load()};
  }
  // Before what is in front of it is deleted.
  void set_change_first(int64_t first) { change_first_.store(first); }
  // Behind the commit. Tells the listener.
  void ChangesCommitted(absl::Span<const CommittedChange> changes);
  void set_change_listener(ChangeListener* listener) {
    absl::MutexLock lock(&listener_mutex_);
    listener_ = listener;
  }

  // Deletions of many messages that have committed and are being taken away. A reader that takes its view of the database
  // between two equal values of hidings_begun() and finds that Hides is false in between sees none that is half taken away.
  uint64_t hidings_begun() const { return hidings_begun_.load(); }
  bool Hides(AccountId account) const {
    if (hiding_count_.load() == 0) return false;
    absl::MutexLock lock(&hiding_mutex_);
    return hiding_.contains(account);
  }
  int64_t hiding_count() const { return hiding_count_.load(); }
  // Waits until Hides is false. False: it is not yet, after that time.
  bool AwaitNoHiding(AccountId account, absl::Duration at_most);
  // By the writer, before the commit of a deletion is written; and once all of it is taken away, by a write to the
  // database of that generation.
  void BeginHiding(AccountId account);
  void EndHiding(AccountId account, uint64_t generation);

  // Compacts family body. Keeps no Use, so that a recovery does not wait for it: Unavailable when one came in between, or
  // after StopCompacting.
  absl::Status CompactBodies(const rocksdb::CompactRangeOptions& options);
  // Ends a compaction that is under way, soon, and takes none any more.
  void StopCompacting();

  // Bytes of all files.
  int64_t DiskBytes() const { return static_cast<int64_t>(BytesOfFiles("")); }

 private:
  enum class Access { kReadAndWrite, kRead };
  Database(const RocksDbOptions& options, rocksdb::Env& env, Health& health, Access access);

  using Descriptors = std::vector<rocksdb::ColumnFamilyDescriptor>;

  absl::Status CheckLog(const rocksdb::DBOptions& db_options, const Descriptors& families) const;
  Descriptors DescribeFamilies() const;
  absl::Status OpenFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status OpenFilesForReading() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  void TakeDatabase(rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& handles)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  void CloseFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status BeginEpoch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status LoadIncarnation() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::StatusOr<bool> AnyOldReceipts() const;
  absl::Status LoadCounters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status CountTrash(Counters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status SweepStaged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status LoadHiding() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status LoadFeed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  void AwaitCompactions();
  // Of the database's files whose names end so; 0 when they cannot be listed.
  uint64_t BytesOfFiles(absl::string_view ending) const;
  // Whether the disk takes writes, and has room for what opening the files writes.
  absl::Status ProbeDisk() const;
  std::string db_path() const;

  const RocksDbOptions options_;
  rocksdb::Env& env_;
  Health& health_;
  const Access access_;
  std::shared_ptr<rocksdb::Cache> cache_;

  // Held shared by each Use, and exclusively to close and open again.
  absl::Mutex gate_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount> families_{};
  uint64_t generation_ = 0;
  // Of databases that were closed.
  absl::Duration stalled_before_;

  absl::Mutex snapshots_mutex_;
  absl::flat_hash_set<const rocksdb::Snapshot*> snapshots_ ABSL_GUARDED_BY(snapshots_mutex_);

  std::atomic<uint64_t> hidings_begun_{0};
  std::atomic<int64_t> hiding_count_{0};
  mutable absl::Mutex hiding_mutex_;
  // How many of each mailbox; counted when the database of this generation was opened, and kept since.
  absl::flat_hash_map<AccountId, int64_t> hiding_ ABSL_GUARDED_BY(hiding_mutex_);
  uint64_t hiding_generation_ ABSL_GUARDED_BY(hiding_mutex_) = 0;

  absl::Mutex compacting_mutex_;
  int compaction_count_ ABSL_GUARDED_BY(compacting_mutex_) = 0;
  // While the database is closed and opened again, and behind StopCompacting.
  bool recovering_ ABSL_GUARDED_BY(compacting_mutex_) = false;
  bool compacting_stopped_ ABSL_GUARDED_BY(compacting_mutex_) = false;

  std::atomic<int64_t> change_first_{1};
  std::atomic<int64_t> change_last_{0};
  absl::Mutex listener_mutex_;
  ChangeListener* listener_ ABSL_GUARDED_BY(listener_mutex_) = nullptr;

  std::string incarnation_;
  std::atomic<bool> has_old_receipts_{false};
  std::atomic<int64_t> next_id_{0};
  // Sequence numbers of RocksDB: known to be synced, and written to the file.
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> noted_{0};
  std::atomic<int64_t> directory_version_{1};
  std::atomic<int64_t> queue_version_{1};
  std::atomic<int64_t> queued_from_{0};
  QueueMarks queue_marks_;
  RecentRecords recent_records_;
  mutable absl::Mutex counters_mutex_;
  Counters counters_ ABSL_GUARDED_BY(counters_mutex_);
};

}  // namespace mailstead::engine
