#include "stored/engine/rocksdb/schema.h"

#include <rocksdb/env.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/files.h"
#include "stored/engine/rocksdb/health.h"

namespace mailstead::engine {
namespace {

// One line: the version, and " new" until the database has been made, or " old messages" until the messages of a version
// before 4 have been looked through.
constexpr absl::string_view kNewMark = " new";
constexpr absl::string_view kOldMessagesMark = " old messages";

constexpr uint32_t kMessagesMarkedVersion = 4;

constexpr char kSchemaFile[] = "schema";

std::string SchemaFile(const std::string& path) { return absl::StrCat(path, "/", kSchemaFile); }

absl::Status WriteSchema(rocksdb::Env& env, const std::string& path, absl::string_view line) {
  return ReplaceFile(env, path, kSchemaFile, absl::StrCat(line, "\n"));
}

// What the file's line says.
struct Schema {
  uint32_t version = 0;
  bool is_new = false;
  bool has_old_messages = false;
};

// DataLoss: it holds no version. FailedPrecondition: one that this program does not know.
absl::StatusOr<Schema> ParseSchema(const std::string& path, absl::string_view text) {
  absl::string_view line = absl::StripSuffix(text, "\n");
  Schema schema;
  schema.is_new = absl::ConsumeSuffix(&line, kNewMark);
  schema.has_old_messages = absl::ConsumeSuffix(&line, kOldMessagesMark);
  if (!absl::SimpleAtoi(line, &schema.version)) {
    return absl::DataLossError(absl::StrCat(SchemaFile(path), " does not hold a version"));
  }
  if (schema.version < kOldestSchemaVersion || schema.version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store in ", path, " has schema version ", schema.version,
                     "; this program reads and writes version ", kSchemaVersion));
  }
  return schema;
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

  ASSIGN_OR_RETURN(const Schema schema, ParseSchema(path, text));
  const uint32_t version = schema.version;
  const bool is_new = schema.is_new;
  if (!is_new && !database_exists) {
    return absl::DataLossError(absl::StrCat("the database of the store in ", path, " is missing"));
  }
  if (version != kSchemaVersion) {
    const bool has_old_messages = schema.has_old_messages || version < kMessagesMarkedVersion;
    const absl::string_view mark = is_new ? kNewMark : has_old_messages ? kOldMessagesMark : "";
    RETURN_IF_ERROR(WriteSchema(env, path, absl::StrCat(kSchemaVersion, mark)));
    obs::LogInfo("schema_taken_on", {{"from", version}, {"to", kSchemaVersion}, {"path", path}});
  }
  return is_new ? SchemaState::kNew : SchemaState::kReady;
}

absl::StatusOr<bool> HasOldMessages(rocksdb::Env& env, const std::string& path) {
  std::string text;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(&env, SchemaFile(path), &text)));
  return absl::EndsWith(absl::StripSuffix(text, "\n"), kOldMessagesMark);
}

absl::Status CheckSchemaForReading(rocksdb::Env& env, const std::string& path) {
  std::string text;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(&env, SchemaFile(path), &text)));
  return ParseSchema(path, text).status();
}

absl::Status MarkSchemaReady(rocksdb::Env& env, const std::string& path) {
  return WriteSchema(env, path, absl::StrCat(kSchemaVersion));
}

}  // namespace mailstead::engine
