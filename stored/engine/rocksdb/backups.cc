#include "stored/engine/rocksdb/backups.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/acknowledged.h"
#include "stored/engine/rocksdb/backup_copy.h"
#include "stored/engine/rocksdb/backup_note.h"
#include "stored/engine/rocksdb/files.h"
#include "stored/engine/rocksdb/schema.h"
#include "stored/rules/backup.h"

namespace mailstead::engine {
namespace {

// In the folder of backups, and none of their names: what is being made, what is being removed, and who may do either.
constexpr char kUnfinished[] = ".unfinished";
constexpr char kRemoved[] = ".removed";
constexpr char kLock[] = ".lock";
// In a backup, as in a folder of data.
constexpr char kStoreFolder[] = "rocksdb";

// Little of what is verified is read twice.
constexpr size_t kBlockCacheBytes = size_t{8} << 20;
// After each step of copying it rests for as long, at most so long.
constexpr absl::Duration kMaxRest = absl::Milliseconds(100);

// A backup, opened to be read.
class OpenedBackup {
 public:
  static absl::StatusOr<std::unique_ptr<OpenedBackup>> Open(RocksDbOptions options, const std::string& path) {
    options.path = path;
    options.block_cache_bytes = kBlockCacheBytes;
    options.on_write = nullptr;
    auto opened = std::make_unique<OpenedBackup>(options);
    ASSIGN_OR_RETURN(opened->database_, Database::OpenForReading(options, *options.env, opened->health_));
    return opened;
  }
  explicit OpenedBackup(const RocksDbOptions& options)
      : health_(*options.env, options.path, /*min_free_bytes=*/0, Clock::Steady()) {}

  Database& database() { return *database_; }

 private:
  Health health_;
  std::unique_ptr<Database> database_;
};

// What `function` gives, on the thread of backups.
template <typename Function>
Task<std::invoke_result_t<Function&>> OnThread(Readers& thread, Function function) {
  using Result = std::invoke_result_t<Function&>;
  if (!co_await thread.Enter()) co_return Result(Readers::TooMany());
  Result result = function();
  co_await thread.Leave();
  co_return result;
}

}  // namespace

// The right to make, verify or remove a backup: one at a time has it, of this process and of all others.
class RocksDbBackups::Turn {
 public:
  static absl::StatusOr<std::unique_ptr<Turn>> Take(RocksDbBackups& backups) {
    if (backups.taken_.exchange(true)) return rules::BackupsBusy();
    std::unique_ptr<Turn> turn(new Turn(backups));
    RETURN_IF_ERROR(backups.CheckFolder());
    RETURN_IF_ERROR(FromRocksDb(backups.shared_.files().LockFile(backups.PathOf(kLock), &turn->lock_)));
    RETURN_IF_ERROR(backups.RemoveLeftovers());
    return turn;
  }
  ~Turn() {
    if (lock_ != nullptr) FromRocksDb(backups_.shared_.files().UnlockFile(lock_)).IgnoreError();
    backups_.taken_.store(false);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  explicit Turn(RocksDbBackups& backups) : backups_(backups) {}

  RocksDbBackups& backups_;
  rocksdb::FileLock* lock_ = nullptr;
};

class RocksDbBackups::Work final : public BackupWork {
 public:
  // Of a backup that is to be made; its folder, under the name of what is unfinished, is there.
  static std::unique_ptr<Work> Making(RocksDbBackups& backups, std::unique_ptr<Turn> turn, Backup backup) {
    std::unique_ptr<Work> work(new Work(backups, std::move(turn), std::move(backup), Phase::kHold));
    work->state_->unfinished = backups.PathOf(kUnfinished);
    return work;
  }
  static std::unique_ptr<Work> Verifying(RocksDbBackups& backups, std::unique_ptr<Turn> turn, Backup backup) {
    return std::unique_ptr<Work>(new Work(backups, std::move(turn), std::move(backup), Phase::kOpen));
  }

