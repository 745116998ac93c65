// Backups: their names, and why one cannot be made. Pure.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead::rules {

// A file name of most systems may have 255.
inline constexpr size_t kMaxBackupNameBytes = 100;

// A name becomes a folder's: letters and digits of ASCII, '.', '-' and '_', the first one no '.'.
bool IsBackupName(absl::string_view name);
// FieldError "name".
absl::Status CheckBackupName(absl::string_view name);

// FailedPrecondition with kReasonNoBackupDir.
absl::Status NoBackupDir();
// NotFound with kReasonBackupNotFound.
absl::Status NoBackup(absl::string_view name);
// AlreadyExists with kReasonBackupExists.
absl::Status BackupExists(absl::string_view name);
// ResourceExhausted with kReasonBusy.
absl::Status BackupsBusy();

}  // namespace mailstead::rules
