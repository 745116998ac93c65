// Backups: each in a folder of RocksDbOptions::backup_path that is named as it, and that is laid out as a folder of data: in
// "rocksdb" the files of the database, the schema, how far it had got, and the note (backup_note.h).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/engine_impl.h"

namespace mailstead::engine {

class RocksDbBackups final : public BackupEngine {
 public:
  explicit RocksDbBackups(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::unique_ptr<BackupWork>>> Create(NewBackup backup) override;
  Task<absl::StatusOr<std::unique_ptr<BackupWork>>> Verify(std::string name) override;
  Task<absl::StatusOr<std::vector<Backup>>> List(std::string after, size_t limit) override;
  Task<absl::Status> Delete(std::string name) override;

 private:
  class Turn;
  class Work;

  // These block.
  absl::StatusOr<std::unique_ptr<BackupWork>> BeginCreate(NewBackup backup);
  absl::StatusOr<std::unique_ptr<BackupWork>> BeginVerify(const std::string& name);
  absl::StatusOr<std::vector<Backup>> ListNow(const std::string& after, size_t limit);
  absl::Status DeleteNow(const std::string& name);

  // Backups are made, and there may be one of this name.
  absl::Status Check(const std::string& name) const;
  // FailedPrecondition: there is no folder.
  absl::Status CheckFolder() const;
  std::string PathOf(const std::string& name) const;
  absl::StatusOr<bool> Exists(const std::string& name) const;
  // What a process that was killed has left.
  absl::Status RemoveLeftovers();

  RocksDbShared& shared_;
  // One turn at a time.
  std::atomic<bool> taken_{false};
};

}  // namespace mailstead::engine