  // What is left to do waits for the disk.
  ~Work() override {
    backups_.shared_.backup_thread().Defer(
        [state = std::move(state_), &files = backups_.shared_.files()]() mutable {
          state->opened.reset();
          state->copy.reset();
          // What cannot be removed now goes when the next one is made.
          if (!state->unfinished.empty()) RemoveTree(files, state->unfinished).IgnoreError();
          state.reset();
        });
  }

  Task<absl::StatusOr<BackupStep>> Step() override {
    const auto step = [this] { return StepNow(); };
    return OnThread(backups_.shared_.backup_thread(), step);
  }

 private:
  enum class Phase { kHold, kCopy, kFinish, kOpen, kVerify };

  struct State {
    // Given back last.
    std::unique_ptr<Turn> turn;
    // A folder that is to go unless the backup gets its name.
    std::string unfinished;
    std::unique_ptr<BackupCopy> copy;
    std::unique_ptr<OpenedBackup> opened;
  };

  Work(RocksDbBackups& backups, std::unique_ptr<Turn> turn, Backup backup, Phase phase)
      : backups_(backups), backup_(std::move(backup)), phase_(phase), state_(std::make_unique<State>()) {
    state_->turn = std::move(turn);
  }

  absl::StatusOr<BackupStep> StepNow() {
    if (backups_.shared_.long_work_stopped()) return Stopped();
    BackupStep step;
    RETURN_IF_ERROR(Advance(step));
    step.copied_bytes = copied_bytes_;
    step.total_bytes = total_bytes_;
    step.checked_count = checked_count_;
    return step;
  }

  absl::Status Advance(BackupStep& step) {
    switch (phase_) {
      case Phase::kHold:
        return Hold();
      case Phase::kCopy:
        return Copy();
      case Phase::kFinish:
        return Finish();
      case Phase::kOpen:
        return Open();
      case Phase::kVerify:
        return Verify(step);
    }
    return absl::OkStatus();
  }

  std::string StoreOf(const std::string& folder) const { return absl::StrCat(folder, "/", kStoreFolder); }

  absl::Status Hold() {
    RocksDbShared& shared = backups_.shared_;
    backup_.create_time = shared.clock().Now();
    ASSIGN_OR_RETURN(auto files, Database::LiveFiles::Hold(shared.database()));
    state_->copy =
        std::make_unique<BackupCopy>(shared.files(), std::move(files), StoreOf(state_->unfinished) + "/db",
                                     shared.options().min_free_bytes);
    total_bytes_ = state_->copy->total_bytes();
    phase_ = Phase::kCopy;
    return absl::OkStatus();
  }

  absl::Status Copy() {
    const absl::Time began = Clock::Steady().Now();
    ASSIGN_OR_RETURN(const bool all, state_->copy->Step());
    copied_bytes_ = state_->copy->copied_bytes();
    if (all) {
      phase_ = Phase::kFinish;
      return absl::OkStatus();
    }
    // So that mail has its part of the disk.
    const absl::Duration rest = std::min(kMaxRest, Clock::Steady().Now() - began);
    return backups_.shared_.Rest(rest) ? absl::OkStatus() : Stopped();
  }

  // What is complete is proved to open, and gets its name.
  absl::Status Finish() {
    RocksDbShared& shared = backups_.shared_;
    rocksdb::Env& files = shared.files();
    const std::string store = StoreOf(state_->unfinished);
    RETURN_IF_ERROR(MarkSchemaReady(files, store));
    RETURN_IF_ERROR(WriteAcknowledged(files, store, state_->copy->sequence()));
    state_->copy.reset();
    {
      ASSIGN_OR_RETURN(const auto opened, OpenedBackup::Open(shared.options(), store));
      const Counters counters = opened->database().counters();
      backup_.message_count = counters.message_count;
      backup_.message_bytes = counters.message_bytes;
      backup_.disk_bytes = opened->database().DiskBytes();
    }
    RETURN_IF_ERROR(WriteBackupNote(files, store, backup_));
    RETURN_IF_ERROR(SyncFolder(files, state_->unfinished));
    RETURN_IF_ERROR(FromRocksDb(files.RenameFile(state_->unfinished, backups_.PathOf(backup_.name))));
    state_->unfinished.clear();
    RETURN_IF_ERROR(SyncFolder(files, shared.options().backup_path));
    phase_ = Phase::kOpen;
    return absl::OkStatus();
  }

