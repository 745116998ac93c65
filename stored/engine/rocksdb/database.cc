#include "stored/engine/rocksdb/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/listener.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/acknowledged.h"
#include "stored/engine/rocksdb/backup_note.h"
#include "stored/engine/rocksdb/schema.h"
#include "stored/engine/rocksdb/trash.h"
#include "stored/engine/rocksdb/tuning.h"

namespace mailstead::engine {
namespace {

constexpr unsigned kIdCounterBits = 40;
constexpr int64_t kMaxEpoch = (int64_t{1} << 23) - 1;
constexpr size_t kIncarnationChars = 26;
// Opening again writes what the log holds to new files: more than this is tried before the old ones are
// closed.
constexpr size_t kProbeBytes = size_t{1} << 20;

// RocksDB stops writing when a flush or compaction fails; nobody may be writing just then.
class ErrorListener : public rocksdb::EventListener {
 public:
  explicit ErrorListener(Health& health) : health_(health) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    health_.WriteFailed(FromRocksDb(*error));
  }

 private:
  Health& health_;
};

// For how long writes have been held up since the database was opened. RocksDB's events of that come too late to be counted
// by: that writes are stopped is told behind the write that waits for it.
absl::Duration StalledTime(rocksdb::DB& db) {
  std::map<std::string, std::string> stats;
  int64_t micros = 0;
  if (!db.GetMapProperty(rocksdb::DB::Properties::kDBStats, &stats)) return absl::ZeroDuration();
  if (!absl::SimpleAtoi(stats["db.user_write_stall_micros"], &micros)) return absl::ZeroDuration();
  return absl::Microseconds(micros);
}

// What leads to less than what was acknowledged has lost some of it.
absl::Status CheckReached(const std::string& path, uint64_t reached, uint64_t noted) {
  if (reached >= noted) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the log of the store in ", path,
                                          " is damaged: it leads to change ", reached, ", but change ", noted,
                                          " was acknowledged. Restore a backup, or delete ", path,
                                          "/acknowledged to go on without what is lost"));
}

}  // namespace

Database::Database(const RocksDbOptions& options, rocksdb::Env& env, Health& health, Access access)
    : options_(options),
      env_(env),
      health_(health),
      access_(access),
      cache_(NewBlockCache(options.block_cache_bytes)) {}

Database::~Database() {
  absl::MutexLock lock(&gate_);
  CloseFiles();
}

std::string Database::db_path() const { return options_.path + "/db"; }

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const RocksDbOptions& options, rocksdb::Env& env,
                                                         Health& health) {
  std::unique_ptr<Database> database(new Database(options, env, health, Access::kReadAndWrite));
  RETURN_IF_ERROR(FromRocksDb(env.CreateDirIfMissing(options.path)));
  absl::MutexLock lock(&database->gate_);
  RETURN_IF_ERROR(database->OpenFiles());
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenForReading(const RocksDbOptions& options,
                                                                   rocksdb::Env& env, Health& health) {
  std::unique_ptr<Database> database(new Database(options, env, health, Access::kRead));
  absl::MutexLock lock(&database->gate_);
  RETURN_IF_ERROR(database->OpenFilesForReading());
  return database;
}

// Opening for good replays the log up to its first damaged record and throws the rest away. So that a damaged
// log stays as it is for whoever can mend it, the log is first replayed for reading only, and compared with
// the note.
absl::Status Database::CheckLog(const rocksdb::DBOptions& db_options, const Descriptors& families) const {
  ASSIGN_OR_RETURN(const uint64_t noted, ReadAcknowledged(env_, options_.path));
  if (noted == 0) return absl::OkStatus();
  // Reading takes no lock, and a database that another process writes to looks damaged.
  rocksdb::FileLock* lock = nullptr;
  RETURN_IF_ERROR(FromRocksDb(env_.LockFile(db_path() + "/LOCK", &lock)));
  RETURN_IF_ERROR(FromRocksDb(env_.UnlockFile(lock)));

  // Families that are made only when the store is opened for good are not there to be read.
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::ListColumnFamilies(db_options, db_path(), &names)));
  Descriptors there = families;
  std::erase_if(there, [&](const auto& family) {
    return std::find(names.begin(), names.end(), family.name) == names.end();
  });
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::OpenForReadOnly(db_options, db_path(), there, &handles, &raw)));
  const std::unique_ptr<rocksdb::DB> db(raw);
  const uint64_t reached = db->GetLatestSequenceNumber();
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  return CheckReached(options_.path, reached, noted);
}

