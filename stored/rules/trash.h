// The trash: what waits to be restored or freed after it was deleted. Pure.
//
// A domain's undelete window says for how long. It is asked for as it is now, not as it was when the message was deleted: one
// that is made smaller, or turned off, is true at once for what waits already.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

inline constexpr absl::Duration kMaxUndeleteWindow = absl::Hours(24 * 365);

// What is kept of a deletion.
struct Deletion {
  absl::Time time;
  engine::DeletionCause cause = engine::DeletionCause::kApi;
  // Of the mailbox's address then, in lower case: its window counts. Empty: nothing is kept.
  std::string domain;
  bool operator==(const Deletion&) const = default;
};

// Whether a deletion in a mailbox of the domain keeps what it deletes.
inline bool KeepsDeleted(absl::Duration window) { return window > absl::ZeroDuration(); }
// Until when, by the window that the domain has now.
absl::Time RestorableUntil(const Deletion& deletion, absl::Duration window);
bool IsRestorable(const Deletion& deletion, absl::Duration window, absl::Time now);
// What is told of it.
engine::MessageDeletion Told(const Deletion& deletion, absl::Duration window);

// ResourceExhausted with kReasonOverQuota.
absl::Status NoRoomToRestore();

}  // namespace mailstead::rules
