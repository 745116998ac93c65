#include "tests/fault/faulty_file_system.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>

namespace mailstead::engine {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// "a//b" and "a/b" are one file.
std::string Normal(const std::string& name) {
  return std::filesystem::path(name).lexically_normal().string();
}

std::string DirectoryOf(const std::string& name) {
  return std::filesystem::path(name).parent_path().string();
}

std::string ContentOf(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

class WatchedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedFile(FaultyFileSystem& files, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files), name_(std::move(name)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return Append(data, options, rocksdb::DataVerificationInfo(), debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification, IODebugContext* debug) override {
    const IOStatus fault = files_.Begin(FaultyFileSystem::Operation::kAppend, name_);
    if (!fault.ok()) {
      // A disk that fills up has room for a part.
      const rocksdb::Slice part(data.data(), data.size() / 2);
      if (fault.IsNoSpace() && target()->Append(part, options, debug).ok()) {
        files_.Appended(name_, part.size());
      }
      return fault;
    }
    IOStatus status = target()->Append(data, options, verification, debug);
    if (status.ok()) files_.Appended(name_, data.size());
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override { return SyncWith(options, debug); }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return SyncWith(options, debug);
  }

 private:
  // The real disk need not be bothered: what is synced is what this class says.
  IOStatus SyncWith(const IOOptions& options, IODebugContext* debug) {
    IOStatus status = files_.Begin(FaultyFileSystem::Operation::kSync, name_);
    if (status.ok()) status = target()->Flush(options, debug);
    files_.Synced(name_, status.ok());
    return status;
  }

  FaultyFileSystem& files_;
  const std::string name_;
};

class WatchedDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  WatchedDirectory(FaultyFileSystem& files, std::string name, std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)), files_(files), name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return SyncEntries(); }
  IOStatus FsyncWithDirOptions(const IOOptions&, IODebugContext*, const rocksdb::DirFsyncOptions&) override {
    return SyncEntries();
  }

 private:
  IOStatus SyncEntries() {
    const IOStatus status = files_.Begin(FaultyFileSystem::Operation::kSync, name_);
    if (status.ok()) files_.DirectorySynced(name_);
    return status;
  }

  FaultyFileSystem& files_;
  const std::string name_;
};

}  // namespace

void FaultyFileSystem::SetFault(Fault fault) {
  absl::MutexLock lock(&fault_mutex_);
  fault_ = std::move(fault);
}

void FaultyFileSystem::SetFreeBytes(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  free_bytes_ = bytes;
}

void FaultyFileSystem::StopAfter(uint64_t count) {
  absl::MutexLock lock(&mutex_);
  operations_left_ = count;
}

bool FaultyFileSystem::stopped() const {
  absl::MutexLock lock(&mutex_);
  return operations_left_ == 0;
}

void FaultyFileSystem::CutPower(uint32_t seed, Entries entries) {
  std::mt19937 random(seed);
  SetFault(nullptr);
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, file] : files_) {
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored) || file.size <= file.synced) continue;
    // The disk may have got further than it was told to.
    const uint64_t unsynced = file.lost ? 0 : file.size - file.synced;
    const uint64_t kept = random() % 2 == 0 ? 0 : random() % (unsynced + 1);
    std::filesystem::resize_file(name, file.synced + kept);
  }
  for (const auto& [name, entry] : unsynced_entries_) {
    if (entries == Entries::kNew) break;
    if (entry.existed) {
      std::ofstream(name, std::ios::binary | std::ios::trunc) << entry.content;
    } else {
      std::filesystem::remove(name);
    }
  }
  Forget();
}

void FaultyFileSystem::KillProcess() {
  SetFault(nullptr);
  absl::MutexLock lock(&mutex_);
  Forget();
}

void FaultyFileSystem::Forget() {
  files_.clear();
  unsynced_entries_.clear();
  operations_left_ = std::numeric_limits<uint64_t>::max();
}

IOStatus FaultyFileSystem::Count() {
  if (operations_left_ == 0) return IOStatus::IOError("the machine has stopped");
  if (operations_left_ != std::numeric_limits<uint64_t>::max()) --operations_left_;
  return operations_left_ == 0 ? IOStatus::IOError("the machine stops") : IOStatus::OK();
}

