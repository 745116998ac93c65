// Trying a call to the store again for a bounded time: a store that restarts must not cost the client its
// mail.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"

namespace mailstead::smtp {

// True for Unavailable, Aborted and DeadlineExceeded: the same call may succeed in a moment.
bool MayRetry(const absl::Status& status);

// One call with its further tries.
class Retry {
 public:
  // No try begins later than `for_duration` after this.
  Retry(asio::any_io_executor executor, absl::Duration for_duration);
  // Whether to try again after `status`; waits before it says so, longer each time (50 ms to 1 s).
  asio::awaitable<bool> Again(absl::Status status);

 private:
  asio::any_io_executor executor_;
  const absl::Time until_;
  absl::Duration wait_ = absl::Milliseconds(50);
};

}  // namespace mailstead::smtp
