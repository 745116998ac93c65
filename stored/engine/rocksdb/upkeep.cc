// The state of the store, and what goes on by itself: recovery from failures, deleted mailboxes, forgotten leases,
// receipts and body space.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/schema.h"
#include "stored/engine/rocksdb/trash.h"
#include "stored/rules/listing.h"

namespace mailstead::engine {
namespace {

// The rest after a step of what takes long (RocksDbOptions::reclaim_rest) is within these bounds.
constexpr absl::Duration kMinRest = absl::Milliseconds(1);
constexpr absl::Duration kMaxRest = absl::Milliseconds(100);
// Marks that are read at once: of deleted mailboxes, deletions and bodies.
constexpr size_t kMarks = 100;
// What less than this was taken away of is not worth a line in the log.
constexpr int64_t kLoggedCount = 1000;

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

// Does steps until one says that it was the last, with a rest behind each, so that together they have a part of a core and
// of the disk. Cancelled after Stop.
absl::Status Repeat(RocksDbShared& shared, absl::FunctionRef<absl::StatusOr<bool>()> step) {
  const int factor = shared.options().reclaim_rest;
  for (;;) {
    const absl::Time began = absl::Now();
    ASSIGN_OR_RETURN(const bool all, step());
    const absl::Duration rest = std::clamp(factor * (absl::Now() - began), kMinRest, kMaxRest);
    if (!shared.Rest(factor > 0 ? rest : absl::ZeroDuration())) return Stopped();
    if (all) return absl::OkStatus();
  }
}

// The first key behind `key`.
std::string Behind(absl::string_view key) { return absl::StrCat(key, absl::string_view("\0", 1)); }

// Keys of a family from `first` on, before `end`; at most `limit`.
absl::StatusOr<std::vector<std::string>> Keys(RocksDbShared& shared, Family family, absl::string_view first,
                                              absl::string_view end, size_t limit) {
  std::vector<std::string> keys;
  const Database::Use use(shared.database());
  RETURN_IF_ERROR(use.status());
  const auto visit = [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
    keys.emplace_back(key);
    return keys.size() < limit;
  };
  RETURN_IF_ERROR(Scan(use, family, first, end, visit));
  return keys;
}

// Calls `visit` for each key that begins with `prefix`, without a view of the database in between. What fails with
// Cancelled or Unavailable ends it; what else fails is told when all were visited.
absl::Status ForEachKey(RocksDbShared& shared, Family family, absl::string_view prefix,
                        absl::FunctionRef<absl::Status(absl::string_view key)> visit) {
  absl::Status outcome;
  std::string first(prefix);
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<std::string> keys,
                     Keys(shared, family, first, PrefixEnd(prefix), kMarks));
    if (keys.empty()) return outcome;
    for (const std::string& key : keys) {
      const absl::Status visited = visit(key);
      if (absl::IsCancelled(visited) || absl::IsUnavailable(visited)) return visited;
      outcome.Update(visited);
    }
    first = Behind(keys.back());
  }
}

// Messages of a mailbox that are to be taken away.
struct Taken {
  struct Entry {
    std::string key;
    int64_t body = 0;
    // Of one that goes into the trash.
    std::string value;
  };
  std::vector<Entry> entries;
  // The first that was not looked at.
  MessageId next;
};

// Those from `taken.next` to `last`, up to `limit` in all. True: there is none behind them.
absl::StatusOr<bool> Take(const Database::Use& use, AccountId account, MessageId last, size_t limit,
                          bool is_kept, Taken& taken) {
  const std::string first = MessageKey(account, taken.next);
  const std::string end = Behind(MessageKey(account, last));
  if (taken.entries.size() >= limit) return false;
  const auto visit = [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
    MessageRecord record;
    RETURN_IF_ERROR(Decode(value, record));
    taken.entries.push_back({std::string(key), record.body, is_kept ? std::string(value) : std::string()});
    taken.next = MessageId{MessageOfKey(key).value + 1};
    // What the writer is going to read is in memory then.
    std::string ref;
    if (!is_kept) RETURN_IF_ERROR(use.Find(Family::kBodyRef, BodyKey(record.body), ref).status());
    return taken.entries.size() < limit;
  };
  RETURN_IF_ERROR(Scan(use, Family::kMessage, first, end, visit));
  if (taken.entries.size() >= limit) return false;
  taken.next = MessageId{last.value + 1};
  return true;
}