Database::Descriptors Database::DescribeFamilies() const {
  Descriptors descriptors;
  for (size_t i = 0; i < kFamilyCount; ++i) {
    const Family family = static_cast<Family>(i);
    descriptors.emplace_back(FamilyName(family), FamilyOptions(family, options_, cache_));
  }
  return descriptors;
}

void Database::TakeDatabase(rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  db_.reset(db);
  for (size_t i = 0; i < kFamilyCount; ++i) families_[i] = handles[i];
  ++generation_;
  // What a failed write had changed may have come back.
  queued_from_ = 0;
  ForgetQueue();
}

absl::Status Database::OpenFilesForReading() {
  RETURN_IF_ERROR(CheckSchemaForReading(env_, options_.path));
  ASSIGN_OR_RETURN(const uint64_t noted, ReadAcknowledged(env_, options_.path));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::OpenForReadOnly(DatabaseOptions(options_, env_), db_path(),
                                                           DescribeFamilies(), &handles, &db)));
  TakeDatabase(db, handles);
  absl::Status status = CheckReached(options_.path, db_->GetLatestSequenceNumber(), noted);
  if (status.ok()) status = LoadCounters();
  if (status.ok()) status = LoadHiding();
  if (!status.ok()) CloseFiles();
  return status;
}

absl::Status Database::OpenFiles() {
  ASSIGN_OR_RETURN(const SchemaState schema, CheckSchema(env_, options_.path, db_path()));
  rocksdb::DBOptions db_options = DatabaseOptions(options_, env_);
  db_options.create_if_missing = schema == SchemaState::kNew;
  db_options.listeners.push_back(std::make_shared<ErrorListener>(health_));
  const Descriptors descriptors = DescribeFamilies();
  RETURN_IF_ERROR(CheckLog(db_options, descriptors));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::Open(db_options, db_path(), descriptors, &handles, &db)));
  TakeDatabase(db, handles);

  absl::Status status = BeginEpoch();
  if (status.ok()) status = LoadIncarnation();
  if (status.ok()) status = LoadCounters();
  if (status.ok()) status = SweepStaged();
  if (status.ok()) status = LoadHiding();
  if (status.ok()) status = LoadFeed();
  if (status.ok() && schema == SchemaState::kNew) status = MarkSchemaReady(env_, options_.path);
  if (status.ok()) {
    const absl::StatusOr<bool> old_receipts = AnyOldReceipts();
    status = old_receipts.status();
    if (status.ok()) has_old_receipts_.store(*old_receipts);
  }
  if (!status.ok()) CloseFiles();
  return status;
}

void Database::CloseFiles() {
  if (db_ == nullptr) return;
  {
    absl::MutexLock lock(&snapshots_mutex_);
    for (const rocksdb::Snapshot* snapshot : snapshots_) db_->ReleaseSnapshot(snapshot);
    snapshots_.clear();
  }
  for (rocksdb::ColumnFamilyHandle* handle : families_) db_->DestroyColumnFamilyHandle(handle);
  families_.fill(nullptr);
  stalled_before_ += StalledTime(*db_);
  db_.reset();
}

