#include "smtpd/session/store_replies.h"

#include <string>

#include "common/base/reason.h"

namespace mailstead::smtp {

bool IsLongLine(const absl::Status& status) { return ReasonOf(status) == kReasonLineTooLong; }

bool IsLoginEnded(const absl::Status& status) { return ReasonOf(status) == kReasonGrantExpired; }

bool IsSendingRefused(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == kReasonSendingLimit || reason == kReasonSendingPaused || reason == kReasonTooManyRecipients;
}

ReplyId ReplyForStoreFailure(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == kReasonTooLarge) return ReplyId::kMessageTooBig;
  if (reason == kReasonOverQuota) return ReplyId::kMailboxFull;
  if (reason == kReasonQuotaTooSmall) return ReplyId::kMailboxTooSmall;
  if (reason == kReasonSendingLimit) return ReplyId::kSendingLimit;
  if (reason == kReasonSendingPaused) return ReplyId::kSendingPaused;
  if (reason == kReasonTooManyRecipients) return ReplyId::kMoreThanLimit;
  if (reason == kReasonTooManyMailboxes) return ReplyId::kTooManyMailboxes;
  if (reason == kReasonAliasTooDeep) return ReplyId::kListTooLong;
  if (reason == kReasonDiskFull) return ReplyId::kStoreFull;
  // The client's next try has another id.
  if (reason == kReasonDeliveryVoided) return ReplyId::kStoreAway;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
      // The store does not understand or not trust this front-end. The mail is good: it must not bounce for
      // that.
      return ReplyId::kStoreMisconfigured;
    default:
      // NotFound too: a mailbox was deleted between RCPT and the end of the message. The client's next try
      // gets the answer for each recipient.
      return ReplyId::kStoreAway;
  }
}

bool IsAlarm(const absl::Status& status) {
  if (IsLoginEnded(status) || IsSendingRefused(status)) return false;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

}  // namespace mailstead::smtp