// Entries that nobody else sees any more, nor takes away: into the trash where they are kept.
void Remove(Batch& batch, AccountId account, const Taken& taken, const rules::Deletion& kept) {
  for (const Taken::Entry& entry : taken.entries) {
    if (kept.domain.empty()) {
      const absl::Status freed = UnrefBody(batch, entry.body).status();
      // Its chunks, if there are any, cannot be told from those of others: they stay.
      if (!freed.ok()) obs::LogError("reclaim_damaged", {{"error", freed.ToString()}});
    } else {
      PutIntoTrash(batch, account, MessageOfKey(entry.key), {kept, entry.value});
    }
    batch.Delete(Family::kMessage, entry.key);
  }
}

void LogReclaimed(absl::string_view event, AccountId account, int64_t count, absl::Time began) {
  if (count < kLoggedCount) return;
  obs::LogInfo(event, {{"account", account.value},
                       {"messages", count},
                       {"seconds", absl::ToDoubleSeconds(absl::Now() - began)}});
}

// Whether the change feed names the runs of a deletion.
absl::StatusOr<bool> IsTold(Database& database, int64_t deletion) {
  const Database::Use use(database);
  RETURN_IF_ERROR(use.status());
  std::string mark;
  return use.Find(Family::kChange, ToldDeletionKey(deletion), mark);
}

// How far a deletion, or a deleted mailbox, has been taken away. Absent: it is gone.
absl::StatusOr<std::optional<Deletion>> Progress(const Database::Use& use, Family family,
                                                 absl::string_view key) {
  std::string bytes;
  ASSIGN_OR_RETURN(const bool found, use.Find(family, key, bytes));
  if (!found) return std::optional<Deletion>();
  Deletion deletion;
  // A mailbox that was deleted just now has no word of it yet.
  if (!bytes.empty()) RETURN_IF_ERROR(Decode(bytes, deletion));
  return std::optional<Deletion>(deletion);
}

}  // namespace

void RocksDbUpkeep::Begin() {
  maintenance_ = std::thread([this] { Maintain(); });
  reclaiming_ = std::thread([this] { ReclaimAlways(); });
}

void RocksDbUpkeep::End() {
  shared_.StopLongWork();
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (maintenance_.joinable()) maintenance_.join();
  if (reclaiming_.joinable()) reclaiming_.join();
}

void RocksDbUpkeep::Maintain() {
  const auto is_ending = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_; };
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&is_ending), shared_.options().maintenance_interval))
        return;
    }
    RecoverIfNeeded();
    // What fails here is tried again at the next turn; a write that fails has told Health.
    shared_.database().NoteAcknowledged().IgnoreError();
    leases_.Forget().IgnoreError();
  }
}

void RocksDbUpkeep::ReclaimAlways() {
  bool was_failing = false;
  while (shared_.AwaitReclaim()) {
    const absl::Status reclaimed = Reclaim();
    const bool failed = !reclaimed.ok() && !absl::IsCancelled(reclaimed);
    if (failed && !was_failing) obs::LogError("reclaim_failed", {{"error", reclaimed.ToString()}});
    was_failing = failed;
    if (reclaimed.ok()) continue;
    // It is tried again, but not at once.
    shared_.NoteReclaim();
    if (!shared_.Rest(shared_.options().maintenance_interval)) return;
  }
}

void RocksDbUpkeep::RecoverIfNeeded() {
  if (!shared_.health().write_failed()) return;
  if (!failure_logged_) obs::LogError("store_write_failed", {{"error", shared_.health().Get().ToString()}});
  failure_logged_ = true;
  const absl::Status recovered = shared_.database().Recover();
  if (!recovered.ok()) {
    if (!waiting_logged_) obs::LogError("store_not_recovered", {{"error", recovered.ToString()}});
    waiting_logged_ = true;
    return;
  }
  shared_.health().Recovered();
  failure_logged_ = waiting_logged_ = false;
  obs::LogWarning("store_recovered", {});
}

