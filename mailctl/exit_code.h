// What mailctl tells the shell. Scripts rely on these numbers: they never change.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead::ctl {

enum class ExitCode {
  kOk = 0,
  // The store refused, or part of the work failed; the same call fails again.
  kRefused = 1,
  // The command line is wrong; the store was not asked.
  kUsage = 2,
  kNotFound = 3,
  kAlreadyExists = 4,
  // The store is away, busy or full; the same call may succeed later.
  kTemporary = 5,
  // Nobody reads standard output any more ("| head"). What a shell shows for a program that SIGPIPE ended.
  kReaderGone = 141,
};

ExitCode ExitCodeOf(const absl::Status& status);

// The operator's mistake on the command line, as opposed to an InvalidArgument of the store.
absl::Status UsageError(absl::string_view message);
bool IsUsageError(const absl::Status& status);

// The reader of standard output went away, of its own will: nothing to complain about.
absl::Status ReaderGoneError();
bool IsReaderGone(const absl::Status& status);

}  // namespace mailstead::ctl
