#include "stored/engine/rocksdb/log_files.h"

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"

namespace mailstead::engine {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// Appended to by one thread at a time, which is also the one that begins the next log; synced by any.
class LogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LogFile(LogFileSystem& files, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files) {}

  ~LogFile() override {
    absl::MutexLock lock(&files_.mutex_);
    if (files_.newest_ == this) files_.newest_ = nullptr;
  }

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, IODebugContext* debug) override {
    appended_.fetch_add(data.size(), std::memory_order_relaxed);
    return target()->Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification, IODebugContext* debug) override {
    appended_.fetch_add(data.size(), std::memory_order_relaxed);
    return target()->Append(data, options, verification, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return SyncOnce([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return SyncOnce([&] { return target()->Fsync(options, debug); });
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* debug) override {
    return is_synced() ? IOStatus::OK() : target()->RangeSync(offset, bytes, options, debug);
  }

 private:
  bool is_synced() const { return synced_.load() == appended_.load(); }

  // What failed once stays failed: the kernel may have dropped what it could not write, and would call the
  // next sync a success.
  template <typename Call>
  IOStatus SyncOnce(const Call& call) {
    absl::MutexLock lock(&mutex_);
    const uint64_t reaches = appended_.load();
    if (!failure_.ok() || synced_.load() == reaches) return failure_;
    failure_ = call();
    if (failure_.ok()) synced_.store(reaches);
    return failure_;
  }

  LogFileSystem& files_;
  std::atomic<uint64_t> appended_{0};
  std::atomic<uint64_t> synced_{0};
  absl::Mutex mutex_;
  IOStatus failure_ ABSL_GUARDED_BY(mutex_);
};

IOStatus LogFileSystem::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* result,
                                        IODebugContext* debug) {
  if (!absl::EndsWith(name, ".log")) return target()->NewWritableFile(name, options, result, debug);
  absl::MutexLock lock(&mutex_);
  IOStatus status = newest_ != nullptr ? newest_->Sync(IOOptions(), debug) : IOStatus::OK();
  if (status.ok()) status = target()->NewWritableFile(name, options, result, debug);
  if (!status.ok()) return status;
  auto log = std::make_unique<LogFile>(*this, std::move(*result));
  newest_ = log.get();
  *result = std::move(log);
  return status;
}

}  // namespace mailstead::engine
