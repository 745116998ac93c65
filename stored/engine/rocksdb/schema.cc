#include "stored/engine/rocksdb/schema.h"

#include <rocksdb/env.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/health.h"

namespace mailstead::engine {
namespace {

// One line: the version, and " new" until the database has been made, or " old messages" until the messages of an earlier
// version have been looked through.
constexpr absl::string_view kNewMark = " new";
constexpr absl::string_view kOldMessagesMark = " old messages";

std::string SchemaFile(const std::string& path) { return path + "/schema"; }

// Written beside, synced and renamed: after a power cut the file is the old or the new one.
absl::Status WriteSchema(rocksdb::Env& env, const std::string& path, absl::string_view line) {
  const std::string name = SchemaFile(path);
  const std::string text = absl::StrCat(line, "\n");
  RETURN_IF_ERROR(FromRocksDb(rocksdb::WriteStringToFile(&env, text, name + ".tmp", /*should_sync=*/true)));
  RETURN_IF_ERROR(FromRocksDb(env.RenameFile(name + ".tmp", name)));
  std::unique_ptr<rocksdb::Directory> directory;
  RETURN_IF_ERROR(FromRocksDb(env.NewDirectory(path, &directory)));
  return FromRocksDb(directory->Fsync());
}

}  // namespace

absl::StatusOr<SchemaState> CheckSchema(rocksdb::Env& env, const std::string& path,
                                        const std::string& db_path) {
  const bool database_exists = env.FileExists(db_path + "/CURRENT").ok();
  std::string text;
  const rocksdb::Status read = rocksdb::ReadFileToString(&env, SchemaFile(path), &text);
  if (read.IsNotFound() || read.IsPathNotFound()) {
    if (database_exists) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " holds a database but no schema file: not a store of this program"));
    }
    RETURN_IF_ERROR(WriteSchema(env, path, absl::StrCat(kSchemaVersion, kNewMark)));
    return SchemaState::kNew;
  }
  RETURN_IF_ERROR(FromRocksDb(read));

  absl::string_view line = absl::StripSuffix(text, "\n");
  const bool is_new = absl::ConsumeSuffix(&line, kNewMark);
  absl::ConsumeSuffix(&line, kOldMessagesMark);
  uint32_t version;
  if (!absl::SimpleAtoi(line, &version)) {
    return absl::DataLossError(absl::StrCat(SchemaFile(path), " does not hold a version"));
  }
  if (version < kOldestSchemaVersion || version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the store in ", path, " has schema version ", version,
                                                      "; this program reads and writes version ",
                                                      kSchemaVersion));
  }
  if (!is_new && !database_exists) {
    return absl::DataLossError(absl::StrCat("the database of the store in ", path, " is missing"));
  }
  if (version != kSchemaVersion) {
    RETURN_IF_ERROR(WriteSchema(env, path, absl::StrCat(kSchemaVersion, is_new ? kNewMark : kOldMessagesMark)));
    obs::LogInfo("schema_taken_on", {{"from", version}, {"to", kSchemaVersion}, {"path", path}});
  }
  return is_new ? SchemaState::kNew : SchemaState::kReady;
}

absl::StatusOr<bool> HasOldMessages(rocksdb::Env& env, const std::string& path) {
  std::string text;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(&env, SchemaFile(path), &text)));
  return absl::EndsWith(absl::StripSuffix(text, "\n"), kOldMessagesMark);
}

absl::Status MarkSchemaReady(rocksdb::Env& env, const std::string& path) {
  return WriteSchema(env, path, absl::StrCat(kSchemaVersion));
}

}  // namespace mailstead::engine