// Ids that were given out before a power cut, without having reached the disk, are never given out again.
absl::Status Database::BeginEpoch() {
  rocksdb::ColumnFamilyHandle* meta = families_[static_cast<size_t>(Family::kMeta)];
  std::string text;
  const rocksdb::Status read = db_->Get(rocksdb::ReadOptions(), meta, ToSlice(kEpochKey), &text);
  int64_t epoch = 0;
  if (!read.IsNotFound()) {
    RETURN_IF_ERROR(FromRocksDb(read));
    if (!absl::SimpleAtoi(text, &epoch)) return absl::DataLossError("the boot epoch is not a number");
  }
  if (++epoch > kMaxEpoch) return absl::FailedPreconditionError("the store has been opened too many times");
  rocksdb::WriteOptions synced;
  synced.sync = true;
  RETURN_IF_ERROR(FromRocksDb(db_->Put(synced, meta, ToSlice(kEpochKey), absl::StrCat(epoch))));
  next_id_.store(epoch << kIdCounterBits | 1, std::memory_order_relaxed);
  return absl::OkStatus();
}

// A store has none when it is new, or was made before schema version 3. A backup has that of the store that it was made of,
// which went on without it, and gets one of its own. Locks and leases go, in the same commit, so that it happens once: those
// of an old store have another form and their front-ends another language, and the sessions of a backup's are over.
absl::Status Database::LoadIncarnation() {
  ASSIGN_OR_RETURN(const bool is_backup, HasBackupNote(env_, options_.path));
  rocksdb::ColumnFamilyHandle* meta = families_[static_cast<size_t>(Family::kMeta)];
  const rocksdb::Status read =
      db_->Get(rocksdb::ReadOptions(), meta, ToSlice(kIncarnationKey), &incarnation_);
  if (!read.IsNotFound()) {
    RETURN_IF_ERROR(FromRocksDb(read));
    if (!is_backup) return absl::OkStatus();
  }
  const std::string before = std::exchange(incarnation_, RandomId(kIncarnationChars));
  rocksdb::WriteBatch batch;
  for (const Family family : {Family::kLease, Family::kLock}) {
    rocksdb::ColumnFamilyHandle* handle = families_[static_cast<size_t>(family)];
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), handle));
    for (it->SeekToFirst(); it->Valid(); it->Next()) batch.Delete(handle, it->key());
    RETURN_IF_ERROR(FromRocksDb(it->status()));
  }
  batch.Put(meta, ToSlice(kIncarnationKey), incarnation_);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  RETURN_IF_ERROR(FromRocksDb(db_->Write(synced, &batch)));
  if (!is_backup) return absl::OkStatus();
  // Should the power fail before this has reached the disk, it gets another one, which nobody has heard of yet either.
  RETURN_IF_ERROR(RemoveBackupNote(env_, options_.path));
  obs::LogInfo("backup_opened", {{"path", options_.path}, {"from", before}, {"incarnation", incarnation_}});
  return absl::OkStatus();
}

absl::StatusOr<bool> Database::AnyOldReceipts() const {
  const std::string first(1, kOldReceiptKind);
  const std::string end = PrefixEnd(first);
  const rocksdb::Slice bound = ToSlice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(options, families_[static_cast<size_t>(Family::kDelivery)]));
  it->Seek(ToSlice(first));
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  return it->Valid();
}

absl::Status Database::LookForOldReceipts() {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(const bool any, AnyOldReceipts());
  has_old_receipts_.store(any);
  return absl::OkStatus();
}

absl::Status Database::LoadCounters() {
  rocksdb::ColumnFamilyHandle* meta = families_[static_cast<size_t>(Family::kMeta)];
  std::string bytes;
  const rocksdb::Status read = db_->Get(rocksdb::ReadOptions(), meta, ToSlice(kCountersKey), &bytes);
  Counters counters;
  if (!read.IsNotFound()) {
    RETURN_IF_ERROR(FromRocksDb(read));
    RETURN_IF_ERROR(Decode(bytes, counters));
    if (!counters.knows_trash) RETURN_IF_ERROR(CountTrash(counters));
  }
  set_counters(counters);
  return absl::OkStatus();
}

