#include "common/frontend/recurring.h"

#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/post.hpp"
#include "asio/use_future.hpp"

namespace mailstead::frontend {

Recurring::Recurring(asio::any_io_executor executor, absl::Duration first_wait, Turn turn, Timers& timers)
    : executor_(std::move(executor)),
      first_wait_(first_wait),
      turn_(std::move(turn)),
      clock_(timers),
      timer_(timers.NewTimer(executor_)) {}

void Recurring::Start() { ended_ = asio::co_spawn(executor_, Run(), asio::use_future); }

bool Recurring::Stop(absl::Duration timeout) {
  if (!ended_.valid()) return true;
  asio::post(executor_, [this] {
    stopping_ = true;
    timer_->Cancel();
  });
  if (ended_.wait_for(absl::ToChronoMilliseconds(timeout)) != std::future_status::ready) return false;
  ended_.get();
  return true;
}

asio::awaitable<void> Recurring::Run() {
  absl::Duration wait = first_wait_;
  while (!stopping_) {
    if (wait > absl::ZeroDuration()) co_await timer_->WaitUntil(clock_.Now() + wait);
    if (stopping_) co_return;
    wait = co_await turn_();
  }
}

}  // namespace mailstead::frontend
