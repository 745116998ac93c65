// What the client is told when the store says no: the one place where absl::Status becomes -ERR (RFC 3206,
// RFC 2449). Temporary failures are [SYS/TEMP], permanent ones [SYS/PERM]; none is ever [AUTH], which makes
// clients ask for a new password.
#pragma once

#include "absl/status/status.h"
#include "pop3d/protocol/reply.h"

namespace mailstead::pop3 {

// Each takes a status that is not OK.
ReplyId AuthError(const absl::Status& status);
ReplyId OpenError(const absl::Status& status);
ReplyId FetchError(const absl::Status& status);
ReplyId CommitError(const absl::Status& status);

}  // namespace mailstead::pop3
