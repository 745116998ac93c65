#include "stored/engine/rocksdb/backup_note.h"

#include <rocksdb/env.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/files.h"
#include "stored/engine/rocksdb/health.h"

namespace mailstead::engine {
namespace {

constexpr char kNoteFile[] = "backup";

// One line's value into its place. False: not what the grammar says.
bool TakeLine(absl::string_view key, absl::string_view value, Backup& backup) {
  const auto take_time = [&](absl::Time& time) {
    int64_t micros = 0;
    if (!absl::SimpleAtoi(value, &micros)) return false;
    time = absl::FromUnixMicros(micros);
    return true;
  };
  std::string text;
  if (key == "create_time") return take_time(backup.create_time);
  if (key == "verify_time") return take_time(backup.verify_time);
  if (key == "schema_version") return absl::SimpleAtoi(value, &backup.schema_version);
  if (key == "message_count") return absl::SimpleAtoi(value, &backup.message_count);
  if (key == "message_bytes") return absl::SimpleAtoi(value, &backup.message_bytes);
  if (key == "disk_bytes") return absl::SimpleAtoi(value, &backup.disk_bytes);
  if (key == "damaged_count") return absl::SimpleAtoi(value, &backup.damaged_count);
  if (key == "incarnation") return absl::CUnescape(value, &backup.incarnation);
  if (key != "secret_file") return true;
  if (!absl::CUnescape(value, &text)) return false;
  backup.secret_files.push_back(std::move(text));
  return true;
}

}  // namespace

std::string EncodeBackupNote(const Backup& backup) {
  std::string text =
      absl::StrCat("create_time ", absl::ToUnixMicros(backup.create_time), "\nincarnation ",
                   absl::CEscape(backup.incarnation), "\nschema_version ", backup.schema_version,
                   "\nmessage_count ", backup.message_count, "\nmessage_bytes ", backup.message_bytes,
                   "\ndisk_bytes ", backup.disk_bytes, "\n");
  if (backup.verify_time != absl::InfinitePast()) {
    absl::StrAppend(&text, "verify_time ", absl::ToUnixMicros(backup.verify_time), "\ndamaged_count ",
                    backup.damaged_count, "\n");
  }
  for (const std::string& file : backup.secret_files) {
    absl::StrAppend(&text, "secret_file ", absl::CEscape(file), "\n");
  }
  return text;
}

absl::StatusOr<Backup> DecodeBackupNote(absl::string_view text) {
  const auto damaged = [] { return absl::DataLossError("the note of the backup is damaged"); };
  Backup backup;
  if (!absl::ConsumeSuffix(&text, "\n")) return damaged();
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    if (!TakeLine(parts.first, parts.second, backup)) return damaged();
  }
  if (backup.schema_version == 0 || backup.incarnation.empty()) return damaged();
  return backup;
}

absl::StatusOr<bool> HasBackupNote(rocksdb::Env& env, const std::string& path) {
  return IsThere(env, absl::StrCat(path, "/", kNoteFile));
}

absl::StatusOr<Backup> ReadBackupNote(rocksdb::Env& env, const std::string& path) {
  std::string text;
  RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(&env, absl::StrCat(path, "/", kNoteFile), &text)));
  return DecodeBackupNote(text);
}

absl::Status WriteBackupNote(rocksdb::Env& env, const std::string& path, const Backup& backup) {
  return ReplaceFile(env, path, kNoteFile, EncodeBackupNote(backup));
}

absl::Status RemoveBackupNote(rocksdb::Env& env, const std::string& path) {
  RETURN_IF_ERROR(FromRocksDb(env.DeleteFile(absl::StrCat(path, "/", kNoteFile))));
  return SyncFolder(env, path);
}

}  // namespace mailstead::engine
