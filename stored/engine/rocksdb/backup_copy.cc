#include "stored/engine/rocksdb/backup_copy.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/files.h"
#include "stored/engine/rocksdb/health.h"

namespace mailstead::engine {
namespace {

// A step is at most so much.
constexpr uint64_t kStepBytes = uint64_t{16} << 20;
constexpr size_t kStepFiles = 500;
constexpr size_t kPieceBytes = size_t{1} << 20;

// Whether a file of the database is written once and never again.
bool IsFinal(const rocksdb::LiveFileStorageInfo& file) {
  return (file.file_type == rocksdb::kTableFile || file.file_type == rocksdb::kBlobFile) &&
         !file.trim_to_size && file.replacement_contents.empty();
}

rocksdb::EnvOptions PlainFile() {
  rocksdb::EnvOptions options;
  options.use_mmap_reads = false;
  options.use_mmap_writes = false;
  return options;
}

}  // namespace

BackupCopy::BackupCopy(rocksdb::Env& env, std::unique_ptr<Database::LiveFiles> files, std::string folder,
                       uint64_t min_free_bytes)
    : env_(env), files_(std::move(files)), folder_(std::move(folder)), min_free_bytes_(min_free_bytes) {
  for (const auto& file : files_->files()) total_bytes_ += static_cast<int64_t>(file.size);
}

BackupCopy::~BackupCopy() = default;

absl::StatusOr<bool> BackupCopy::Step() {
  // The files of a database that was opened again may be gone, or be those of another moment.
  RETURN_IF_ERROR(files_->CheckHeld());
  RETURN_IF_ERROR(CheckSpace());
  const int64_t before = copied_bytes_;
  const size_t first = next_;
  while (next_ < files_->files().size()) {
    const uint64_t copied = static_cast<uint64_t>(copied_bytes_ - before);
    // A link costs nothing for its bytes.
    const bool is_link = to_ == nullptr && can_link_ && IsFinal(file());
    if (next_ - first >= kStepFiles || (!is_link && copied >= kStepBytes)) return false;
    if (is_link && Link()) continue;
    if (to_ == nullptr) RETURN_IF_ERROR(Begin());
    if (left_bytes_ > 0) {
      RETURN_IF_ERROR(CopyPiece());
    } else {
      RETURN_IF_ERROR(End());
    }
  }
  RETURN_IF_ERROR(files_->CheckHeld());
  RETURN_IF_ERROR(SyncFolder(env_, folder_));
  return true;
}

absl::Status BackupCopy::CheckSpace() const {
  const uint64_t needed = can_link_ ? 0 : static_cast<uint64_t>(total_bytes_ - copied_bytes_);
  return CheckFreeBytes(FreeBytes(env_, folder_), min_free_bytes_ + needed);
}

// False: it is to be copied, and so is all that follows.
bool BackupCopy::Link() {
  const std::string from = absl::StrCat(file().directory, "/", file().relative_filename);
  can_link_ = env_.LinkFile(from, absl::StrCat(folder_, "/", file().relative_filename)).ok();
  if (!can_link_) return false;
  copied_bytes_ += static_cast<int64_t>(file().size);
  ++next_;
  return true;
}

absl::Status BackupCopy::Begin() {
  // What cannot be linked may be far more than there is room for: that is said before any of it is written.
  if (!can_link_) RETURN_IF_ERROR(CheckSpace());
  RETURN_IF_ERROR(FromRocksDb(
      env_.NewWritableFile(absl::StrCat(folder_, "/", file().relative_filename), &to_, PlainFile())));
  left_bytes_ = file().size;
  if (!file().replacement_contents.empty()) return absl::OkStatus();
  return FromRocksDb(env_.NewSequentialFile(absl::StrCat(file().directory, "/", file().relative_filename),
                                            &from_, PlainFile()));
}

absl::Status BackupCopy::CopyPiece() {
  rocksdb::Slice bytes = file().replacement_contents;
  if (from_ != nullptr) {
    piece_.resize(static_cast<size_t>(std::min<uint64_t>(kPieceBytes, left_bytes_)));
    RETURN_IF_ERROR(FromRocksDb(from_->Read(piece_.size(), &bytes, piece_.data())));
    if (bytes.empty()) {
      return absl::DataLossError(
          absl::StrCat("file ", file().relative_filename, " of the database is too short"));
    }
  }
  RETURN_IF_ERROR(FromRocksDb(to_->Append(bytes)));
  left_bytes_ -= bytes.size();
  copied_bytes_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status BackupCopy::End() {
  RETURN_IF_ERROR(FromRocksDb(to_->Sync()));
  RETURN_IF_ERROR(FromRocksDb(to_->Close()));
  to_.reset();
  from_.reset();
  ++next_;
  return absl::OkStatus();
}

}  // namespace mailstead::engine
