#include "smtpd/outbound/relay.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/clock.h"
#include "common/base/status.h"

namespace mailstead::smtp::outbound {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Milliseconds(20);
// For what was cut off to be reported.
constexpr absl::Duration kCutOffTime = absl::Seconds(2);
constexpr size_t kHashThreads = 1;
constexpr size_t kMaxWaitingHashes = 256;

asio::awaitable<bool> IsBusy(const Worker& worker) { co_return worker.busy(); }
asio::awaitable<void> StopOne(Worker& worker) {
  worker.Stop();
  co_return;
}
asio::awaitable<void> CloseOne(Worker& worker) {
  worker.Close();
  co_return;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Relay>> Relay::Create(store::StoreApi& store, net::IoThreads& threads,
                                                     RelayJournal& journal, RelayOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<net::ClientTls> tls, net::ClientTls::Create());
  ASSIGN_OR_RETURN(std::unique_ptr<dns::AresResolver> resolver,
                   dns::AresResolver::Start(threads.first().get_executor(),
                                            {.servers = options.dns_servers, .trusted = options.dns_trusted}));
  return std::unique_ptr<Relay>(
      new Relay(store, threads, journal, std::move(options), std::move(resolver), std::move(tls)));
}

Relay::Relay(store::StoreApi& store, net::IoThreads& threads, RelayJournal& journal, RelayOptions options,
             std::unique_ptr<dns::AresResolver> resolver, std::unique_ptr<net::ClientTls> tls)
    : threads_(threads),
      journal_(journal),
      options_(std::move(options)),
      store_(store),
      tls_reports_(store),
      leases_(store, heartbeat_.first().get_executor(),
              {.holder = absl::StrCat("relay ", options_.hostname, " ", getpid()), .ttl = options_.lease_ttl}),
      resolver_(std::move(resolver)),
      cache_(*resolver_, threads.first().get_executor(), {}, Timers::Steady()),
      probe_(*resolver_, {}, Clock::Steady(), [this](bool validates) {
               journal_.Validates(validates, resolver_->trusted());
               SetDane(validates);
             }),
      probe_timer_(Timers::Steady().NewTimer(threads.first().get_executor())),
      reporter_(threads.first().get_executor(), tls_reports_, cache_, https_, journal,
                {.rules = options_.hops.rules, .store_timeout = options_.store_timeout}),
      sts_store_(store),
      sts_source_(cache_, https_,
                  {.rules = options_.hops.rules,
                   .port = options_.mta_sts_port,
                   .timeout = options_.timeouts.Capped(kStsHttpsTimeout)}),
      sts_(threads.first().get_executor(), cache_, sts_store_, sts_source_, journal, {.store_timeout = options_.store_timeout}),
      key_watch_(store_, *resolver_, {.store_timeout = options_.store_timeout}, Clock::Steady()),
      key_watch_timer_(Timers::Steady().NewTimer(threads.first().get_executor())),
      tls_(std::move(tls)),
      hashing_(kHashThreads, kMaxWaitingHashes) {
  const size_t count = std::min(threads_.count(), options_.sessions);
  WorkerOptions worker;
  worker.hostname = options_.hostname;
  worker.port = options_.port;
  worker.store_timeout = options_.store_timeout;
  worker.hops = options_.hops;
  worker.tls_sessions = &reporter_;
  worker.uses_dane = [this] { return uses_dane_.load(std::memory_order_relaxed); };
  worker.pool.timeouts = options_.timeouts;
  for (size_t i = 0; i < count; ++i) {
    // The first ones have one more where the sessions do not divide evenly.
    worker.sessions = options_.sessions / count + (i < options_.sessions % count ? 1 : 0);
    const asio::any_io_executor executor = threads_.Next().get_executor();
    workers_.push_back({executor, std::make_unique<Worker>(executor, store_, leases_, cache_,
                                                           options_.mta_sts ? &sts_ : nullptr, *tls_, hashing_,
                                                           journal_, worker)});
  }
}

Relay::~Relay() = default;

void Relay::SetDane(std::optional<bool> validates) {
  absl::string_view off;
  if (!options_.use_dane) {
    off = "it is switched off";
  } else if (!resolver_->trusted()) {
    off = "no DNS server is trusted, see --dns_trusted";
  } else if (validates == false) {
    off = "the DNS servers do not validate DNSSEC";
  }
  uses_dane_ = off.empty();
  journal_.Dane(off);
}

void Relay::Start() {
  leases_.Start();
  SetDane(probe_.validates());
  asio::co_spawn(threads_.first(), Probe(), asio::detached);
  asio::co_spawn(threads_.first(), reporter_.Run(), asio::detached);
  if (options_.mta_sts) asio::co_spawn(threads_.first(), sts_.KeepFresh(), asio::detached);
  asio::co_spawn(threads_.first(), WatchKeys(), asio::detached);
  for (const Place& place : workers_) asio::co_spawn(place.executor, place.worker->Run(), asio::detached);
}

asio::awaitable<void> Relay::Probe() {
  while (!stopping_) {
    const absl::Duration wait = co_await probe_.Turn();
    if (stopping_) break;
    co_await probe_timer_->WaitUntil(Timers::Steady().Now() + wait);
  }
}

asio::awaitable<void> Relay::WatchKeys() {
  while (!stopping_) {
    const absl::Duration wait = co_await key_watch_.Turn();
    if (stopping_) break;
    co_await key_watch_timer_->WaitUntil(Timers::Steady().Now() + wait);
  }
}

asio::awaitable<void> Relay::End() {
  stopping_ = true;
  probe_timer_->Cancel();
  key_watch_timer_->Cancel();
  for (const Place& place : workers_) {
    co_await asio::co_spawn(place.executor, StopOne(*place.worker), asio::use_awaitable);
  }
  const asio::any_io_executor here = threads_.first().get_executor();
  const std::unique_ptr<Timer> timer = Timers::Steady().NewTimer(here);
  const auto all_ended = [this](absl::Time until, Timer& pause) -> asio::awaitable<bool> {
    for (const Place& place : workers_) {
      while (co_await asio::co_spawn(place.executor, IsBusy(*place.worker), asio::use_awaitable)) {
        if (Timers::Steady().Now() >= until) co_return false;
        co_await pause.WaitUntil(Timers::Steady().Now() + kBetweenLooks);
      }
    }
    co_return true;
  };
  sts_.Stop();
  https_.Stop();
  bool ended = co_await all_ended(Timers::Steady().Now() + options_.drain_timeout, *timer);
  if (!ended) {
    for (const Place& place : workers_) {
      co_await asio::co_spawn(place.executor, CloseOne(*place.worker), asio::use_awaitable);
    }
    ended = co_await all_ended(Timers::Steady().Now() + kCutOffTime, *timer);
  }
  // What the attempts have brought is told. What was fetched or posted fails at once, but for a call of the store that is
  // under way.
  reporter_.Stop();
  const absl::Time until = Timers::Steady().Now() + std::max(options_.store_timeout, kCutOffTime);
  while ((reporter_.busy() || sts_.fetch_count() > 0) && Timers::Steady().Now() < until) {
    co_await timer->WaitUntil(Timers::Steady().Now() + kBetweenLooks);
  }
  journal_.Ended(ended);
  co_await asio::co_spawn(heartbeat_.first(), leases_.End(), asio::use_awaitable);
}

}  // namespace mailstead::smtp::outbound
