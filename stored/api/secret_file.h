// Secrets that the store makes for itself and its callers at its first start.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::stored {

// The secret in the file's first line. A file that is missing is made first, mode 0600, with a random secret
// of 260 bits; nobody ever sees it half written, and of two programs that make it at once one wins for both.
// NotFound: its folder is missing. Unavailable: it cannot be made. InvalidArgument: it is empty.
absl::StatusOr<std::string> ReadOrMakeSecretFile(const std::string& path);

// Replaces the file's content at one stroke. Unavailable.
absl::Status WriteFileAtOnce(const std::string& path, absl::string_view content, unsigned mode);

}  // namespace mailstead::stored