// All that is deleted and not yet taken away. One thread at a time: what it takes nobody else takes.
absl::Status RocksDbUpkeep::Reclaim() {
  absl::MutexLock lock(&reclaim_mutex_);
  if (shared_.long_work_stopped()) return Stopped();
  absl::Status outcome = ForEachKey(shared_, Family::kMeta, kDoomedPrefix, [&](absl::string_view key) {
    return ReclaimMailbox(AccountOfKey(key.substr(kDoomedPrefix.size())));
  });
  outcome.Update(ForEachKey(
      shared_, Family::kReclaim, absl::string_view(&kDeletionKind, 1),
      [&](absl::string_view key) { return ReclaimDeletion(AccountOfDeletionKey(key), DeletionOfKey(key)); }));
  outcome.Update(ReclaimBodies());
  return outcome;
}

absl::Status RocksDbUpkeep::ReclaimMailbox(AccountId account) {
  const absl::Time began = absl::Now();
  // Its messages go with the mailbox.
  RETURN_IF_ERROR(DropDeletions(account));
  RETURN_IF_ERROR(DropTrash(account));
  constexpr MessageId kLast{std::numeric_limits<int64_t>::max() - 1};
  const std::string mark = DoomedKey(account);
  const std::string mailbox = MailboxKey(account);
  int64_t count = 0;
  const auto step = [&]() -> absl::StatusOr<bool> {
    Taken taken;
    bool all = false;
    {
      const Database::Use use(shared_.database());
      RETURN_IF_ERROR(use.status());
      ASSIGN_OR_RETURN(const auto progress, Progress(use, Family::kMeta, mark));
      if (!progress.has_value()) return true;
      taken.next = progress->next;
      ASSIGN_OR_RETURN(
          all, Take(use, account, kLast, shared_.options().max_reclaimed_at_once, /*is_kept=*/false, taken));
    }
    // The listings that a front-end may remember go with the last entry.
    std::vector<std::string> removals;
    if (all) {
      ASSIGN_OR_RETURN(removals,
                       Keys(shared_, Family::kMailbox, mailbox, PrefixEnd(mailbox), rules::kMaxRemovals + 1));
    }
    const auto apply = [&](Batch& batch) {
      Remove(batch, account, taken, /*kept=*/{});
      for (const std::string& key : removals) batch.Delete(Family::kMailbox, key);
      if (all) {
        batch.Delete(Family::kMeta, mark);
      } else {
        batch.Put(Family::kMeta, mark, Encode(Deletion{taken.next, {}}));
      }
      return absl::OkStatus();
    };
    // What a power cut takes back is done again.
    RETURN_IF_ERROR(shared_.writer().Run(apply, /*sync=*/false));
    count += static_cast<int64_t>(taken.entries.size());
    return all;
  };
  RETURN_IF_ERROR(Repeat(shared_, step));
  LogReclaimed("mailbox_reclaimed", account, count, began);
  return absl::OkStatus();
}

// Of a deleted mailbox: nobody reads it any more.
absl::Status RocksDbUpkeep::DropDeletions(AccountId account) {
  const size_t limit = shared_.options().max_reclaimed_at_once;
  const auto drop = [&](absl::string_view mark) -> absl::Status {
    const int64_t deletion = DeletionOfKey(mark);
    ASSIGN_OR_RETURN(const bool told, IsTold(shared_.database(), deletion));
    // Those that the change feed names go with it.
    const std::string prefix = told ? "" : RunsPrefix(deletion);
    std::string first = prefix;
    uint64_t generation = 0;
    const auto step = [&]() -> absl::StatusOr<bool> {
      std::vector<std::string> keys;
      if (!told) {
        ASSIGN_OR_RETURN(keys, Keys(shared_, Family::kReclaim, first, PrefixEnd(prefix), limit));
      }
      const bool all = keys.size() < limit;
      const auto apply = [&](Batch& batch) {
        generation = batch.use().generation();
        for (const std::string& key : keys) batch.Delete(Family::kReclaim, key);
        if (all) batch.Delete(Family::kReclaim, mark);
        return absl::OkStatus();
      };
      RETURN_IF_ERROR(shared_.writer().Run(apply, /*sync=*/false));
      if (all) {
        shared_.database().EndHiding(account, generation);
      } else {
        first = Behind(keys.back());
      }
      return all;
    };
    return Repeat(shared_, step);
  };
  return ForEachKey(shared_, Family::kReclaim, DeletionPrefix(account), drop);
}

