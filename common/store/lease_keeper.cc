#include "common/store/lease_keeper.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/post.hpp"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/obs/log.h"

namespace mailstead::store {
namespace {

constexpr size_t kLeaseIdSize = 26;

// A maildrop that no session needs any more.
struct Release {
  std::string grant;
  std::string session_id;
};

std::shared_ptr<Lease> NewLease() {
  auto lease = std::make_shared<Lease>();
  lease->id = RandomId(kLeaseIdSize);
  return lease;
}

}  // namespace

struct LeaseKeeper::Impl : std::enable_shared_from_this<LeaseKeeper::Impl> {
  Impl(StoreApi& store, asio::any_io_executor executor, Options options, Timers& timers)
      : store(store),
        executor(executor),
        options(std::move(options)),
        timers(timers),
        beat_timer(timers.NewTimer(executor)),
        end_timer(timers.NewTimer(executor)),
        current(NewLease()),
        health(absl::UnavailableError("the store has not answered yet")) {}

  CallContext Context(absl::Duration timeout) const { return {.session_id = "", .timeout = timeout}; }

  std::shared_ptr<Lease> Current() {
    absl::MutexLock lock(&mutex);
    return current;
  }

  asio::awaitable<absl::Status> Renew() {
    const std::shared_ptr<Lease> lease = Current();
    lease->offered = true;
    return Renew(lease->id);
  }

  asio::awaitable<absl::Status> Renew(std::string lease_id) {
    // A heartbeat that takes longer than its period is one that failed.
    const absl::StatusOr<RenewedLease> renewed =
        co_await store.RenewLease(std::move(lease_id), options.holder, options.ttl,
                                  Context(std::min(options.call_timeout, options.ttl / 3)));
    if (!renewed.ok()) co_return renewed.status();
    absl::MutexLock lock(&mutex);
    least_retention = renewed->least_retention;
    co_return absl::OkStatus();
  }

  asio::awaitable<void> Beat() {
    while (!ending) {
      const absl::Time next = timers.Now() + options.ttl / 3;
      // Each lease has a heartbeat of its own, and none waits for what becomes of another: the store may prolong a lease
      // that it knows while it cannot write down a new one.
      RenewRetired();
      const absl::Status status = co_await Renew();
      SetHealth(status);
      if (status.ok()) {
        EndUnused();
        ReleaseOverdue();
      }
      if (ending) break;
      co_await beat_timer->WaitUntil(next);
    }
    beating = false;
    end_timer->Cancel();
  }

  void SetHealth(const absl::Status& status) {
    bool changed;
    {
      absl::MutexLock lock(&mutex);
      changed = !std::exchange(asked, true) || health.ok() != status.ok();
      health = status;
    }
    if (!changed) return;
    if (status.ok()) {
      obs::LogInfo("lease_renewed", {{"lease", Current()->id}});
    } else {
      obs::LogWarning("lease_not_renewed", {{"lease", Current()->id}, {"error", status.ToString()}});
    }
  }

  void Retire(const std::shared_ptr<const Lease>& lease) {
    absl::MutexLock lock(&mutex);
    if (lease != current || !current->offered) return;
    obs::LogInfo("lease_retired", {{"lease", current->id}});
    retired.push_back(std::exchange(current, NewLease()));
  }

  // Renews the retired leases that sessions still hold; nothing waits for that.
  void RenewRetired() {
    std::vector<std::string> used;
    {
      absl::MutexLock lock(&mutex);
      for (const std::shared_ptr<Lease>& lease : retired) {
        if (lease.use_count() > 1) used.push_back(lease->id);
      }
    }
    for (std::string& id : used) StartErrand(RenewOne(shared_from_this(), std::move(id)), executor);
  }

  // Ends the retired leases that no session holds; nothing waits for that either.
  void EndUnused() {
    std::vector<std::shared_ptr<Lease>> unused;
    {
      absl::MutexLock lock(&mutex);
      // Nobody can take a new share in a retired lease, so that one which only the list holds stays unused.
      const auto first =
          std::partition(retired.begin(), retired.end(),
                         [](const std::shared_ptr<Lease>& lease) { return lease.use_count() > 1; });
      unused.assign(std::make_move_iterator(first), std::make_move_iterator(retired.end()));
      retired.erase(first, retired.end());
    }
    for (std::shared_ptr<Lease>& lease : unused) {
      StartErrand(EndRetired(shared_from_this(), std::move(lease)), executor);
    }
  }

  static asio::awaitable<void> RenewOne(std::shared_ptr<Impl> self, std::string lease_id) {
    const absl::Status status = co_await self->Renew(lease_id);
    if (!status.ok()) {
      obs::LogWarning("lease_not_renewed", {{"lease", lease_id}, {"error", status.ToString()}});
    }
    self->ErrandDone();
  }

  static asio::awaitable<void> EndRetired(std::shared_ptr<Impl> self, std::shared_ptr<Lease> lease) {
    const absl::Status status =
        co_await self->store.EndLease(lease->id, self->Context(self->options.call_timeout));
    if (IsTemporary(status)) {
      absl::MutexLock lock(&self->mutex);
      self->retired.push_back(std::move(lease));
    }
    self->ErrandDone();
  }

