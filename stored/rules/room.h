// Mail that waits for a mailbox here and for which there is room before its next time: something was deleted there, or its
// quota was raised. Pure.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "stored/rules/mailbox.h"
#include "stored/rules/queue.h"

namespace mailstead::rules {

// Recipients that one call of QueueEngine::DeliverHere looks at for that, the first by their times, for each that it may try.
inline constexpr size_t kLookedAtForEachTried = 5;

// Whether a message that waits may come now, although it is not due. `mailbox`: null: there is none.
inline bool HasRoomEarly(const Mailbox* mailbox, const QueueEntry& entry, absl::Time now) {
  return entry.not_before <= now && !ObstacleOf(mailbox, entry).has_value();
}

}  // namespace mailstead::rules
