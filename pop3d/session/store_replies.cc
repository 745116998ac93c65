#include "pop3d/session/store_replies.h"

#include <string>

#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::pop3 {

ReplyId ReplyForFailedLogin(const absl::Status& status) {
  CHECK(!status.ok());
  // Also when the store refuses us: the operator mends the front-end's credential, and the client's next try
  // works.
  return ReplyId::kStoreUnavailable;
}

ReplyId ReplyForFailedOpen(const absl::Status& status) {
  CHECK(!status.ok());
  const std::string reason = ReasonOf(status);
  if (reason == kReasonMaildropInUse) return ReplyId::kInUse;
  if (reason == kReasonLoginDelay) return ReplyId::kLoginDelay;
  if (reason == kReasonListingMemoryFull) return ReplyId::kListingMemoryFull;
  if (absl::IsNotFound(status) || absl::IsInvalidArgument(status)) return ReplyId::kMailboxUnusable;
  return ReplyId::kStoreUnavailable;
}

ReplyId ReplyForFailedFetch(const absl::Status& status) {
  CHECK(!status.ok());
  if (absl::IsNotFound(status)) return ReplyId::kMessageGone;
  if (ReasonOf(status) == kReasonGrantExpired) return ReplyId::kLoginEnded;
  if (ReasonOf(status) == kReasonSessionEnded) return ReplyId::kSessionEnded;
  // DataLoss too: the operator has the alarm, and a restored message has the same id.
  return ReplyId::kMessageUnreadable;
}

ReplyId ReplyForFailedCommit(const absl::Status& status) {
  CHECK(!status.ok());
  const std::string reason = ReasonOf(status);
  if (reason == kReasonFenced) return ReplyId::kLockLost;
  // A session that had committed held no maildrop that could be taken from it: nothing was deleted.
  if (reason == kReasonSessionEnded) return ReplyId::kSessionEnded;
  // Silence is no proof: the commit may have happened, so the reply does not say that nothing was deleted.
  // Nor is a grant that has ended: it ends with the lock, and a commit whose answer was lost has ended that.
  if (IsTemporary(status) || reason == kReasonGrantExpired) return ReplyId::kCommitUnconfirmed;
  return ReplyId::kCommitRefused;
}

}  // namespace mailstead::pop3
