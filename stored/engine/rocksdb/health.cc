#include "stored/engine/rocksdb/health.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/status.h>

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

namespace mailstead::engine {

absl::Status FromRocksDb(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsNoSpace()) return WithReason(absl::ResourceExhaustedError(text), kReasonDiskFull);
  if (status.IsCorruption()) return absl::DataLossError(text);
  return absl::UnavailableError(text);
}

uint64_t FreeBytes(rocksdb::Env& env, const std::string& path) {
  uint64_t free = 0;
  const rocksdb::IOStatus status =
      env.GetFileSystem()->GetFreeSpace(path, rocksdb::IOOptions(), &free, nullptr);
  return status.ok() ? free : std::numeric_limits<uint64_t>::max();
}

absl::Status CheckFreeBytes(uint64_t free, uint64_t needed) {
  if (free >= needed) return absl::OkStatus();
  return WithReason(absl::ResourceExhaustedError(
                        absl::StrCat("disk is full: ", free, " bytes are free, ", needed, " are needed")),
                    kReasonDiskFull);
}

Health::Health(rocksdb::Env& env, std::string path, uint64_t min_free_bytes, const Clock& clock)
    : env_(env), path_(std::move(path)), min_free_bytes_(min_free_bytes), clock_(clock) {}

void Health::WriteFailed(const absl::Status& error) {
  absl::MutexLock lock(&mutex_);
  // The first error is the cause; what follows is RocksDB refusing to write on.
  if (error_.ok()) error_ = error;
  write_failed_.store(true, std::memory_order_release);
}

void Health::Recovered() {
  absl::MutexLock lock(&mutex_);
  error_ = absl::OkStatus();
  write_failed_.store(false, std::memory_order_release);
}

uint64_t Health::free_bytes() {
  const int64_t now = absl::ToUnixNanos(clock_.Now());
  int64_t due = next_look_nanos_.load(std::memory_order_relaxed);
  if (now >= due && next_look_nanos_.compare_exchange_strong(due, now + 1'000'000'000)) {
    free_bytes_.store(FreeBytes(env_, path_), std::memory_order_relaxed);
  }
  return free_bytes_.load(std::memory_order_relaxed);
}

absl::Status Health::CheckSpace() { return CheckFreeBytes(free_bytes(), min_free_bytes_); }

absl::Status Health::Get() {
  if (write_failed()) {
    absl::MutexLock lock(&mutex_);
    if (!error_.ok()) return error_;
  }
  return CheckSpace();
}

}  // namespace mailstead::engine
