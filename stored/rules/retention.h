// Retention: for how long a message stays in its mailbox before upkeep deletes it. Pure.
//
// A domain has one, or an account in its place; and a message may have one of its own, from the key that brought it. The
// shorter of the two counts, from the time when the message came into the mailbox. The mailbox's is asked for as it is now,
// not as it was when the message came: a change of it is true at once for what is there already.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"
#include "stored/rules/new_message.h"

namespace mailstead::rules {

inline constexpr absl::Duration kMinRetention = absl::Hours(24);
inline constexpr absl::Duration kMaxRetention = absl::Hours(24 * 3650);

// Whether it may be set: 0, for ever; or whole days within the bounds. InvalidArgument says what it must be.
absl::Status CheckRetention(absl::Duration retention);

// Of a mailbox; 0: for ever.
absl::Duration MailboxRetention(const engine::Domain& domain, const engine::Account& account);
// Of two, where 0 is for ever.
absl::Duration Shorter(absl::Duration a, absl::Duration b);

// When a message is to be deleted in a mailbox with this retention; InfiniteFuture: never.
absl::Time ExpireTime(const Entry& entry, absl::Duration mailbox_retention);
inline bool HasExpired(const Entry& entry, absl::Duration mailbox_retention, absl::Time now) {
  return ExpireTime(entry, mailbox_retention) <= now;
}

}  // namespace mailstead::rules