// Of a store that is taken on, or has committed nothing since.
absl::Status Database::CountTrash(Counters& counters) {
  rocksdb::ColumnFamilyHandle* trash = families_[static_cast<size_t>(Family::kTrash)];
  const std::string first = TrashPrefix(AccountId{0});
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), trash));
  for (it->Seek(ToSlice(first)); it->Valid() && it->key()[0] == first[0]; it->Next()) {
    TrashedRecord trashed;
    RETURN_IF_ERROR(Decode(ToView(it->value()), trashed));
    ++counters.trash_message_count;
    counters.trash_message_bytes += SizeOf(trashed);
  }
  counters.knows_trash = true;
  return FromRocksDb(it->status());
}

// Bodies whose delivery never committed.
absl::Status Database::SweepStaged() {
  rocksdb::ColumnFamilyHandle* staged = families_[static_cast<size_t>(Family::kStaged)];
  rocksdb::ColumnFamilyHandle* bodies = families_[static_cast<size_t>(Family::kBody)];
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), staged));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    rocksdb::WriteBatch batch;
    const std::string prefix = it->key().ToString();
    const std::string end = PrefixEnd(prefix);
    rocksdb::Slice end_slice(end);
    rocksdb::ReadOptions in_body;
    if (!end.empty()) in_body.iterate_upper_bound = &end_slice;
    const std::unique_ptr<rocksdb::Iterator> chunk(db_->NewIterator(in_body, bodies));
    for (chunk->Seek(prefix); chunk->Valid(); chunk->Next()) batch.Delete(bodies, chunk->key());
    RETURN_IF_ERROR(FromRocksDb(chunk->status()));
    batch.Delete(staged, it->key());
    RETURN_IF_ERROR(FromRocksDb(db_->Write(rocksdb::WriteOptions(), &batch)));
  }
  return FromRocksDb(it->status());
}

// Which deletions go on being taken away. What names messages of one that never committed is deleted.
absl::Status Database::LoadHiding() {
  rocksdb::ColumnFamilyHandle* reclaim = families_[static_cast<size_t>(Family::kReclaim)];
  absl::flat_hash_map<AccountId, int64_t> hiding;
  absl::flat_hash_set<int64_t> deletions;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), reclaim));
  for (it->Seek(std::string(1, kDeletionKind)); it->Valid() && it->key()[0] == kDeletionKind; it->Next()) {
    ++hiding[AccountOfDeletionKey(ToView(it->key()))];
    deletions.insert(DeletionOfKey(ToView(it->key())));
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  const int64_t count = static_cast<int64_t>(deletions.size());
  // The change feed names the runs of these.
  const std::unique_ptr<rocksdb::Iterator> told(
      db_->NewIterator(rocksdb::ReadOptions(), families_[static_cast<size_t>(Family::kChange)]));
  for (told->Seek(std::string(1, kToldDeletionKind)); told->Valid() && told->key()[0] == kToldDeletionKind;
       told->Next()) {
    deletions.insert(DeletionOfToldKey(ToView(told->key())));
  }
  RETURN_IF_ERROR(FromRocksDb(told->status()));
  rocksdb::WriteBatch batch;
  for (it->Seek(std::string(1, kRunsKind)); it->Valid() && it->key()[0] == kRunsKind; it->Next()) {
    if (!deletions.contains(DeletionOfRunsKey(ToView(it->key())))) batch.Delete(reclaim, it->key());
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  if (batch.Count() > 0 && access_ == Access::kReadAndWrite) {
    RETURN_IF_ERROR(FromRocksDb(db_->Write(rocksdb::WriteOptions(), &batch)));
  }
  absl::MutexLock lock(&hiding_mutex_);
  hiding_ = std::move(hiding);
  hiding_generation_ = generation_;
  hiding_count_.store(count);
  hidings_begun_.fetch_add(1);
  return absl::OkStatus();
}

// Where the feed begins is kept; where it ends its last record says.
absl::Status Database::LoadFeed() {
  rocksdb::ColumnFamilyHandle* family = families_[static_cast<size_t>(Family::kChange)];
  FeedBegin begin;
  std::string bytes;
  const rocksdb::Status read = db_->Get(rocksdb::ReadOptions(), family, ToSlice(kFeedBeginKey), &bytes);
  if (!read.IsNotFound()) {
    RETURN_IF_ERROR(FromRocksDb(read));
    RETURN_IF_ERROR(Decode(bytes, begin));
  }
  int64_t last = begin.position - 1;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), family));
  it->SeekForPrev(FeedKey(std::numeric_limits<int64_t>::max()));
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  if (it->Valid() && it->key()[0] == kFeedKind) {
    FeedRecord feed;
    RETURN_IF_ERROR(Decode(ToView(it->value()), feed));
    last = std::max(last,
                    PositionOfChangeKey(ToView(it->key())) + static_cast<int64_t>(feed.changes.size()) - 1);
  }
  change_first_.store(begin.position);
  change_last_.store(last);
  absl::MutexLock lock(&listener_mutex_);
  // What a failed write has left is known now.
  if (listener_ != nullptr) listener_->Committed({});
  return absl::OkStatus();
}