// Of a deleted mailbox, too.
absl::Status RocksDbUpkeep::DropTrash(AccountId account) {
  const std::string prefix = TrashPrefix(account);
  const size_t limit = shared_.options().max_reclaimed_at_once;
  std::string first = prefix;
  const auto step = [&]() -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const std::vector<std::string> keys,
                     Keys(shared_, Family::kTrash, first, PrefixEnd(prefix), limit));
    if (keys.empty()) return true;
    const auto apply = [&](Batch& batch) -> absl::Status {
      for (const std::string& key : keys) {
        ASSIGN_OR_RETURN(const auto trashed, FindRecord<TrashedRecord>(batch, Family::kTrash, key));
        // EmptyTrash was faster.
        if (trashed.has_value()) FreeTrashed(batch, key, *trashed);
      }
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(shared_.writer().Run(apply, /*sync=*/false));
    first = Behind(keys.back());
    return keys.size() < limit;
  };
  return Repeat(shared_, step);
}

absl::Status RocksDbUpkeep::ReclaimDeletion(AccountId account, int64_t deletion) {
  const absl::Time began = absl::Now();
  const size_t limit = shared_.options().max_reclaimed_at_once;
  const std::string mark = DeletionKey(account, deletion);
  const std::string prefix = RunsPrefix(deletion);
  // Runs that the change feed names go with it.
  ASSIGN_OR_RETURN(const bool told, IsTold(shared_.database(), deletion));
  std::string first = prefix;
  int64_t count = 0;
  const auto step = [&]() -> absl::StatusOr<bool> {
    Taken taken;
    rules::Deletion kept;
    bool all = true;
    // Records of runs that are done with.
    std::vector<std::string> done;
    {
      const Database::Use use(shared_.database());
      RETURN_IF_ERROR(use.status());
      ASSIGN_OR_RETURN(const auto progress, Progress(use, Family::kReclaim, mark));
      if (!progress.has_value()) return true;
      taken.next = progress->next;
      kept = progress->kept;
      size_t looked_at = 0;
      const auto visit = [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
        Runs runs;
        RETURN_IF_ERROR(Decode(value, runs));
        for (const MessageRun& run : runs.runs) {
          if (run.last < taken.next) continue;
          if (taken.next < run.first) taken.next = run.first;
          // A run may be empty: another deletion has taken its messages.
          all = ++looked_at <= limit;
          if (all) {
            ASSIGN_OR_RETURN(all, Take(use, account, run.last, limit, !kept.domain.empty(), taken));
          }
          if (!all) return false;
        }
        done.emplace_back(key);
        return true;
      };
      RETURN_IF_ERROR(Scan(use, Family::kReclaim, first, PrefixEnd(prefix), visit));
    }
    uint64_t generation = 0;
    const auto apply = [&](Batch& batch) {
      generation = batch.use().generation();
      Remove(batch, account, taken, kept);
      for (const std::string& key : done) {
        if (!told) batch.Delete(Family::kReclaim, key);
      }
      if (all) {
        batch.Delete(Family::kReclaim, mark);
      } else {
        batch.Put(Family::kReclaim, mark, Encode(Deletion{taken.next, kept}));
      }
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(shared_.writer().Run(apply, /*sync=*/false));
    if (!done.empty()) first = Behind(done.back());
    if (all) shared_.database().EndHiding(account, generation);
    count += static_cast<int64_t>(taken.entries.size());
    return all;
  };
  RETURN_IF_ERROR(Repeat(shared_, step));
  LogReclaimed("deletion_reclaimed", account, count, began);
  return absl::OkStatus();
}

// Chunks of large bodies, the last first, so that the mark says what is left. Nobody else knows these bodies: their chunks
// need no place in the writer's order.
absl::Status RocksDbUpkeep::ReclaimBodies() {
  const uint32_t limit = static_cast<uint32_t>(shared_.options().max_reclaimed_at_once);
  const auto reclaim = [&](absl::string_view mark) -> absl::Status {
    const int64_t body = BodyOfDeadBodyKey(mark);
    const auto step = [&]() -> absl::StatusOr<bool> {
      const Database::Use use(shared_.database());
      RETURN_IF_ERROR(use.status());
      ASSIGN_OR_RETURN(const auto dead, FindRecord<BodyRef>(use, Family::kReclaim, mark));
      if (!dead.has_value()) return true;
      const uint32_t count = ChunkCount(dead->size_bytes);
      const uint32_t left = count > limit ? count - limit : 0;
      rocksdb::WriteBatch batch;
      for (uint32_t chunk = left; chunk < count; ++chunk) {
        batch.Delete(use.family(Family::kBody), ChunkKey(body, chunk));
      }
      if (left == 0) {
        batch.Delete(use.family(Family::kReclaim), ToSlice(mark));
      } else {
        batch.Put(use.family(Family::kReclaim), ToSlice(mark),
                  Encode(BodyRef{0, int64_t{left} * static_cast<int64_t>(kChunkBytes)}));
      }
      RETURN_IF_ERROR(use.Write(batch, /*sync=*/false));
      return left == 0;
    };
    return Repeat(shared_, step);
  };
  return ForEachKey(shared_, Family::kReclaim, absl::string_view(&kDeadBodyKind, 1), reclaim);
}

Task<absl::Status> RocksDbUpkeep::Sweep(absl::Duration receipt_age) {
  if (!co_await shared_.background().Enter()) co_return Readers::TooMany();
  absl::Status swept = SweepNow(receipt_age);
  co_await shared_.background().Leave();
  co_return swept;
}

absl::Status RocksDbUpkeep::SweepNow(absl::Duration receipt_age) {
  absl::MutexLock lock(&sweep_mutex_);
  RETURN_IF_ERROR(Reclaim());
  const absl::Time before = shared_.clock().Now() - receipt_age;
  // Where the clock was set back, or receipts are kept for longer, there may be some before the last sweep's end.
  if (before < swept_before_) swept_receipts_ = swept_old_receipts_ = "";
  swept_before_ = before;
  RETURN_IF_ERROR(SweepReceipts(kReceiptTimeKind, before, swept_receipts_));
  if (shared_.database().has_old_receipts()) {
    RETURN_IF_ERROR(SweepReceipts(kOldReceiptTimeKind, before, swept_old_receipts_));
    RETURN_IF_ERROR(shared_.database().LookForOldReceipts());
  }
  return ReclaimBodySpace();
}

// Begins where the last sweep ended: not with what that one has deleted, which the database steps over for long. Not
// through the writer: who stores a delivery again that is forgotten here finds no receipt any more, and so comes later.
absl::Status RocksDbUpkeep::SweepReceipts(char kind, absl::Time before, std::string& from) {
  const absl::Time began = absl::Now();
  const std::string end = ReceiptTimeBound(kind, before);
  if (from.empty()) from = std::string(1, kind);
  if (from >= end) return absl::OkStatus();
  int64_t count = 0;
  const auto step = [&]() -> absl::StatusOr<bool> {
    const Database::Use use(shared_.database());
    RETURN_IF_ERROR(use.status());
    rocksdb::WriteBatch batch;
    size_t found = 0;
    std::string last;
    const auto visit = [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
      batch.Delete(use.family(Family::kDelivery), ToSlice(key));
      batch.Delete(use.family(Family::kDelivery), ReceiptOfTimeKey(key));
      last.assign(key.data(), key.size());
      return ++found < shared_.options().max_reclaimed_at_once;
    };
    RETURN_IF_ERROR(Scan(use, Family::kDelivery, from, end, visit));
    if (found > 0) RETURN_IF_ERROR(use.Write(batch, /*sync=*/false));
    const bool all = found < shared_.options().max_reclaimed_at_once;
    from = all ? end : Behind(last);
    count += static_cast<int64_t>(found);
    return all;
  };
  RETURN_IF_ERROR(Repeat(shared_, step));
  if (count >= kLoggedCount) {
    obs::LogInfo("receipts_swept",
                 {{"receipts", count}, {"seconds", absl::ToDoubleSeconds(absl::Now() - began)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<EngineStatus> RocksDbUpkeep::Look(const Database::Use& use) {
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
  status.trash_message_count = counters.trash_message_count;
  status.trash_message_bytes = counters.trash_message_bytes;
  status.disk_bytes = database.DiskBytes();
  status.hidden_deletion_count = database.hiding_count();
  status.disk_free_bytes = static_cast<int64_t>(
      std::min<uint64_t>(shared_.health().free_bytes(), std::numeric_limits<int64_t>::max()));
  status.writes_stalled = use.StalledFor();
  status.leases = shared_.leases().LiveLeases();
  // Closed by a failure of the disk: that is when somebody asks. What stands in it is not known then.
  if (!use.status().ok()) return status;
  status.write_stall = use.Stall();
  RETURN_IF_ERROR(Scan(
      use, Family::kLock, "", "", [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
        rules::Lock lock;
        RETURN_IF_ERROR(Decode(value, lock));
        const rules::LeaseState lease = shared_.leases().StateOf(lock.lease_id, lock.lease_number);
        if (lease == rules::LeaseState::kLive) ++status.open_maildrop_count;
        return true;
      }));
  return status;
}

Task<absl::StatusOr<EngineStatus>> RocksDbUpkeep::Status() {
  if (!co_await shared_.readers().Enter()) co_return Readers::TooMany();
  absl::StatusOr<EngineStatus> status;
  {
    const Database::Use use(shared_.database());
    status = Look(use);
  }
  co_await shared_.readers().Leave();
  co_return status;
}

// A deletion only hides a body. Its bytes are garbage once a compaction has met the deletion, and free once
// the blob file holds nothing else or has been rewritten.
absl::Status RocksDbUpkeep::ReclaimBodySpace() {
  const absl::Time began = absl::Now();
  const int64_t deleted = shared_.database().counters().deleted_body_bytes;
  struct {
    int64_t on_disk = 0;
    int64_t live = 0;
    int64_t garbage = 0;
  } bytes;
  const auto look = [&]() -> absl::Status {
    const Database::Use use(shared_.database());
    RETURN_IF_ERROR(use.status());
    bytes.on_disk = Property(use, rocksdb::DB::Properties::kTotalBlobFileSize) +
                    Property(use, rocksdb::DB::Properties::kTotalSstFilesSize);
    bytes.live = Property(use, rocksdb::DB::Properties::kLiveBlobFileSize);
    bytes.garbage = Property(use, rocksdb::DB::Properties::kLiveBlobFileGarbageSize);
    return absl::OkStatus();
  };
  const auto compact = [&](const rocksdb::CompactRangeOptions& options) {
    const absl::Status compacted = shared_.database().CompactBodies(options);
    return shared_.long_work_stopped() ? Stopped() : compacted;
  };
  RETURN_IF_ERROR(look());
  const int64_t before = bytes.on_disk;
  if (deleted < kMinReclaimBytes || deleted < before / kReclaimFraction) return absl::OkStatus();

  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  RETURN_IF_ERROR(compact(options));
  RETURN_IF_ERROR(look());
  if (static_cast<double>(bytes.garbage) > kForceGarbageRatio * static_cast<double>(bytes.live)) {
    options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
    options.blob_garbage_collection_age_cutoff = 1.0;
    RETURN_IF_ERROR(compact(options));
    RETURN_IF_ERROR(look());
  }
  obs::LogInfo("bodies_compacted", {{"bytes_before", before},
                                    {"bytes", bytes.on_disk},
                                    {"seconds", absl::ToDoubleSeconds(absl::Now() - began)}});
  return shared_.writer().Run(
      [&](Batch& batch) -> absl::Status {
        int64_t& counter = batch.counters().deleted_body_bytes;
        counter -= std::min(counter, deleted);
        return absl::OkStatus();
      },
      /*sync=*/false);
}

}  // namespace mailstead::engine
