// How a failure of the store is told to the client: the one place where a Status becomes 4yz or 5yz.
#pragma once

#include "absl/status/status.h"
#include "smtpd/session/replies.h"

namespace mailstead::smtp {

// For Deliver, ResolveRecipient and CheckSender. `status` is not OK.
ReplyId ReplyForStoreFailure(const absl::Status& status);
// True when an operator must look: our own mistake, a refused credential, damaged data.
bool IsAlarm(const absl::Status& status);

}  // namespace mailstead::smtp
