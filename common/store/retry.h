// What is tried again, and for how long: the one rule of every call to the store.
//
// Two questions look alike and are not. "May a later try succeed?" chooses between 4xx and 5xx: IsTemporary
// (common/base/status.h). "Is it worth while to try again now, while the client waits?" is WorthTryingAgain: only
// where the store was away or lost a race, so that a moment helps. A full disk, a full mailbox, a maildrop that another
// session holds or damaged bytes are answers: the client is told at once, and comes back when it likes. All that is worth
// trying again is temporary.
//
// A third question is what a call has come to that failed: nothing, when it was not sent or the store has said so; else it
// may have happened, or happen yet (IsOutcomeUnknown). Then it is asked again for longer, since the client must not be told
// that nothing happened.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"

namespace mailstead::store {

// Unavailable, DeadlineExceeded, and Aborted unless its reason says that somebody else has what is asked for.
bool WorthTryingAgain(const absl::Status& status);

// Whether the call may have happened, or happen yet, though it ended so.
bool IsOutcomeUnknown(const absl::Status& status);

// The waits between tries: the first, and twice as long each time up to the longest.
inline constexpr absl::Duration kFirstWait = absl::Milliseconds(50);
inline constexpr absl::Duration kLongestWait = absl::Seconds(1);

// One call with its further tries.
class Retry {
 public:
  // No try begins later than `patience` after this; or than `outcome_patience`, when that is longer, once a try has ended
  // with an outcome that is unknown. `timers` outlives it.
  Retry(Timers& timers, absl::Duration patience, absl::Duration outcome_patience = absl::ZeroDuration());

  // Whether to try again after `status`; waits before it says so.
  asio::awaitable<bool> Again(absl::Status status);
  // Whether a try that Again was told of may have happened.
  bool may_have_happened() const { return may_have_happened_; }

 private:
  Timers& timers_;
  const absl::Time until_;
  const absl::Time outcome_until_;
  // Set by the first try whose outcome is unknown.
  bool may_have_happened_ = false;
  absl::Duration wait_ = kFirstWait;
};

}  // namespace mailstead::store
