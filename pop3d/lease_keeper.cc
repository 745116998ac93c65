#include "pop3d/lease_keeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/redirect_error.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"

namespace mailstead::pop3 {
namespace {

constexpr size_t kLeaseIdSize = 26;

std::shared_ptr<Lease> NewLease() {
  auto lease = std::make_shared<Lease>();
  lease->id = RandomId(kLeaseIdSize);
  return lease;
}

// The answer is lost, not given: the call may have happened.
bool OutcomeIsUnknown(const absl::Status& status) { return IsTemporary(status) && ReasonOf(status).empty(); }

}  // namespace

LeaseKeeper::LeaseKeeper(StoreClient& store, asio::any_io_executor executor, Options options)
    : store_(store),
      executor_(executor),
      options_(std::move(options)),
      timer_(executor),
      ended_(executor),
      current_(NewLease()),
      health_(absl::UnavailableError("the store has not answered yet")) {}

void LeaseKeeper::Start() {
  ended_.expires_at(std::chrono::steady_clock::time_point::max());
  asio::co_spawn(executor_, Run(), asio::detached);
}

asio::awaitable<void> LeaseKeeper::Run() {
  const auto period = absl::ToChronoNanoseconds(options_.ttl / 3);
  asio::error_code ignored;
  while (!ending_) {
    const auto next = std::chrono::steady_clock::now() + period;
    co_await Beat();
    if (ending_) break;
    timer_.expires_at(next);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  ended_.expires_at(std::chrono::steady_clock::time_point::min());
}

asio::awaitable<void> LeaseKeeper::End() {
  ending_ = true;
  timer_.cancel();
  asio::error_code ignored;
  co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  {
    // Their locks end with their leases.
    absl::MutexLock lock(&mutex_);
    overdue_.clear();
  }
  Retire(current());
  co_await EndUnusedLeases();
}

asio::awaitable<void> LeaseKeeper::Beat() {
  const absl::Status status = co_await Renew(current());
  SetHealth(status);
  if (!status.ok()) co_return;
  std::vector<std::shared_ptr<Lease>> retired;
  {
    absl::MutexLock lock(&mutex_);
    retired = retired_;
  }
  for (const std::shared_ptr<Lease>& lease : retired) co_await Renew(lease);
  retired.clear();
  co_await ReleaseOverdue();
  co_await EndUnusedLeases();
}

asio::awaitable<absl::Status> LeaseKeeper::Renew(std::shared_ptr<Lease> lease) {
  LeaseRequest request{.lease_id = lease->id, .holder = options_.holder, .ttl = options_.ttl};
  lease->offered = true;
  return store_.RenewLease(std::move(request));
}

asio::awaitable<void> LeaseKeeper::EndUnusedLeases() {
  std::vector<std::shared_ptr<Lease>> unused;
  {
    absl::MutexLock lock(&mutex_);
    // No one can take a new share in a retired lease, so a lease that only the list holds stays unused.
    const auto first =
        std::partition(retired_.begin(), retired_.end(),
                       [](const std::shared_ptr<Lease>& lease) { return lease.use_count() > 1; });
    unused.assign(std::make_move_iterator(first), std::make_move_iterator(retired_.end()));
    retired_.erase(first, retired_.end());
  }
  for (std::shared_ptr<Lease>& lease : unused) {
    const absl::Status status = co_await store_.EndLease(lease->id);
    if (!IsTemporary(status) || ending_) continue;
    absl::MutexLock lock(&mutex_);
    retired_.push_back(std::move(lease));
  }
}

asio::awaitable<void> LeaseKeeper::ReleaseOverdue() {
  std::vector<HeldMaildrop> overdue;
  {
    absl::MutexLock lock(&mutex_);
    overdue.swap(overdue_);
  }
  for (HeldMaildrop& held : overdue) co_await Release(std::move(held));
}

asio::awaitable<absl::StatusOr<OpenedMaildrop>> LeaseKeeper::Open(OpenRequest request, HeldMaildrop& held) {
  const std::shared_ptr<Lease> lease = current();
  request.lease_id = lease->id;
  absl::StatusOr<OpenedMaildrop> opened = co_await store_.OpenMaildrop(request);
  if (ReasonOf(opened.status()) == kReasonNoLease) {
    const absl::Status renewed = co_await Renew(lease);
    if (!renewed.ok()) co_return renewed;
    opened = co_await store_.OpenMaildrop(request);
  }
  if (!opened.ok()) {
    if (OutcomeIsUnknown(opened.status())) Retire(lease);
    co_return opened;
  }
  held = HeldMaildrop{.mailbox_id = request.mailbox_id, .token = opened->token, .lease = lease};
  co_return opened;
}

asio::awaitable<void> LeaseKeeper::Release(HeldMaildrop held) {
  const absl::Status status = co_await store_.ReleaseMaildrop(held.mailbox_id, held.token);
  if (status.ok() || !IsTemporary(status)) co_return;
  obs::LogWarning("release_failed", {{"mailbox", held.mailbox_id}, {"error", status.ToString()}});
  absl::MutexLock lock(&mutex_);
  overdue_.push_back(std::move(held));
}

absl::Status LeaseKeeper::Health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

void LeaseKeeper::SetHealth(const absl::Status& status) {
  bool changed;
  {
    absl::MutexLock lock(&mutex_);
    changed = !std::exchange(asked_, true) || health_.ok() != status.ok();
    health_ = status;
  }
  if (!changed) return;
  if (status.ok()) {
    obs::LogInfo("store_reached", {{"lease", current()->id}});
  } else {
    obs::LogWarning("store_away", {{"error", status.ToString()}});
  }
}

std::shared_ptr<Lease> LeaseKeeper::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

void LeaseKeeper::Retire(const std::shared_ptr<Lease>& lease) {
  // Under a lease that the store never heard of nothing can be locked.
  if (!lease->offered) return;
  absl::MutexLock lock(&mutex_);
  if (lease != current_) return;
  retired_.push_back(std::move(current_));
  current_ = NewLease();
}

}  // namespace mailstead::pop3
