// The file "backup" beside the database of a backup: by it an engine knows, when it opens the folder, that what was written
// after that moment has another history (Database::LoadIncarnation), and an operator what the backup is.
//
//   note = line*                    create_time, incarnation, schema_version once each, the others at most once
//   line = key SP value LF          secret_file: once for each
//
//   create_time C   incarnation TEXT   schema_version N   message_count N   message_bytes N   disk_bytes N
//   verify_time C   damaged_count N    secret_file TEXT
//
// N is a decimal number, C one of microseconds since 1970-01-01T00:00Z, TEXT has C escapes for what does not print. A key
// that is not known is passed over. Until all messages of the backup have been read there is no verify_time.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "stored/engine/types.h"

namespace rocksdb {
class Env;
}

namespace mailstead::engine {

// Without the name, which is the folder's.
std::string EncodeBackupNote(const Backup& backup);
// DataLoss.
absl::StatusOr<Backup> DecodeBackupNote(absl::string_view text);

// `path` is the folder of a store. Whether it has a note.
absl::StatusOr<bool> HasBackupNote(rocksdb::Env& env, const std::string& path);
absl::StatusOr<Backup> ReadBackupNote(rocksdb::Env& env, const std::string& path);
// Synced. WriteBackupNote replaces one that is there.
absl::Status WriteBackupNote(rocksdb::Env& env, const std::string& path, const Backup& backup);
absl::Status RemoveBackupNote(rocksdb::Env& env, const std::string& path);

}  // namespace mailstead::engine