void Database::ChangesCommitted(absl::Span<const CommittedChange> changes) {
  if (changes.empty()) return;
  change_last_.store(changes.back().position);
  absl::MutexLock lock(&listener_mutex_);
  if (listener_ != nullptr) listener_->Committed(changes);
}

void Database::BeginHiding(AccountId account) {
  absl::MutexLock lock(&hiding_mutex_);
  ++hiding_[account];
  hiding_count_.fetch_add(1);
  hidings_begun_.fetch_add(1);
}

void Database::EndHiding(AccountId account, uint64_t generation) {
  absl::MutexLock lock(&hiding_mutex_);
  // A recovery has counted anew, without it.
  if (generation != hiding_generation_) return;
  const auto it = hiding_.find(account);
  CHECK(it != hiding_.end());
  if (--it->second == 0) hiding_.erase(it);
  hiding_count_.fetch_sub(1);
}

bool Database::AwaitNoHiding(AccountId account, absl::Duration at_most) {
  const auto hides_none = [this, account]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(hiding_mutex_) {
    return !hiding_.contains(account);
  };
  absl::MutexLock lock(&hiding_mutex_);
  return hiding_mutex_.AwaitWithTimeout(absl::Condition(&hides_none), at_most);
}

absl::Status Database::CompactBodies(const rocksdb::CompactRangeOptions& options) {
  rocksdb::DB* db = nullptr;
  rocksdb::ColumnFamilyHandle* bodies = nullptr;
  {
    const Use use(*this);
    RETURN_IF_ERROR(use.status());
    absl::MutexLock lock(&compacting_mutex_);
    if (recovering_ || compacting_stopped_) return absl::UnavailableError("no compaction is begun now");
    ++compaction_count_;
    db = &use.db();
    bodies = use.family(Family::kBody);
  }
  const absl::Status compacted = FromRocksDb(db->CompactRange(options, bodies, nullptr, nullptr));
  absl::MutexLock lock(&compacting_mutex_);
  --compaction_count_;
  return compacted;
}

void Database::StopCompacting() {
  {
    absl::MutexLock lock(&compacting_mutex_);
    compacting_stopped_ = true;
  }
  const Use use(*this);
  if (use.status().ok()) use.db().DisableManualCompaction();
}

void Database::AwaitCompactions() {
  const auto none = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(compacting_mutex_) { return compaction_count_ == 0; };
  absl::MutexLock lock(&compacting_mutex_);
  compacting_mutex_.Await(absl::Condition(&none));
}

