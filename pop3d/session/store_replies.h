// How a failure of the store is told to the client: the one place where a Status becomes -ERR (RFC 3206, RFC
// 2449). Temporary failures are [SYS/TEMP], permanent ones [SYS/PERM]; none is ever [AUTH], which makes
// clients ask for a new password. Pure.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "pop3d/session/replies.h"

namespace mailstead::pop3 {

// A reason that is pop3d's own: the listings of other sessions have all the memory there is for them (--listing_memory).
inline constexpr absl::string_view kReasonListingMemoryFull = "LISTING_MEMORY_FULL";

// Each takes a status that is not OK.
ReplyId ReplyForFailedLogin(const absl::Status& status);
ReplyId ReplyForFailedOpen(const absl::Status& status);
ReplyId ReplyForFailedFetch(const absl::Status& status);
ReplyId ReplyForFailedCommit(const absl::Status& status);

}  // namespace mailstead::pop3
