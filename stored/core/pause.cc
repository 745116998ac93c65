#include "stored/core/pause.h"

#include <coroutine>

namespace mailstead::stored {

Task<bool> Pause::For(absl::Duration duration) {
  if (ended_) co_return false;
  ticket_ = timers_.RunAfter(duration, [this] { Arrive(true); });
  co_return co_await arrival_;
}

void Pause::End() {
  if (ended_) return;
  ended_ = true;
  // Where the timer cannot be cancelled, it has brought the end, or is about to.
  if (ticket_ != 0 && timers_.Cancel(ticket_)) Arrive(false);
}

void Pause::Arrive(bool elapsed) {
  const std::coroutine_handle<> waiting = arrival_.Put(elapsed);
  if (waiting) executor_.Resume({&waiting, 1});
}

}  // namespace mailstead::stored