IOStatus FaultyFileSystem::Begin(Operation operation, const std::string& file) {
  {
    absl::MutexLock lock(&mutex_);
    const IOStatus status = Count();
    if (!status.ok()) return status;
  }
  absl::ReaderMutexLock lock(&fault_mutex_);
  return fault_ != nullptr ? fault_(operation, file) : IOStatus::OK();
}

void FaultyFileSystem::Appended(const std::string& file, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  files_[file].size += bytes;
}

void FaultyFileSystem::Synced(const std::string& name, bool ok) {
  absl::MutexLock lock(&mutex_);
  File& file = files_[name];
  if (!ok) file.lost = true;
  if (!file.lost) file.synced = file.size;
}

void FaultyFileSystem::DirectorySynced(const std::string& directory) {
  absl::MutexLock lock(&mutex_);
  absl::erase_if(unsynced_entries_, [&](const auto& entry) { return DirectoryOf(entry.first) == directory; });
}

IOStatus FaultyFileSystem::Opened(const std::string& name, bool fresh) {
  absl::MutexLock lock(&mutex_);
  const IOStatus status = Count();
  if (!status.ok()) return status;
  std::error_code missing;
  const bool existed = std::filesystem::exists(name, missing);
  if (fresh) {
    // RocksDB and the engine never write a file anew in place.
    files_[name] = File();
    unsynced_entries_.try_emplace(name, Entry{existed, existed ? ContentOf(name) : ""});
  } else if (!files_.contains(name)) {
    const uint64_t size = existed ? std::filesystem::file_size(name) : 0;
    files_[name] = File{size, size};
  }
  return status;
}

IOStatus FaultyFileSystem::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                                           IODebugContext* debug) {
  const std::string normal = Normal(name);
  IOStatus status = Opened(normal, /*fresh=*/true);
  if (status.ok()) status = target()->NewWritableFile(name, options, result, debug);
  if (status.ok()) *result = std::make_unique<WatchedFile>(*this, normal, std::move(*result));
  return status;
}

IOStatus FaultyFileSystem::ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                                              IODebugContext* debug) {
  const std::string normal = Normal(name);
  IOStatus status = Opened(normal, /*fresh=*/false);
  if (status.ok()) status = target()->ReopenWritableFile(name, options, result, debug);
  if (status.ok()) *result = std::make_unique<WatchedFile>(*this, normal, std::move(*result));
  return status;
}

IOStatus FaultyFileSystem::NewDirectory(const std::string& name, const IOOptions& options,
                                        std::unique_ptr<rocksdb::FSDirectory>* result,
                                        IODebugContext* debug) {
  IOStatus status = target()->NewDirectory(name, options, result, debug);
  std::string normal = Normal(name);
  if (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  if (status.ok()) *result = std::make_unique<WatchedDirectory>(*this, normal, std::move(*result));
  return status;
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from, const std::string& to,
                                      const IOOptions& options, IODebugContext* debug) {
  const std::string normal_from = Normal(from);
  const std::string normal_to = Normal(to);
  absl::MutexLock lock(&mutex_);
  IOStatus status = Count();
  if (!status.ok()) return status;
  std::error_code missing;
  const bool existed = std::filesystem::exists(normal_to, missing);
  Entry before{existed, existed ? ContentOf(normal_to) : ""};
  status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  unsynced_entries_.try_emplace(normal_to, std::move(before));
  unsynced_entries_.erase(normal_from);
  const auto moved = files_.find(normal_from);
  if (moved != files_.end()) {
    const File file = moved->second;
    files_.erase(moved);
    files_[normal_to] = file;
  }
  return status;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                      IODebugContext* debug) {
  const std::string normal = Normal(name);
  absl::MutexLock lock(&mutex_);
  IOStatus status = Count();
  if (!status.ok()) return status;
  status = target()->DeleteFile(name, options, debug);
  if (status.ok()) {
    files_.erase(normal);
    unsynced_entries_.erase(normal);
  }
  return status;
}

IOStatus FaultyFileSystem::GetFreeSpace(const std::string&, const IOOptions&, uint64_t* free,
                                        IODebugContext*) {
  absl::MutexLock lock(&mutex_);
  *free = free_bytes_;
  return IOStatus::OK();
}

}  // namespace mailstead::engine
