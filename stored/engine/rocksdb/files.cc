#include "stored/engine/rocksdb/files.h"

#include <rocksdb/env.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/health.h"

namespace mailstead::engine {

absl::Status SyncFolder(rocksdb::Env& env, const std::string& path) {
  std::unique_ptr<rocksdb::Directory> folder;
  RETURN_IF_ERROR(FromRocksDb(env.NewDirectory(path, &folder)));
  return FromRocksDb(folder->Fsync());
}

absl::Status ReplaceFile(rocksdb::Env& env, const std::string& folder, const std::string& name,
                         absl::string_view text) {
  const std::string path = absl::StrCat(folder, "/", name);
  const rocksdb::Slice bytes(text.data(), text.size());
  RETURN_IF_ERROR(FromRocksDb(rocksdb::WriteStringToFile(&env, bytes, path + ".tmp", /*should_sync=*/true)));
  RETURN_IF_ERROR(FromRocksDb(env.RenameFile(path + ".tmp", path)));
  return SyncFolder(env, folder);
}

absl::StatusOr<bool> IsThere(rocksdb::Env& env, const std::string& path) {
  const rocksdb::Status found = env.FileExists(path);
  if (found.IsNotFound() || found.IsPathNotFound()) return false;
  RETURN_IF_ERROR(FromRocksDb(found));
  return true;
}

absl::Status RemoveTree(rocksdb::Env& env, const std::string& path) {
  // Tried first: it removes a link and not what it leads to, and fails for a folder.
  if (env.DeleteFile(path).ok()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool there, IsThere(env, path));
  if (!there) return absl::OkStatus();
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocksDb(env.GetChildren(path, &names)));
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    RETURN_IF_ERROR(RemoveTree(env, absl::StrCat(path, "/", name)));
  }
  return FromRocksDb(env.DeleteDir(path));
}

}  // namespace mailstead::engine
