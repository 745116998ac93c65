// Whether the engine can write, and whether the disk has room. Thread-safe.
#pragma once

#include <atomic>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace rocksdb {
class Env;
class Status;
}  // namespace rocksdb

namespace mailstead::engine {

// RocksDB's errors as the engine reports them: DataLoss for damaged bytes, ResourceExhausted with
// kReasonDiskFull, Unavailable for all else. OK for OK.
absl::Status FromRocksDb(const rocksdb::Status& status);

// Of the file system that `path` is on. One that cannot tell is taken to have room: the write itself will say.
uint64_t FreeBytes(rocksdb::Env& env, const std::string& path);
// ResourceExhausted with kReasonDiskFull when less than `needed` are free.
absl::Status CheckFreeBytes(uint64_t free, uint64_t needed);

class Health {
 public:
  // `clock` only paces the look at the disk.
  Health(rocksdb::Env& env, std::string path, uint64_t min_free_bytes, const Clock& clock);

  // A write or sync failed: not healthy until Recovered.
  void WriteFailed(const absl::Status& error);
  void Recovered();
  bool write_failed() const { return write_failed_.load(std::memory_order_acquire); }

  // For what makes the store grow: ResourceExhausted with kReasonDiskFull when less than min_free_bytes are
  // free. Looks at the disk at most once per second.
  absl::Status CheckSpace();
  // The reason for not being healthy, or OK.
  absl::Status Get();
  uint64_t free_bytes();

 private:
  rocksdb::Env& env_;
  const std::string path_;
  const uint64_t min_free_bytes_;
  const Clock& clock_;

  std::atomic<bool> write_failed_{false};
  std::atomic<uint64_t> free_bytes_{0};
  std::atomic<int64_t> next_look_nanos_{0};
  absl::Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::engine
