#include "pop3d/store_errors.h"

#include <string>

#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::pop3 {

ReplyId AuthError(const absl::Status& status) {
  CHECK(!status.ok());
  // Also when the store refuses us: the operator mends the front-end's credential, and the client's
  // next try works.
  return ReplyId::kStoreUnavailable;
}

ReplyId OpenError(const absl::Status& status) {
  CHECK(!status.ok());
  const std::string reason = ReasonOf(status);
  if (reason == kReasonMaildropInUse) return ReplyId::kInUse;
  if (reason == kReasonLoginDelay) return ReplyId::kLoginDelay;
  if (absl::IsNotFound(status) || absl::IsInvalidArgument(status)) return ReplyId::kMailboxUnusable;
  return ReplyId::kStoreUnavailable;
}

ReplyId FetchError(const absl::Status& status) {
  CHECK(!status.ok());
  if (absl::IsNotFound(status)) return ReplyId::kMessageGone;
  // DataLoss too: the operator has the alarm, and a restored message has the same id.
  return ReplyId::kMessageUnreadable;
}

ReplyId CommitError(const absl::Status& status) {
  CHECK(!status.ok());
  if (ReasonOf(status) == kReasonFenced) return ReplyId::kLockLost;
  // Silence is no proof: the commit may have happened, so the reply does not say that nothing was deleted.
  if (IsTemporary(status)) return ReplyId::kCommitUnconfirmed;
  return ReplyId::kCommitRefused;
}

}  // namespace mailstead::pop3
