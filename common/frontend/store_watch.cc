#include "common/frontend/store_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
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
    : probe_(std::move(probe)),
      period_(period),
      health_(absl::UnavailableError("the store has not answered yet")),
      recurring_(
          std::move(executor), absl::ZeroDuration(), [this] { return Ask(); }, timers) {}

asio::awaitable<absl::Duration> StoreWatch::Ask() {
  const absl::Status status = co_await probe_();
  if (!recurring_.stopping()) Note(status);
  co_return period_;
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
