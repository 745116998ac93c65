#include "stored/engine/rocksdb/writer.h"

#include <rocksdb/perf_level.h>

#include <utility>

#include "absl/synchronization/notification.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace mailstead::engine {
namespace {

// Bounds the memory of a batch and how long the first of its callers waits for the last.
constexpr size_t kMaxGroupCount = 1000;
constexpr size_t kMaxGroupBytes = size_t{8} << 20;
// Bounds how long the writer is at one commit: some 20 ms.
constexpr size_t kMaxGroupRecords = 6000;

}  // namespace

Batch::Batch(const Database::Use& use)
    : use_(use),
      batch_(rocksdb::BytewiseComparator(), 0, /*overwrite_key=*/true),
      counters_(use.counters()),
      counters_stored_(counters_) {}

absl::StatusOr<bool> Batch::Find(Family family, absl::string_view key, std::string& value) const {
  if (family == Family::kQueue) {
    if (use_.database().recent_records().Find(key, value)) return true;
    if (const auto once = once_.find(key); once != once_.end()) {
      value = once->second;
      return true;
    }
  }
  // RocksDB does not declare it const, though it only reads.
  auto& batch = const_cast<rocksdb::WriteBatchWithIndex&>(batch_);
  const rocksdb::Status status =
      batch.GetFromBatchAndDB(&use_.db(), use_.read_options(), use_.family(family), ToSlice(key), &value);
  return use_.Found(status, value);
}

absl::StatusOr<bool> Batch::FindPrefix(Family family, absl::string_view prefix) {
  ASSIGN_OR_RETURN(const size_t count, CountPrefix(family, prefix, 1));
  return count != 0;
}

absl::StatusOr<size_t> Batch::CountPrefix(Family family, absl::string_view prefix, size_t limit) {
  rocksdb::ColumnFamilyHandle* handle = use_.family(family);
  const std::unique_ptr<rocksdb::Iterator> it(
      batch_.NewIteratorWithBase(handle, use_.db().NewIterator(rocksdb::ReadOptions(), handle)));
  size_t count = 0;
  for (it->Seek(ToSlice(prefix)); count < limit && it->Valid() && it->key().starts_with(ToSlice(prefix));
       it->Next()) {
    ++count;
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  return count;
}

absl::Status Batch::Scan(
    Family family, absl::string_view first, absl::string_view end,
    absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)> visit) {
  rocksdb::ColumnFamilyHandle* handle = use_.family(family);
  const rocksdb::Slice bound = ToSlice(end);
  rocksdb::ReadOptions options;
  if (!end.empty()) options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(
      batch_.NewIteratorWithBase(handle, use_.db().NewIterator(options, handle)));
  for (it->Seek(ToSlice(first)); it->Valid(); it->Next()) {
    // The bound holds for the database alone.
    if (!end.empty() && it->key().compare(bound) >= 0) break;
    ASSIGN_OR_RETURN(const bool go_on, visit(ToView(it->key()), ToView(it->value())));
    if (!go_on) return absl::OkStatus();
  }
  return FromRocksDb(it->status());
}

void Batch::Put(Family family, absl::string_view key, absl::string_view value) {
  NoteChange(family);
  const rocksdb::Status status = batch_.Put(use_.family(family), ToSlice(key), ToSlice(value));
  CHECK(status.ok());  // fails only past a size limit, and none is set
  if (family == Family::kQueue) use_.database().recent_records().Put(key, value);
}

void Batch::Delete(Family family, absl::string_view key) {
  NoteChange(family);
  const rocksdb::Status status = batch_.Delete(use_.family(family), ToSlice(key));
  CHECK(status.ok());
  if (family != Family::kQueue) return;
  use_.database().recent_records().Delete(key);
  if (!once_.contains(key)) return;
  NoteOnce(key);
  once_.erase(key);
}

