// The files of the database on their way into a folder, in bounded steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stored/engine/rocksdb/database.h"

namespace rocksdb {
class SequentialFile;
class WritableFile;
}  // namespace rocksdb

namespace mailstead::engine {

// Tables and bodies never change once they are there: on the same file system the folder shares them with the database, by
// hard links. All else is copied, and everything where there are no links. Only one thread uses it, which may wait for the
// disk.
class BackupCopy {
 public:
  // `folder` is there, and empty. `env` outlives it, as does the database of `files`. Of the file system `min_free_bytes`
  // are to stay free.
  BackupCopy(rocksdb::Env& env, std::unique_ptr<Database::LiveFiles> files, std::string folder,
             uint64_t min_free_bytes);
  ~BackupCopy();
  BackupCopy(const BackupCopy&) = delete;
  BackupCopy& operator=(const BackupCopy&) = delete;

  // True: everything is there, and on the disk. ResourceExhausted with kReasonDiskFull; Unavailable; DataLoss. What it has
  // written is left to the caller.
  absl::StatusOr<bool> Step();

  int64_t copied_bytes() const { return copied_bytes_; }
  int64_t total_bytes() const { return total_bytes_; }
  // A sequence number of RocksDB that is in the copy.
  uint64_t sequence() const { return files_->sequence(); }

 private:
  const rocksdb::LiveFileStorageInfo& file() const { return files_->files()[next_]; }
  absl::Status CheckSpace() const;
  // Of the present file.
  bool Link();
  absl::Status Begin();
  absl::Status CopyPiece();
  absl::Status End();

  rocksdb::Env& env_;
  const std::unique_ptr<Database::LiveFiles> files_;
  const std::string folder_;
  const uint64_t min_free_bytes_;
  int64_t total_bytes_ = 0;
  int64_t copied_bytes_ = 0;
  bool can_link_ = true;
  // The present file, and what of it is still to be copied; null before it is begun.
  size_t next_ = 0;
  std::unique_ptr<rocksdb::SequentialFile> from_;
  std::unique_ptr<rocksdb::WritableFile> to_;
  uint64_t left_bytes_ = 0;
  std::string piece_;
};

}  // namespace mailstead::engine
