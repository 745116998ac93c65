#include "common/frontend/store_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/post.hpp"
#include "asio/use_future.hpp"
#include "common/base/reason.h"
#include "common/obs/log.h"

namespace mailstead::frontend {
namespace {

// Which of the two programs is to be replaced, when they speak different revisions; else empty.
absl::string_view TooOld(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == kReasonRevisionTooOld) return "this program";
  if (reason == kReasonRevisionTooNew) return "the store";
  return "";
}

absl::string_view EventOf(const absl::Status& status) {
  if (status.ok()) return "store_reached";
  return TooOld(status).empty() ? "store_away" : "store_refused";
}

}  // namespace

StoreWatch::StoreWatch(asio::any_io_executor executor, Probe probe, absl::Duration period, Timers& timers)
    : executor_(std::move(executor)),
      probe_(std::move(probe)),
      period_(period),
      clock_(timers),
      timer_(timers.NewTimer(executor_)),
      health_(absl::UnavailableError("the store has not answered yet")) {}

void StoreWatch::Start() { ended_ = asio::co_spawn(executor_, Run(), asio::use_future); }

bool StoreWatch::Stop(absl::Duration timeout) {
  if (!ended_.valid()) return true;
  asio::post(executor_, [this] {
    stopping_ = true;
    timer_->Cancel();
  });
  if (ended_.wait_for(absl::ToChronoMilliseconds(timeout)) != std::future_status::ready) return false;
  ended_.get();
  return true;
}

asio::awaitable<void> StoreWatch::Run() {
  while (!stopping_) {
    const absl::Status status = co_await probe_();
    if (stopping_) co_return;
    Note(status);
    co_await timer_->WaitUntil(clock_.Now() + period_);
  }
}

void StoreWatch::Note(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    health_ = status;
  }
  const absl::string_view event = EventOf(status);
  const absl::string_view too_old = TooOld(status);
  const std::string telling = absl::StrCat(event, " ", too_old);
  if (std::exchange(told_, telling) == telling) return;
  if (status.ok()) {
    obs::LogInfo(event, {});
  } else if (too_old.empty()) {
    obs::LogWarning(event, {{"error", status.ToString()}});
  } else {
    // Nothing but a person can end this.
    obs::LogError(event, {{"too_old", too_old}, {"error", status.ToString()}});
  }
}

absl::Status StoreWatch::Health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

}  // namespace mailstead::frontend