  absl::Status Open() {
    ASSIGN_OR_RETURN(state_->opened,
                     OpenedBackup::Open(backups_.shared_.options(), StoreOf(backups_.PathOf(backup_.name))));
    phase_ = Phase::kVerify;
    return absl::OkStatus();
  }

  absl::Status Verify(BackupStep& step) {
    RocksDbShared& shared = backups_.shared_;
    Database& database = state_->opened->database();
    ASSIGN_OR_RETURN(VerifyStep found, VerifyNow(database, shared.backup_thread(), AccountId(), cursor_));
    checked_count_ += found.checked_count;
    damaged_count_ += static_cast<int64_t>(found.damaged.size());
    step.damaged = std::move(found.damaged);
    if (found.next.has_value()) {
      cursor_ = *found.next;
      return absl::OkStatus();
    }
    const int64_t expected = database.counters().message_count;
    if (checked_count_ != expected) {
      return absl::DataLossError(absl::StrCat("backup ", backup_.name, " holds ", checked_count_,
                                              " messages, and should hold ", expected));
    }
    backup_.verify_time = shared.clock().Now();
    backup_.damaged_count = damaged_count_;
    RETURN_IF_ERROR(WriteBackupNote(shared.files(), StoreOf(backups_.PathOf(backup_.name)), backup_));
    step.done = backup_;
    return absl::OkStatus();
  }

