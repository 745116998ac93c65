// The writer: one thread through which the changes go, in order. It takes all changes that wait, applies
// each to one batch, writes the batch with one sync, and tells each its outcome. So the more callers there
// are, the more of them share a sync; and a change sees all before it, without locks.
//
// A small change that needs no sync costs less than two changes of threads do. While the writer has nothing to do it is
// committed where it is asked for, if that needs no waiting.
#pragma once

#include <rocksdb/utilities/write_batch_with_index.h>

#include <coroutine>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "stored/engine/rocksdb/database.h"

namespace mailstead::engine {

// What the changes of one commit write, and the database below it.
class Batch final : public Source {
 public:
  explicit Batch(const Database::Use& use);

  absl::StatusOr<bool> Find(Family family, absl::string_view key, std::string& value) const override;
  // Whether a key with this prefix is there.
  absl::StatusOr<bool> FindPrefix(Family family, absl::string_view prefix);
  // How many keys with this prefix are there, up to `limit`.
  absl::StatusOr<size_t> CountPrefix(Family family, absl::string_view prefix, size_t limit);
  // What lies between two keys, in order: calls `visit`, which changes nothing, until it gives false.
  absl::Status Scan(
      Family family, absl::string_view first, absl::string_view end,
      absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)> visit);
  void Put(Family family, absl::string_view key, absl::string_view value);
  void Delete(Family family, absl::string_view key);
  // As Put, for a record of the queue that many changes of a commit write: it is written once, as the last of them leaves
  // it. Find sees it; walks and counts do not until then.
  void PutOnce(absl::string_view key, absl::string_view value);
  bool changes_directory() const { return changes_directory_; }
  // More of the queue may be due than before.
  bool changes_queue() const { return changes_queue_; }
  void NoteQueue() { changes_queue_ = true; }
  // Adds it to the change feed, with the next position; all of a commit have the time of its first.
  void Note(ChangeRecord change);
  // Of the change that is noted next.
  int64_t next_position() const {
    return use_.database().change_bounds().last + 1 + static_cast<int64_t>(feed_.changes.size());
  }
  // Written with the batch.
  Counters& counters() { return counters_; }
  const Database::Use& use() const { return use_; }

 private:
  friend class Writer;
  void Begin();
  void Keep();
  void Undo();
  void NoteChange(Family family) { changes_directory_ = changes_directory_ || family == Family::kDirectory; }
  // The counters alone are written, too.
  bool empty() {
    return batch_.GetWriteBatch()->Count() == 0 && once_.empty() && counters_ == counters_stored_;
  }
  void NoteOnce(absl::string_view key);
  absl::Status Write(bool sync);
  std::vector<CommittedChange> Committed() const;

  const Database::Use& use_;
  rocksdb::WriteBatchWithIndex batch_;
  // What PutOnce has taken; and what was there, or was not, before the present change, in the order of its doings.
  absl::flat_hash_map<std::string, std::string> once_;
  std::vector<std::pair<std::string, std::optional<std::string>>> once_before_;
  FeedRecord feed_;
  size_t noted_before_ = 0;
  Counters counters_;
  Counters counters_before_;
  size_t size_before_ = 0;
  bool changes_directory_ = false;
  bool changes_queue_ = false;
  const Counters counters_stored_;
};

// One change. It lives in the frame of the coroutine that waits for it (Writer::Commit).
class Change {
 public:
  Change() = default;
  virtual ~Change() = default;
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  // On the writer's thread; that of a small one may be called on its caller's thread before, in vain. Reads and writes
  // through `batch` only. On an error what it wrote is undone.
  virtual absl::Status Apply(Batch& batch) = 0;
  // It reads and writes a few records, which are likely in memory, and never needs a sync.
  virtual bool is_small() const { return false; }
  // After Apply: whether the caller is told only when it is on disk.
  virtual bool needs_sync() const { return true; }
  // About how many keys Apply reads or writes; with others of its commit at most kMaxGroupRecords, unless it is more by
  // itself.
  virtual size_t record_count() const { return 8; }
  // How much memory it holds while it waits.
  virtual size_t size_bytes() const { return 0; }

 private:
  friend class Writer;
  // Takes what Apply returned, or why the commit failed. Gives the coroutine to resume, unless it is null: the change may
  // be gone then.
  virtual std::coroutine_handle<> Finish(absl::Status status) {
    outcome_ = std::move(status);
    return waiting_;
  }

  absl::Status outcome_;
  std::coroutine_handle<> waiting_;
};

// A change that is a function; `apply` and what it refers to live until it is done.
template <typename Function>
class FunctionChange final : public Change {
 public:
  FunctionChange(Function apply, bool sync) : apply_(std::move(apply)), sync_(sync) {}
  absl::Status Apply(Batch& batch) override { return apply_(batch); }
  bool needs_sync() const override { return sync_; }

 private:
  Function apply_;
  const bool sync_;
};

class Writer {
 public:
  // Those whose changes were in one commit go on, on the executor, by one call of it.
  Writer(Database& database, Executor& executor, size_t max_waiting, size_t max_waiting_bytes);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Commits what waits, then takes nothing any more.
  void Stop();

  // absl::Status status = co_await writer.Commit(change): what Apply returned, or why the commit failed. It goes on, on the
  // executor; but at once where the change is committed here, or is not taken: ResourceExhausted when too many wait,
  // Unavailable after Stop.
  class Committing {
   public:
    Committing(Writer& writer, Change& change) : writer_(writer), change_(change) {}
    bool await_ready() { return writer_.CommitHere(change_); }
    bool await_suspend(std::coroutine_handle<> waiting) {
      change_.waiting_ = waiting;
      // Once it is taken this may be gone.
      return writer_.Submit(change_);
    }
    absl::Status await_resume() { return std::move(change_.outcome_); }

   private:
    Writer& writer_;
    Change& change_;
  };
  Committing Commit(Change& change) { return Committing(*this, change); }
  // The same for a function of (Batch&); what it refers to outlives the Task.
  template <typename Apply>
  Task<absl::Status> Commit(Apply apply, bool sync) {
    FunctionChange<Apply> change(std::move(apply), sync);
    co_return co_await Commit(change);
  }
  // The same for a thread that may block, and is not the executor's.
  absl::Status Run(absl::FunctionRef<absl::Status(Batch&)> apply, bool sync = true);

 private:
  using Group = std::vector<Change*>;

  // False: it has to be submitted.
  bool CommitHere(Change& change);
  // False: it was not taken, and has been told why.
  bool Submit(Change& change);
  void Loop();
  Group NextGroup();
  void CommitGroup(const Group& group);
  absl::Status ApplyAndWrite(const Database::Use& use, const Group& group,
                             std::vector<absl::Status>& outcomes);

  Database& database_;
  Executor& executor_;
  const size_t max_waiting_;
  const size_t max_waiting_bytes_;

  absl::Mutex mutex_;
  std::deque<Change*> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Set while changes are being committed, by the thread or by a caller.
  bool committing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mailstead::engine
