// The machine's files, with a disk that can fail and a plug that can be pulled.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace mailstead::engine {

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Operation { kAppend, kSync };
  // The error of an operation on a file, or OK.
  using Fault = std::function<rocksdb::IOStatus(Operation operation, const std::string& file)>;

  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  // Null heals the disk. A fault may take its time; no call of the one before is left on return. What a
  // failed sync was to write is lost for ever, as the kernel has it: it can be read until the next power cut,
  // and later syncs of the file do not bring it to the disk.
  void SetFault(Fault fault);
  // What GetFreeSpace says.
  void SetFreeBytes(uint64_t bytes);

  // The machine stops at the `count`th operation from now that changes anything: it and all further ones
  // fail.
  void StopAfter(uint64_t count);
  void Stop() { StopAfter(0); }
  bool stopped() const;
  // What a power cut leaves of directory entries that were not synced: those that were there before, or the new ones, as a
  // disk may write a directory before the content of its files.
  enum class Entries { kOld, kNew };
  // After Stop, with all files closed: what was not synced is gone, but for a part of the tail of some files
  // (chosen by `seed`), and the machine runs again.
  void CutPower(uint32_t seed, Entries entries = Entries::kOld);
  // After Stop: the machine runs again and has lost nothing, as after the end of a process.
  void KillProcess();

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options, uint64_t* free,
                                 rocksdb::IODebugContext* debug) override;

  // For the files it opened.
  rocksdb::IOStatus Begin(Operation operation, const std::string& file);
  void Appended(const std::string& file, uint64_t bytes);
  void Synced(const std::string& file, bool ok);
  void DirectorySynced(const std::string& directory);

 private:
  struct File {
    uint64_t size = 0;
    uint64_t synced = 0;
    bool lost = false;  // a sync failed: what follows `synced` never reaches the disk
  };
  // What a directory entry was before it was made or replaced, until the directory is synced.
  struct Entry {
    bool existed = false;
    std::string content;  // if it existed
  };

  rocksdb::IOStatus Count() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  rocksdb::IOStatus Opened(const std::string& name, bool fresh);

  absl::Mutex fault_mutex_;
  Fault fault_ ABSL_GUARDED_BY(fault_mutex_);

  mutable absl::Mutex mutex_;
  uint64_t free_bytes_ ABSL_GUARDED_BY(mutex_) = uint64_t{1} << 40;
  uint64_t operations_left_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<uint64_t>::max();
  absl::flat_hash_map<std::string, File> files_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Entry> unsynced_entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::engine
