#include "stored/rules/trash.h"

#include "common/base/reason.h"

namespace mailstead::rules {

absl::Time RestorableUntil(const Deletion& deletion, absl::Duration window) { return deletion.time + window; }

bool IsRestorable(const Deletion& deletion, absl::Duration window, absl::Time now) {
  return KeepsDeleted(window) && now < RestorableUntil(deletion, window);
}

engine::MessageDeletion Told(const Deletion& deletion, absl::Duration window) {
  return {deletion.time, deletion.cause, RestorableUntil(deletion, window)};
}

absl::Status NoRoomToRestore() {
  return WithReason(absl::ResourceExhaustedError("the mailbox has reached its quota: make room first"),
                    kReasonOverQuota);
}

}  // namespace mailstead::rules
