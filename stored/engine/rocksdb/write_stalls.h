// For how long the database has held up writes. It says so of one family at a time, and means all writes. Thread-safe.
#pragma once

#include <array>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

class WriteStalls {
 public:
  explicit WriteStalls(const Clock& clock) : clock_(clock) {}

  // What a family does to writes from now on.
  void Set(const std::string& family, WriteStall stall);
  // The database was closed: nothing is held up.
  void Clear();

  // The worst of all families.
  WriteStall now() const;
  // How long that was so, until this moment. Of kSlowed or kStopped.
  absl::Duration total(WriteStall stall) const;

 private:
  WriteStall Worst() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Counts the time since the last change.
  void Count() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  mutable absl::Mutex mutex_;
  // Those that hold up writes.
  absl::flat_hash_map<std::string, WriteStall> families_ ABSL_GUARDED_BY(mutex_);
  absl::Time counted_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // By WriteStall.
  std::array<absl::Duration, 3> totals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::engine
