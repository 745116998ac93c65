// The codes of errors as Connect writes them, and the HTTP status of each
// (https://connectrpc.com/docs/protocol#error-codes).
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

// "not_found"; "ok" of no error.
absl::string_view CodeName(absl::StatusCode code);
int HttpStatusOf(absl::StatusCode code);

}  // namespace mailstead::web
