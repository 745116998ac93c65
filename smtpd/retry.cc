#include "smtpd/retry.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "smtpd/steady_clock.h"

namespace mailstead::smtp {
namespace {

constexpr int kMaxWaitSeconds = 1;

}  // namespace

bool MayRetry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) || absl::IsDeadlineExceeded(status);
}

Retry::Retry(asio::any_io_executor executor, absl::Duration for_duration)
    : executor_(std::move(executor)), until_(SteadyNow() + for_duration) {}

asio::awaitable<bool> Retry::Again(absl::Status status) {
  if (!MayRetry(status) || SteadyNow() + wait_ > until_) co_return false;
  asio::steady_timer timer(executor_, absl::ToChronoNanoseconds(wait_));
  wait_ = std::min(wait_ * 2, absl::Seconds(kMaxWaitSeconds));
  std::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return true;
}

}  // namespace mailstead::smtp
