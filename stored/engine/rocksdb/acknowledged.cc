#include "stored/engine/rocksdb/acknowledged.h"

#include <rocksdb/env.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/health.h"

namespace mailstead::engine {
namespace {

std::string NoteFile(const std::string& path) { return path + "/acknowledged"; }

}  // namespace

absl::StatusOr<uint64_t> ReadAcknowledged(rocksdb::Env& env, const std::string& path) {
  std::string text;
  const rocksdb::Status read = rocksdb::ReadFileToString(&env, NoteFile(path), &text);
  if (read.IsNotFound() || read.IsPathNotFound()) return 0;
  RETURN_IF_ERROR(FromRocksDb(read));
  uint64_t noted;
  if (absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &noted)) return noted;
  return absl::DataLossError(absl::StrCat(NoteFile(path), " does not hold a number"));
}

absl::Status WriteAcknowledged(rocksdb::Env& env, const std::string& path, uint64_t sequence) {
  const std::string name = NoteFile(path);
  RETURN_IF_ERROR(FromRocksDb(
      rocksdb::WriteStringToFile(&env, absl::StrCat(sequence, "\n"), name + ".tmp", /*should_sync=*/true)));
  return FromRocksDb(env.RenameFile(name + ".tmp", name));
}

}  // namespace mailstead::engine
