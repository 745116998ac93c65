// RocksDB's logs, one after the other: a log is on the disk, whole, before the next one is begun.
//
// RocksDB itself begins a log and syncs the older ones later: a commit does it, and each flush, whichever
// comes first. When that sync fails, the other one finds the log with an error it does not expect and, in
// builds with assertions such as Debian's, ends the process. Synced first, an older log has nothing left that
// could fail: its later syncs find nothing to do, and only who wrote to the log learns of its failure.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mailstead::engine {

class LogFile;

class LogFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit LogFileSystem(std::shared_ptr<rocksdb::FileSystem> files) : FileSystemWrapper(std::move(files)) {}
  const char* Name() const override { return "mailstead.LogFileSystem"; }

  // For a log the error may be that of syncing the one before.
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;

 private:
  friend class LogFile;

  absl::Mutex mutex_;
  LogFile* newest_ ABSL_GUARDED_BY(mutex_) = nullptr;  // while it is open
};

}  // namespace mailstead::engine
