#include "common/store/retry.h"

#include <algorithm>
#include <string>
#include <utility>

#include "asio/this_coro.hpp"
#include "common/base/reason.h"

namespace mailstead::store {

bool WorthTryingAgain(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    case absl::StatusCode::kAborted:
      break;
    default:
      return false;
  }
  const std::string reason = ReasonOf(status);
  for (const absl::string_view answer : {kReasonMaildropInUse, kReasonLoginDelay, kReasonFenced,
                                         kReasonEtagMismatch, kReasonExchangeAbandoned}) {
    if (reason == answer) return false;
  }
  return true;
}

Retry::Retry(Timers& timers, absl::Duration patience) : timers_(timers), until_(timers.Now() + patience) {}

asio::awaitable<bool> Retry::Again(absl::Status status) {
  const absl::Time next = timers_.Now() + wait_;
  if (!WorthTryingAgain(status) || next > until_) co_return false;
  wait_ = std::min(wait_ * 2, kLongestWait);
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::unique_ptr<Timer> timer = timers_.NewTimer(std::move(executor));
  co_await timer->WaitUntil(next);
  co_return true;
}

}  // namespace mailstead::store
