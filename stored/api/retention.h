// What POP3 clients are told of retention (RFC 2449 section 6.7): the shortest time that a message may stay.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/core/core.h"

namespace mailstead::stored {

// In any mailbox; 0: for ever. Never waits.
absl::Duration LeastRetention(const Core& core);
// In that of an account; 0: for ever.
Task<absl::StatusOr<absl::Duration>> LeastRetention(Core& core, AccountId account);

}  // namespace mailstead::stored