void Batch::PutOnce(absl::string_view key, absl::string_view value) {
  NoteOnce(key);
  once_.insert_or_assign(key, std::string(value));
  use_.database().recent_records().Put(key, value);
}

void Batch::NoteOnce(absl::string_view key) {
  const auto before = once_.find(key);
  once_before_.emplace_back(key, before == once_.end() ? std::nullopt : std::make_optional(before->second));
}

void Batch::Note(ChangeRecord change) {
  if (!feed_.changes.empty()) change.time = feed_.changes.front().time;
  Put(Family::kChange, AccountChangeKey(change.account, next_position()), Encode(change));
  feed_.changes.push_back(std::move(change));
}

std::vector<CommittedChange> Batch::Committed() const {
  std::vector<CommittedChange> changes;
  changes.reserve(feed_.changes.size());
  int64_t position = use_.database().change_bounds().last;
  for (const ChangeRecord& change : feed_.changes) {
    changes.push_back({change.kind, change.account, ++position, change.address, change.old_address});
  }
  return changes;
}

void Batch::Begin() {
  noted_before_ = feed_.changes.size();
  once_before_.clear();
  batch_.SetSavePoint();
  counters_before_ = counters_;
  size_before_ = batch_.GetWriteBatch()->GetDataSize();
}

void Batch::Keep() { CHECK(batch_.PopSavePoint().ok()); }

void Batch::Undo() {
  counters_ = counters_before_;
  feed_.changes.resize(noted_before_);
  const bool wrote = batch_.GetWriteBatch()->GetDataSize() != size_before_;
  if (wrote || !once_before_.empty()) use_.database().ForgetQueue();
  for (; !once_before_.empty(); once_before_.pop_back()) {
    auto& [key, before] = once_before_.back();
    if (before.has_value()) {
      once_.insert_or_assign(std::move(key), *std::move(before));
    } else {
      once_.erase(key);
    }
  }
  // Going back builds the index of the whole batch anew; most changes that fail have written nothing yet.
  if (!wrote) return Keep();
  CHECK(batch_.RollbackToSavePoint().ok());
}

absl::Status Batch::Write(bool sync) {
  for (const auto& [key, value] : once_) Put(Family::kQueue, key, value);
  if (counters_ != counters_stored_) Put(Family::kMeta, kCountersKey, Encode(counters_));
  if (!feed_.changes.empty()) {
    Put(Family::kChange, FeedKey(use_.database().change_bounds().last + 1), Encode(feed_));
  }
  return use_.Write(*batch_.GetWriteBatch(), sync);
}

Writer::Writer(Database& database, Executor& executor, size_t max_waiting, size_t max_waiting_bytes)
    : database_(database),
      executor_(executor),
      max_waiting_(max_waiting),
      max_waiting_bytes_(max_waiting_bytes),
      thread_([this] { Loop(); }) {}

Writer::~Writer() { Stop(); }

void Writer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool Writer::CommitHere(Change& change) {
  if (!change.is_small()) return false;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || committing_ || !waiting_.empty()) return false;
    committing_ = true;
  }
  std::vector<absl::Status> outcomes(1);
  absl::Status written;
  bool done;
  {
    const Database::Use use(database_, Database::Tier::kMemory);
    written = ApplyAndWrite(use, {&change}, outcomes);
    done = use.status().ok() && !use.missed();
  }
  {
    // The thread goes on with what came meanwhile.
    absl::MutexLock lock(&mutex_);
    committing_ = false;
  }
  if (done) change.outcome_ = written.ok() ? std::move(outcomes.front()) : written;
  return done;
}

bool Writer::Submit(Change& change) {
  const size_t bytes = change.size_bytes();
  absl::Status refused = absl::ResourceExhaustedError("the store has too many changes waiting to be written");
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) refused = absl::UnavailableError("the store is being closed");
    // One large change is always taken when none waits.
    const bool fits =
        waiting_.empty() || (waiting_.size() < max_waiting_ && waiting_bytes_ + bytes <= max_waiting_bytes_);
    if (fits && !stopping_) {
      waiting_bytes_ += bytes;
      waiting_.push_back(&change);
      return true;
    }
  }
  change.Finish(std::move(refused));
  return false;
}