// Nothing is trusted after a failed write or sync: the kernel may have dropped what it could not write. So
// the files are closed and opened again, as by a restart: the log is replayed, and all that it held is
// written to new, synced files before the first new write. A commit that was reported as failed may turn out
// to be there; one that was acknowledged had been synced and is there. RocksDB's own Resume is not used: it
// keeps on appending to a log that may end in half a record when there is nothing in memory to flush. Until
// the disk takes writes again reads go on with the old files.
absl::Status Database::Recover() {
  RETURN_IF_ERROR(ProbeDisk());
  {
    absl::MutexLock lock(&compacting_mutex_);
    recovering_ = true;
  }
  {
    const Use use(*this);
    if (use.status().ok()) use.db().DisableManualCompaction();
  }
  AwaitCompactions();
  absl::MutexLock lock(&gate_);
  CloseFiles();
  const absl::Status opened = OpenFiles();
  {
    absl::MutexLock compacting(&compacting_mutex_);
    recovering_ = false;
  }
  // A change that was reported as failed may be there now.
  DirectoryChanged();
  QueueChanged();
  return opened;
}

absl::Status Database::ProbeDisk() const {
  // Opening writes to new files what the logs hold.
  RETURN_IF_ERROR(CheckFreeBytes(FreeBytes(env_, options_.path), BytesOfFiles(".log") + kProbeBytes));
  const std::string name = options_.path + "/probe";
  const absl::Status written = FromRocksDb(
      rocksdb::WriteStringToFile(&env_, std::string(kProbeBytes, '.'), name, /*should_sync=*/true));
  env_.DeleteFile(name).PermitUncheckedError();
  return written;
}

absl::Status Database::NoteAcknowledged() {
  const uint64_t acknowledged = acknowledged_.load(std::memory_order_acquire);
  if (acknowledged <= noted_.load()) return absl::OkStatus();
  RETURN_IF_ERROR(WriteAcknowledged(env_, options_.path, acknowledged));
  noted_.store(acknowledged);
  return absl::OkStatus();
}

uint64_t Database::BytesOfFiles(absl::string_view ending) const {
  std::vector<rocksdb::Env::FileAttributes> files;
  uint64_t total = 0;
  if (!env_.GetChildrenFileAttributes(db_path(), &files).ok()) return 0;
  for (const rocksdb::Env::FileAttributes& file : files) {
    if (absl::EndsWith(file.name, ending)) total += file.size_bytes;
  }
  return total;
}

Database::Use::Use(Database& database, Tier tier) ABSL_NO_THREAD_SAFETY_ANALYSIS
    : database_(database),
      tier_(tier),
      entered_(tier == Tier::kMemory ? database.gate_.ReaderTryLock() : (database.gate_.ReaderLock(), true)) {
}

Database::Use::~Use() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (entered_) database_.gate_.ReaderUnlock();
}

absl::Status Database::Use::status() const {
  if (entered_ && database_.db_ != nullptr) return absl::OkStatus();
  return absl::UnavailableError("the database is closed after a failure of the disk");
}

rocksdb::ReadOptions Database::Use::read_options() const {
  rocksdb::ReadOptions options;
  if (tier_ == Tier::kMemory) options.read_tier = rocksdb::ReadTier::kBlockCacheTier;
  return options;
}

absl::Status Database::Use::Outcome(const rocksdb::Status& status) const {
  missed_ = missed_ || status.IsIncomplete();
  return FromRocksDb(status);
}

absl::StatusOr<bool> Database::Use::Found(const rocksdb::Status& status, absl::string_view value) const {
  if (status.IsNotFound()) return false;
  RETURN_IF_ERROR(Outcome(status));
  if (tier_ == Tier::kMemory && value.empty()) {
    // RocksDB says so, too, when a table that may hold the key is not open.
    missed_ = true;
    return absl::UnavailableError("not in memory");
  }
  return true;
}

absl::StatusOr<bool> Database::Use::FindAt(const rocksdb::Snapshot* snapshot, Family family,
                                           absl::string_view key, std::string& value) const {
  rocksdb::ReadOptions options = read_options();
  options.snapshot = snapshot;
  const rocksdb::Status status = db().Get(options, this->family(family), ToSlice(key), &value);
  return Found(status, value);
}

