#include "common/frontend/ticket_watch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/retry.h"

namespace mailstead::frontend {
namespace {

// Of one question: the next one comes soon.
constexpr absl::Duration kAskTimeout = absl::Seconds(1);
constexpr absl::Duration kAskWhileAway = absl::Seconds(1);
// By a store that refuses: it has been given another token, or is of a version without the method.
constexpr absl::Duration kAskAfterRefusal = absl::Seconds(30);
// Whatever the store says.
constexpr absl::Duration kLeastWait = absl::Milliseconds(20);
constexpr absl::Duration kLongestWait = absl::Minutes(10);

}  // namespace

TicketWatch::TicketWatch(store::StoreApi& store, net::TicketRing* ring, asio::any_io_executor executor,
                         Timers& timers)
    : store_(store),
      ring_(ring),
      recurring_(
          std::move(executor), absl::ZeroDuration(), [this] { return Turn(); }, timers) {}

void TicketWatch::Start() {
  if (ring_ != nullptr) recurring_.Start();
}

asio::awaitable<absl::Duration> TicketWatch::Turn() {
  const absl::StatusOr<absl::Duration> wait = co_await Ask();
  if (!recurring_.stopping()) Note(wait.status());
  if (!wait.ok()) co_return store::WorthTryingAgain(wait.status()) ? kAskWhileAway : kAskAfterRefusal;
  co_return std::clamp(*wait, kLeastWait, kLongestWait);
}

asio::awaitable<absl::StatusOr<absl::Duration>> TicketWatch::Ask() {
  store::CallContext context;
  context.timeout = kAskTimeout;
  CO_ASSIGN_OR_RETURN(store::TicketKeys keys, co_await store_.ListTicketKeys(std::move(context)));
  std::vector<net::TicketSecret> secrets;
  for (store::TicketKeys::Key& key : keys.keys) secrets.push_back({std::move(key.secret), key.open_for});
  CO_RETURN_IF_ERROR(ring_->Update(secrets));
  co_return keys.ask_again_after;
}

void TicketWatch::Note(const absl::Status& status) {
  const Told now = status.ok() ? Told::kGood : Told::kBad;
  if (std::exchange(told_, now) == now) return;
  if (status.ok()) {
    obs::LogInfo("ticket_keys_shared", {});
  } else {
    obs::LogWarning("ticket_keys_not_shared", {{"error", status.ToString()}});
  }
}

}  // namespace mailstead::frontend