absl::Status Writer::Run(absl::FunctionRef<absl::Status(Batch&)> apply, bool sync) {
  class Blocking final : public Change {
   public:
    Blocking(absl::FunctionRef<absl::Status(Batch&)> apply, bool sync) : apply_(apply), sync_(sync) {}
    absl::Status Apply(Batch& batch) override { return apply_(batch); }
    bool needs_sync() const override { return sync_; }
    absl::Status Wait() {
      finished_.WaitForNotification();
      return outcome_;
    }

   private:
    std::coroutine_handle<> Finish(absl::Status status) override {
      outcome_ = std::move(status);
      finished_.Notify();
      return nullptr;
    }

    absl::FunctionRef<absl::Status(Batch&)> apply_;
    const bool sync_;
    absl::Status outcome_;
    absl::Notification finished_;
  };
  CHECK(std::this_thread::get_id() != thread_.get_id());
  Blocking change(apply, sync);
  Submit(change);
  return change.Wait();
}

void Writer::Loop() {
  // RocksDB's counters of this thread: nobody reads them.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  for (;;) {
    const Group group = NextGroup();
    if (group.empty()) return;
    CommitGroup(group);
  }
}

Writer::Group Writer::NextGroup() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !committing_ && (stopping_ || !waiting_.empty());
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&has_work));
  committing_ = true;
  Group group;
  size_t group_bytes = 0;
  size_t group_records = 0;
  while (!waiting_.empty() && group.size() < kMaxGroupCount && group_bytes < kMaxGroupBytes) {
    group_records += waiting_.front()->record_count();
    if (!group.empty() && group_records > kMaxGroupRecords) break;
    const size_t bytes = waiting_.front()->size_bytes();
    group_bytes += bytes;
    waiting_bytes_ -= bytes;
    group.push_back(waiting_.front());
    waiting_.pop_front();
  }
  return group;
}

void Writer::CommitGroup(const Group& group) {
  std::vector<absl::Status> outcomes(group.size());
  absl::Status written;
  {
    const Database::Use use(database_);
    written = ApplyAndWrite(use, group, outcomes);
  }
  {
    // Before anybody goes on: a small change that follows finds the writer idle.
    absl::MutexLock lock(&mutex_);
    committing_ = false;
  }
  std::vector<std::coroutine_handle<>> ready;
  ready.reserve(group.size());
  for (size_t i = 0; i < group.size(); ++i) {
    const std::coroutine_handle<> waiting = group[i]->Finish(written.ok() ? std::move(outcomes[i]) : written);
    if (waiting) ready.push_back(waiting);
  }
  if (!ready.empty()) executor_.Resume(ready);
}

absl::Status Writer::ApplyAndWrite(const Database::Use& use, const Group& group,
                                   std::vector<absl::Status>& outcomes) {
  RETURN_IF_ERROR(use.status());
  Batch batch(use);
  bool sync = false;
  for (size_t i = 0; i < group.size(); ++i) {
    batch.Begin();
    outcomes[i] = group[i]->Apply(batch);
    if (outcomes[i].ok()) {
      batch.Keep();
      sync = sync || group[i]->needs_sync();
    } else {
      batch.Undo();
    }
  }
  if (batch.empty()) return absl::OkStatus();
  const absl::Status written = batch.Write(sync);
  // Also when it failed: it may be there after a recovery.
  if (batch.changes_directory()) database_.DirectoryChanged();
  if (batch.changes_queue()) database_.QueueChanged();
  if (!written.ok()) database_.ForgetQueue();
  RETURN_IF_ERROR(written);
  database_.set_counters(batch.counters());
  database_.ChangesCommitted(batch.Committed());
  return absl::OkStatus();
}

}  // namespace mailstead::engine