  // What an errand does holds this alive: it may be under way until the end of the process.
  void StartErrand(asio::awaitable<void> errand, asio::any_io_executor from) {
    ErrandBegins();
    asio::co_spawn(std::move(from), std::move(errand), asio::detached);
  }

  void ErrandBegins() {
    absl::MutexLock lock(&mutex);
    ++errands;
  }

  void ErrandDone() {
    absl::MutexLock lock(&mutex);
    if (--errands > 0 || !waits_for_errands) return;
    asio::post(executor, [self = shared_from_this()] { self->end_timer->Cancel(); });
  }

  void StartRelease(Release release, asio::any_io_executor from) {
    ErrandBegins();
    CallContext context = Context(options.call_timeout);
    context.session_id = release.session_id;
    std::string grant = release.grant;
    auto released = [self = shared_from_this(), release = std::move(release)](
                        const absl::Status& status) mutable { self->Released(status, std::move(release)); };
    store.StartReleaseMaildrop(std::move(grant), std::move(context), std::move(from), std::move(released));
  }

  // On any thread.
  void Released(const absl::Status& status, Release release) {
    // A permanent error is an answer too: the session does not hold it.
    const bool again = IsTemporary(status);
    if (again) {
      obs::LogWarning("release_failed", {{"session", release.session_id}, {"error", status.ToString()}});
    }
    if (again) {
      absl::MutexLock lock(&mutex);
      overdue.push_back(std::move(release));
    }
    ErrandDone();
  }

  void ReleaseOverdue() {
    std::vector<Release> now;
    {
      absl::MutexLock lock(&mutex);
      now.swap(overdue);
    }
    for (Release& release : now) StartRelease(std::move(release), executor);
  }

  bool HasErrands() {
    absl::MutexLock lock(&mutex);
    waits_for_errands = errands > 0;
    return waits_for_errands;
  }

  std::vector<std::string> AllLeases() {
    absl::MutexLock lock(&mutex);
    std::vector<std::string> ids = {current->id};
    for (const std::shared_ptr<Lease>& lease : retired) ids.push_back(lease->id);
    return ids;
  }

  asio::awaitable<void> End() {
    ending = true;
    beat_timer->Cancel();
    while (beating || HasErrands()) co_await end_timer->WaitUntil(absl::InfiniteFuture());
    // What could not be released ends with its lease; should this fail, with its ttl.
    const std::vector<std::string> ids = AllLeases();
    for (const std::string& id : ids) {
      const absl::Status status = co_await store.EndLease(id, Context(options.call_timeout));
      if (!status.ok()) obs::LogWarning("end_lease_failed", {{"error", status.ToString()}});
    }
  }

  StoreApi& store;
  const asio::any_io_executor executor;
  const Options options;
  Timers& timers;

  // These are used on the executor only.
  const std::unique_ptr<Timer> beat_timer;
  // End waits on it for the heartbeat and for errands.
  const std::unique_ptr<Timer> end_timer;
  // Set by End, for good.
  bool ending = false;
  // Set by Start, cleared when the heartbeat has ended.
  bool beating = false;

  absl::Mutex mutex;
  std::shared_ptr<Lease> current ABSL_GUARDED_BY(mutex);
  std::vector<std::shared_ptr<Lease>> retired ABSL_GUARDED_BY(mutex);
  absl::Status health ABSL_GUARDED_BY(mutex);
  absl::Duration least_retention ABSL_GUARDED_BY(mutex);
  // Set by the first heartbeat: health is what the store said.
  bool asked ABSL_GUARDED_BY(mutex) = false;
  // Releases that failed for the store's being away. At most one for each maildrop that was open then: nobody opens
  // another one meanwhile.
  std::vector<Release> overdue ABSL_GUARDED_BY(mutex);
  // How many releases, and calls for retired leases, are under way.
  int errands ABSL_GUARDED_BY(mutex) = 0;
  // Set and cleared by End: the last errand wakes it.
  bool waits_for_errands ABSL_GUARDED_BY(mutex) = false;
};

LeaseKeeper::LeaseKeeper(StoreApi& store, asio::any_io_executor executor, Options options, Timers& timers)
    : impl_(std::make_shared<Impl>(store, std::move(executor), std::move(options), timers)) {}
LeaseKeeper::~LeaseKeeper() = default;

void LeaseKeeper::Start() {
  impl_->beating = true;
  // The heartbeat ends before the keeper does: End waits for it.
  asio::co_spawn(impl_->executor, impl_->Beat(), asio::detached);
}

asio::awaitable<void> LeaseKeeper::End() { return impl_->End(); }

std::shared_ptr<const Lease> LeaseKeeper::lease() const { return impl_->Current(); }

void LeaseKeeper::Retire(const std::shared_ptr<const Lease>& lease) { impl_->Retire(lease); }

absl::Status LeaseKeeper::Health() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->health;
}

absl::Duration LeaseKeeper::least_retention() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->least_retention;
}

asio::awaitable<absl::Status> LeaseKeeper::RenewNow() { return impl_->Renew(); }

void LeaseKeeper::ReleaseLater(std::string grant, std::string session_id, asio::any_io_executor executor) {
  impl_->StartRelease({std::move(grant), std::move(session_id)}, std::move(executor));
}

}  // namespace mailstead::store