WriteStall Database::Use::Stall() const {
  uint64_t value = 0;
  if (db().GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &value) && value > 0)
    return WriteStall::kStopped;
  // 0 while writes are not slowed down.
  if (db().GetIntProperty(rocksdb::DB::Properties::kActualDelayedWriteRate, &value) && value > 0) {
    return WriteStall::kSlowed;
  }
  return WriteStall::kNone;
}

absl::Duration Database::Use::StalledFor() const {
  return database_.stalled_before_ + (database_.db_ == nullptr ? absl::ZeroDuration() : StalledTime(db()));
}

absl::Status Database::Use::Write(rocksdb::WriteBatch& batch, bool sync) const {
  rocksdb::WriteOptions options;
  options.sync = sync;
  options.no_slowdown = tier_ == Tier::kMemory;
#if defined(__SANITIZE_THREAD__)
  // RocksDB lets one of several writers write the batches of the others, and hands them over by atomics that
  // the thread sanitizer does not see in a library built without it. One at a time, nothing is handed over.
  static absl::Mutex one_at_a_time(absl::kConstInit);
  const absl::MutexLock lock(&one_at_a_time);
#endif
  // What comes before this batch in the log is synced with it, and it has a number for each of its entries.
  const uint64_t reaches = db().GetLatestSequenceNumber() + batch.Count();
  const absl::Time began = Clock::Steady().Now();
  const rocksdb::Status written = db().Write(options, &batch);
  // It would have been held up, and is not done.
  if (options.no_slowdown && written.IsIncomplete()) return Outcome(written);
  const absl::Status status = FromRocksDb(written);
  if (database_.options_.on_write) {
    database_.options_.on_write(
        {static_cast<size_t>(batch.Count()), batch.GetDataSize(), sync, Clock::Steady().Now() - began});
  }
  if (!status.ok()) {
    database_.health_.WriteFailed(status);
  } else if (sync) {
    database_.acknowledged_.store(reaches, std::memory_order_release);
  }
  return status;
}

Database::LiveFiles::LiveFiles(Database& database, const Use& use)
    : database_(database), generation_(use.generation()), sequence_(use.db().GetLatestSequenceNumber()) {}

absl::StatusOr<std::unique_ptr<Database::LiveFiles>> Database::LiveFiles::Hold(Database& database) {
  std::unique_ptr<LiveFiles> held;
  absl::Status found;
  {
    const Use use(database);
    RETURN_IF_ERROR(use.status());
    RETURN_IF_ERROR(FromRocksDb(use.db().DisableFileDeletions()));
    held.reset(new LiveFiles(database, use));
    found =
        FromRocksDb(use.db().GetLiveFilesStorageInfo(rocksdb::LiveFilesStorageInfoOptions(), &held->files_));
  }
  RETURN_IF_ERROR(found);
  return held;
}

Database::LiveFiles::~LiveFiles() {
  const Use use(database_);
  // A database that was opened again deletes what it likes.
  if (use.generation() != generation_ || !use.status().ok()) return;
  FromRocksDb(use.db().EnableFileDeletions(/*force=*/false)).IgnoreError();
}

absl::Status Database::LiveFiles::CheckHeld() const {
  const Use use(database_);
  RETURN_IF_ERROR(use.status());
  if (use.generation() == generation_) return absl::OkStatus();
  return absl::UnavailableError("the store recovered from a failure meanwhile");
}

Database::Snapshot::Snapshot(const Use& use)
    : database_(use.database_), generation_(use.generation()), snapshot_(use.db().GetSnapshot()) {
  absl::MutexLock lock(&database_.snapshots_mutex_);
  database_.snapshots_.insert(snapshot_);
}

Database::Snapshot::~Snapshot() {
  const Use use(database_);
  // One that the database took along when it closed was released then.
  if (use.generation() != generation_ || !use.status().ok()) return;
  {
    absl::MutexLock lock(&database_.snapshots_mutex_);
    database_.snapshots_.erase(snapshot_);
  }
  use.db().ReleaseSnapshot(snapshot_);
}

}  // namespace mailstead::engine
