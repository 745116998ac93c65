#include "smtpd/server.h"

#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/net/connection_counter.h"
#include "common/net/listener.h"
#include "common/obs/admin_server.h"
#include "common/obs/log.h"
#include "smtpd/account_rates.h"
#include "smtpd/connection.h"
#include "smtpd/connection_set.h"
#include "smtpd/metrics.h"

namespace mailstead::smtp {
namespace {

constexpr std::chrono::seconds kCertificateCheckInterval(5);
constexpr int kHealthCheckSeconds = 1;
constexpr absl::Duration kStoreWatchPeriod = absl::Seconds(1);
// After the sockets were closed: what is left are calls to the store, which have deadlines of their own.
constexpr int kCutOffSeconds = 2;

asio::awaitable<void> WatchCertificate(net::TlsContext& tls) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  while (true) {
    timer.expires_after(kCertificateCheckInterval);
    std::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const absl::Status status = tls.ReloadIfChanged();
    if (!status.ok()) obs::LogError("certificate_not_reloaded", {{"error", status.message()}});
  }
}

// Logs the store's health at first and at each change, on a thread of its own (the question blocks), so that
// it is known while no client comes.
class StoreWatch {
 public:
  explicit StoreWatch(rpc::StoreChannel& store) : store_(store), thread_([this] { Run(); }) {}
  ~StoreWatch() {
    Stop();
    thread_.join();
  }

  // Does not wait for the thread. More than once does no harm.
  void Stop() {
    if (!stopping_.exchange(true)) stop_.Notify();
  }

 private:
  void Run() {
    std::optional<bool> was_ok;
    do {
      const absl::Status status = store_.CheckHealth(absl::Seconds(kHealthCheckSeconds));
      if (stopping_) return;
      if (status.ok() == was_ok) continue;
      was_ok = status.ok();
      if (status.ok()) {
        obs::LogInfo("store_reached", {});
      } else {
        obs::LogWarning("store_away", {{"error", status.ToString()}});
      }
    } while (!stop_.WaitForNotificationWithTimeout(kStoreWatchPeriod));
  }

  rpc::StoreChannel& store_;
  std::atomic<bool> stopping_ = false;
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace

// Members are in the order of dependence: what is above is used by what is below, and destroyed after it.
struct Server::Impl {
  explicit Impl(ServerOptions given)
      : options(std::move(given)),
        registry(std::make_shared<prometheus::Registry>()),
        metrics(registry),
        counter(options.max_connections, options.max_connections_per_address),
        rates(options.max_messages_per_account_per_hour, Clock::System()),
        store(MakeStoreClient(*options.store, options.store_connections, options.store_timeouts)),
        threads(options.threads) {}

  ConnectionContext MakeContext(ListenerKind kind);
  absl::Status Ready();

  const ServerOptions options;
  const std::shared_ptr<prometheus::Registry> registry;
  Metrics metrics;
  net::ConnectionCounter counter;
  AccountRates rates;
  ConnectionSet connections;
  const std::unique_ptr<StoreClient> store;
  std::vector<std::unique_ptr<ConnectionContext>> contexts;
  net::IoThreads threads;
  std::vector<std::unique_ptr<net::Listener>> listeners;
  std::unique_ptr<obs::AdminServer> admin;
  std::unique_ptr<StoreWatch> watch;
};

ConnectionContext Server::Impl::MakeContext(ListenerKind kind) {
  SessionConfig session;
  session.kind = kind;
  session.hostname = options.hostname;
  session.limits = options.limits;
  session.allow_plaintext_auth = options.allow_plaintext_auth;
  session.account_rates = &rates;
  session.reply_counter = &metrics;
  return ConnectionContext{.session = std::move(session),
                           .store = *store,
                           .tls = *options.tls,
                           .counter = counter,
                           .proxy_networks = options.proxy_networks,
                           .connections = connections,
                           .metrics = metrics,
                           .clock = Clock::System(),
                           .store_retry_for = options.store_retry_for,
                           .new_id = &RandomId};
}

absl::Status Server::Impl::Ready() {
  if (connections.draining()) return absl::UnavailableError("shutting down");
  return options.store->CheckHealth(absl::Seconds(kHealthCheckSeconds));
}

Server::Server(ServerOptions options) {
  impl_ = std::make_unique<Impl>(std::move(options));
  asio::co_spawn(impl_->threads.first(), WatchCertificate(*impl_->options.tls), asio::detached);
}

Server::~Server() = default;

absl::Status Server::Listen(ListenerKind kind, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    impl_->contexts.push_back(std::make_unique<ConnectionContext>(impl_->MakeContext(kind)));
    const ConnectionContext* context = impl_->contexts.back().get();
    net::ListenerOptions options;
    options.address = address;
    ASSIGN_OR_RETURN(std::unique_ptr<net::Listener> listener,
                     net::Listener::Start(impl_->threads, options, [context](asio::ip::tcp::socket socket) {
                       return ServeConnection(*context, std::move(socket));
                     }));
    obs::LogInfo(
        "listening",
        {{"listener", ListenerName(kind)}, {"address", listener->address()}, {"port", listener->port()}});
    impl_->listeners.push_back(std::move(listener));
  }
  return absl::OkStatus();
}

absl::Status Server::StartAdmin(const std::string& address) {
  Impl* impl = impl_.get();
  ASSIGN_OR_RETURN(impl->admin,
                   obs::AdminServer::Start(address, impl->registry, [impl] { return impl->Ready(); }));
  return absl::OkStatus();
}

void Server::WatchStore() { impl_->watch = std::make_unique<StoreWatch>(*impl_->options.store); }

bool Server::Drain(absl::Duration timeout) {
  if (impl_->watch != nullptr) impl_->watch->Stop();
  for (const auto& listener : impl_->listeners) listener->Stop();
  impl_->connections.Drain();
  if (impl_->connections.WaitUntilEmpty(timeout)) return true;
  obs::LogWarning("drain_timeout", {{"sessions", impl_->connections.count()}});
  impl_->connections.CloseAll();
  return impl_->connections.WaitUntilEmpty(absl::Seconds(kCutOffSeconds));
}

}  // namespace mailstead::smtp
