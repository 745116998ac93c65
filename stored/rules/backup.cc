#include "stored/rules/backup.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

namespace mailstead::rules {

// SECURITY: no separator and no dot in front, so that it leads to no other folder and to none of the store's own.
bool IsBackupName(absl::string_view name) {
  const auto is_allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kMaxBackupNameBytes && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

absl::Status CheckBackupName(absl::string_view name) {
  if (IsBackupName(name)) return absl::OkStatus();
  return FieldError("name", absl::StrCat("must have 1 to ", kMaxBackupNameBytes,
                                         " letters, digits, '.', '-' or '_', and not begin with '.'"));
}

absl::Status NoBackupDir() {
  return WithReason(absl::FailedPreconditionError("the engine has no folder for backups"),
                    kReasonNoBackupDir);
}

absl::Status NoBackup(absl::string_view name) {
  return WithReason(absl::NotFoundError(absl::StrCat("no backup ", name)), kReasonBackupNotFound);
}

absl::Status BackupExists(absl::string_view name) {
  return WithReason(absl::AlreadyExistsError(absl::StrCat("backup ", name, " exists")), kReasonBackupExists);
}

absl::Status BackupsBusy() {
  return WithReason(absl::ResourceExhaustedError("another backup is being made, verified or removed"),
                    kReasonBusy);
}

}  // namespace mailstead::rules
