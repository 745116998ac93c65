#include "common/store/retry.h"

#include <algorithm>
#include <string>
#include <utility>

#include "asio/this_coro.hpp"
#include "common/base/reason.h"
#include "common/rpc/transport.h"

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

bool IsOutcomeUnknown(const absl::Status& status) {
  if (status.ok() || rpc::WasNotSent(status)) return false;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
      return true;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
      // What the store says has a reason; the others are gRPC's, of a stream that broke.
      return ReasonOf(status).empty();
    default:
      return false;
  }
}

Retry::Retry(Timers& timers, absl::Duration patience, absl::Duration outcome_patience)
    : timers_(timers),
      until_(timers.Now() + patience),
      outcome_until_(until_ + std::max(outcome_patience - patience, absl::ZeroDuration())) {}

asio::awaitable<bool> Retry::Again(absl::Status status) {
  may_have_happened_ = may_have_happened_ || IsOutcomeUnknown(status);
  const absl::Time next = timers_.Now() + wait_;
  if (!WorthTryingAgain(status) || next > (may_have_happened_ ? outcome_until_ : until_)) co_return false;
  wait_ = std::min(wait_ * 2, kLongestWait);
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::unique_ptr<Timer> timer = timers_.NewTimer(std::move(executor));
  co_await timer->WaitUntil(next);
  co_return true;
}

}  // namespace mailstead::store
