// How a failure of the store is told to the client: the one place where a Status becomes 4yz or 5yz.
#pragma once

#include "absl/status/status.h"
#include "smtpd/session/replies.h"

namespace mailstead::smtp {

// The reply for a call of Deliver, ResolveRecipient or CheckSender that failed with `status`.
ReplyId ReplyForStoreFailure(const absl::Status& status);
// The message is for another host, and has a line that is too long for it.
bool IsLongLine(const absl::Status& status);
// The account was disabled, removed or renamed, or has another password.
bool IsLoginEnded(const absl::Status& status);
// The account may not send it: what the store says of that is for the client.
bool IsSendingRefused(const absl::Status& status);
// True when an operator must look: our own mistake, a refused credential, damaged data.
bool IsAlarm(const absl::Status& status);

}  // namespace mailstead::smtp
