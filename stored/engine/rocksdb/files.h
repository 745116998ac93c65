// Small files beside the database, and folders, so that a power cut finds them old or new.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rocksdb {
class Env;
}

namespace mailstead::engine {

// The entries of a folder are on the disk.
absl::Status SyncFolder(rocksdb::Env& env, const std::string& path);
// Written beside, synced and renamed: after a power cut the file is the old or the new one.
absl::Status ReplaceFile(rocksdb::Env& env, const std::string& folder, const std::string& name,
                         absl::string_view text);
// A file, or a folder with all that is in it, by links in it not beyond it. OK when it is not there.
absl::Status RemoveTree(rocksdb::Env& env, const std::string& path);
// Whether something has the path.
absl::StatusOr<bool> IsThere(rocksdb::Env& env, const std::string& path);

}  // namespace mailstead::engine