  RocksDbBackups& backups_;
  Backup backup_;
  Phase phase_;
  std::unique_ptr<State> state_;
  int64_t copied_bytes_ = 0;
  int64_t total_bytes_ = 0;
  VerifyCursor cursor_;
  int64_t checked_count_ = 0;
  int64_t damaged_count_ = 0;
};

std::string RocksDbBackups::PathOf(const std::string& name) const {
  return absl::StrCat(shared_.options().backup_path, "/", name);
}

absl::Status RocksDbBackups::Check(const std::string& name) const {
  if (shared_.options().backup_path.empty()) return rules::NoBackupDir();
  RETURN_IF_ERROR(rules::CheckBackupName(name));
  return shared_.long_work_stopped() ? Stopped() : absl::OkStatus();
}

absl::Status RocksDbBackups::CheckFolder() const {
  const std::string& path = shared_.options().backup_path;
  if (path.empty()) return rules::NoBackupDir();
  ASSIGN_OR_RETURN(const bool there, IsThere(shared_.files(), path));
  if (there) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the folder of backups, ", path, ", is not there"));
}

absl::StatusOr<bool> RocksDbBackups::Exists(const std::string& name) const {
  return HasBackupNote(shared_.files(), absl::StrCat(PathOf(name), "/", kStoreFolder));
}

absl::Status RocksDbBackups::RemoveLeftovers() {
  RETURN_IF_ERROR(RemoveTree(shared_.files(), PathOf(kUnfinished)));
  return RemoveTree(shared_.files(), PathOf(kRemoved));
}

absl::StatusOr<std::unique_ptr<BackupWork>> RocksDbBackups::BeginCreate(NewBackup wanted) {
  RETURN_IF_ERROR(Check(wanted.name));
  ASSIGN_OR_RETURN(std::unique_ptr<Turn> turn, Turn::Take(*this));
  rocksdb::Env& files = shared_.files();
  ASSIGN_OR_RETURN(const bool exists, IsThere(files, PathOf(wanted.name)));
  if (exists) return rules::BackupExists(wanted.name);
  RETURN_IF_ERROR(shared_.health().Get());
  RETURN_IF_ERROR(
      CheckFreeBytes(FreeBytes(files, shared_.options().backup_path), shared_.options().min_free_bytes));
  Backup backup;
  backup.name = std::move(wanted.name);
  backup.schema_version = static_cast<int32_t>(kSchemaVersion);
  backup.incarnation = shared_.database().incarnation();
  backup.secret_files = std::move(wanted.secret_files);
  std::unique_ptr<Work> work = Work::Making(*this, std::move(turn), std::move(backup));
  std::string folder = PathOf(kUnfinished);
  for (const std::string part : {"", "/rocksdb", "/rocksdb/db"}) {
    RETURN_IF_ERROR(FromRocksDb(files.CreateDir(folder + part)));
  }
  return std::unique_ptr<BackupWork>(std::move(work));
}

absl::StatusOr<std::unique_ptr<BackupWork>> RocksDbBackups::BeginVerify(const std::string& name) {
  RETURN_IF_ERROR(Check(name));
  ASSIGN_OR_RETURN(std::unique_ptr<Turn> turn, Turn::Take(*this));
  ASSIGN_OR_RETURN(const bool exists, Exists(name));
  if (!exists) return rules::NoBackup(name);
  ASSIGN_OR_RETURN(Backup backup,
                   ReadBackupNote(shared_.files(), absl::StrCat(PathOf(name), "/", kStoreFolder)));
  backup.name = name;
  return std::unique_ptr<BackupWork>(Work::Verifying(*this, std::move(turn), std::move(backup)));
}

absl::StatusOr<std::vector<Backup>> RocksDbBackups::ListNow(const std::string& after, size_t limit) {
  RETURN_IF_ERROR(CheckFolder());
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocksDb(shared_.files().GetChildren(shared_.options().backup_path, &names)));
  std::erase_if(names, [&](const std::string& name) { return !rules::IsBackupName(name) || name <= after; });
  std::sort(names.begin(), names.end());
  std::vector<Backup> backups;
  for (std::string& name : names) {
    if (backups.size() == limit) break;
    // Something else is in the folder, or the backup was removed just now.
    const absl::StatusOr<bool> exists = Exists(name);
    if (!exists.ok() || !*exists) continue;
    absl::StatusOr<Backup> backup =
        ReadBackupNote(shared_.files(), absl::StrCat(PathOf(name), "/", kStoreFolder));
    backups.push_back(backup.ok() ? *std::move(backup) : Backup());
    backups.back().name = std::move(name);
  }
  return backups;
}

absl::Status RocksDbBackups::DeleteNow(const std::string& name) {
  RETURN_IF_ERROR(Check(name));
  ASSIGN_OR_RETURN(const std::unique_ptr<Turn> turn, Turn::Take(*this));
  rocksdb::Env& files = shared_.files();
  ASSIGN_OR_RETURN(const bool exists, Exists(name));
  if (!exists) return rules::NoBackup(name);
  // Half of it is never taken for a backup.
  RETURN_IF_ERROR(FromRocksDb(files.RenameFile(PathOf(name), PathOf(kRemoved))));
  RETURN_IF_ERROR(SyncFolder(files, shared_.options().backup_path));
  return RemoveTree(files, PathOf(kRemoved));
}

Task<absl::StatusOr<std::unique_ptr<BackupWork>>> RocksDbBackups::Create(NewBackup backup) {
  const auto begin = [this, &backup] { return BeginCreate(std::move(backup)); };
  co_return co_await OnThread(shared_.backup_thread(), begin);
}

Task<absl::StatusOr<std::unique_ptr<BackupWork>>> RocksDbBackups::Verify(std::string name) {
  const auto begin = [this, &name] { return BeginVerify(name); };
  co_return co_await OnThread(shared_.backup_thread(), begin);
}

Task<absl::StatusOr<std::vector<Backup>>> RocksDbBackups::List(std::string after, size_t limit) {
  const auto list = [this, &after, limit] { return ListNow(after, limit); };
  co_return co_await OnThread(shared_.backup_thread(), list);
}

Task<absl::Status> RocksDbBackups::Delete(std::string name) {
  const auto remove = [this, &name] { return DeleteNow(name); };
  co_return co_await OnThread(shared_.backup_thread(), remove);
}

}  // namespace mailstead::engine
