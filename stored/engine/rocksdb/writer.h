// The writer: one thread through which every change goes, in order. It takes all changes that wait, applies
// each to one batch, writes the batch with one sync, and tells each its outcome. So the more callers there
// are, the more of them share a sync; and a change sees all before it, without locks.
#pragma once

#include <rocksdb/utilities/write_batch_with_index.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "stored/engine/rocksdb/database.h"

namespace mailstead::store {

// What the changes of one commit write, and the database below it.
class Batch final : public Source {
 public:
  explicit Batch(const Database::Use& use);

  absl::StatusOr<bool> Find(Family family, absl::string_view key, std::string& value) const override;
  // Whether a key with this prefix is there.
  absl::StatusOr<bool> FindPrefix(Family family, absl::string_view prefix);
  void Put(Family family, absl::string_view key, absl::string_view value);
  void Delete(Family family, absl::string_view key);
  bool changes_directory() const { return changes_directory_; }
  // Written with the batch.
  Counters& counters() { return counters_; }
  const Database::Use& use() const { return use_; }

 private:
  friend class Writer;
  void Begin();
  void Keep();
  void Undo();
  bool empty() { return batch_.GetWriteBatch()->Count() == 0; }
  absl::Status Write(bool sync);

  const Database::Use& use_;
  rocksdb::WriteBatchWithIndex batch_;
  Counters counters_;
  Counters counters_before_;
  size_t size_before_ = 0;
  bool changes_directory_ = false;
  const Counters counters_stored_;
};

// Its Apply runs on the writer, then its Finish, once, also on the writer.
class Change {
 public:
  virtual ~Change() = default;
  // Reads and writes through `batch` only. On an error what it wrote is undone.
  virtual absl::Status Apply(Batch& batch) = 0;
  // What Apply returned, or why the commit failed. Must not block.
  virtual void Finish(absl::Status status) = 0;
  // After Apply: whether the caller is told only when it is on disk.
  virtual bool needs_sync() const { return true; }
  // How much memory it holds while it waits.
  virtual size_t size_bytes() const { return 0; }
};

class Writer {
 public:
  // See RocksDbOptions.
  using AroundCallbacks = void (*)(absl::FunctionRef<void()> call_back);
  Writer(Database& database, size_t max_waiting, size_t max_waiting_bytes,
         AroundCallbacks around_callbacks = nullptr);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Commits what waits, then takes nothing any more.
  void Stop();

  // Calls Finish on this thread when it is not taken: ResourceExhausted when too many wait, Unavailable after
  // Stop.
  void Submit(std::unique_ptr<Change> change);
  // The same for a thread that may block. Not from Finish.
  absl::Status Run(absl::FunctionRef<absl::Status(Batch&)> apply, bool sync = true);

 private:
  using Group = std::vector<std::unique_ptr<Change>>;

  void Loop();
  Group NextGroup();
  void Commit(Group& group);
  absl::Status ApplyAndWrite(Group& group, std::vector<absl::Status>& outcomes);

  Database& database_;
  const size_t max_waiting_;
  const size_t max_waiting_bytes_;
  const AroundCallbacks around_callbacks_;

  absl::Mutex mutex_;
  std::deque<std::unique_ptr<Change>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mailstead::store
