#include "common/frontend/daemon.h"

#include <prometheus/registry.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <optional>
#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/use_future.hpp"
#include "common/config/config.h"
#include "common/config/privacy.h"
#include "common/frontend/certificate_watch.h"
#include "common/frontend/store_watch.h"
#include "common/frontend/ticket_watch.h"
#include "common/net/descriptor_limit.h"
#include "common/net/shutdown.h"
#include "common/obs/admin_server.h"
#include "common/obs/certificate_metric.h"
#include "common/obs/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_transport.h"
#include "common/store/revision.h"

namespace mailstead::frontend {
namespace {

// For each of the two calls that ask whether the store can serve us.
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
// The two together, and some time to hear of them.
constexpr absl::Duration kWatchEndTimeout = absl::Seconds(3);
// For what is left to say to the store when the last session has ended.
constexpr absl::Duration kEndTimeout = absl::Seconds(5);

// Ends the program with a line when there is no value.
template <typename T>
T OrExit(const std::string& program, absl::string_view flag, absl::StatusOr<T> value) {
  // The reason is the last line.
  if (!value.ok()) obs::FlushLog();
  config::Checker check;
  check.Ok(flag, value.status());
  check.ExitIfBad(program);
  return *std::move(value);
}

absl::string_view TlsFlag(const net::TlsOptions& tls) {
  return tls.cert_file.empty() ? "tls_self_signed_dir" : "tls_cert";
}

}  // namespace

void PrepareProcess() {
  config::KeepFilesPrivate();
  net::BlockSignals();
  net::RaiseDescriptorLimit();
}

// Members are in the order of dependence: what is above is used by what is below, and destroyed after it.
struct Daemon::Impl {
  explicit Impl(DaemonOptions given)
      : options(std::move(given)),
        certificate(*options.registry),
        tls(OrExit(options.program, TlsFlag(options.flags.tls), net::TlsContext::Create(Tls()))),
        channel(OrExit(options.program, "store", rpc::StoreChannel::Create(options.flags.store))),
        transport(*channel, {.streams = options.flags.store.connections, .revision = store::kRevision}),
        store(transport, options.observer),
        counter(options.flags.max_connections, options.flags.max_connections_per_address,
                options.flags.trusted_networks),
        threads(options.flags.threads),
        logins(store, threads.first().get_executor()),
        tickets(store, tls->tickets(), threads.first().get_executor()),
        listeners(threads, options.flags.peer_timeout),
        watch(threads.first().get_executor(), [this] { return ProbeStore(); }) {}

  net::TlsOptions Tls();
  asio::awaitable<absl::Status> ProbeStore();
  absl::Status Ready() const;
  void Open(const std::vector<Listening>& listening);
  void Reload();
  bool End();

  const DaemonOptions options;
  obs::CertificateMetric certificate;
  const std::unique_ptr<net::TlsContext> tls;
  const std::unique_ptr<rpc::StoreChannel> channel;
  rpc::GrpcTransport transport;
  store::StoreApi store;
  net::ConnectionCounter counter;
  net::IoThreads threads;
  LoginWatch logins;
  TicketWatch tickets;
  Listeners listeners;
  StoreWatch watch;
  Hooks hooks;
  bool serves_clients = false;
  // Set when a signal has come.
  std::atomic<bool> draining = false;
  std::unique_ptr<obs::AdminServer> admin;
};

net::TlsOptions Daemon::Impl::Tls() {
  net::TlsOptions tls_options = options.flags.tls;
  tls_options.in_use = [this](absl::Time not_after) { certificate.Set(not_after); };
  return tls_options;
}

asio::awaitable<absl::Status> Daemon::Impl::ProbeStore() {
  store::CallContext context;
  context.timeout = kProbeTimeout;
  co_return co_await store.Probe(std::move(context));
}

absl::Status Daemon::Impl::Ready() const {
  if (draining) return absl::UnavailableError("shutting down");
  if (absl::Status status = watch.Health(); !status.ok()) return status;
  return hooks.health ? hooks.health() : absl::OkStatus();
}

void Daemon::Impl::Open(const std::vector<Listening>& listening) {
  config::Checker check;
  if (!options.flags.admin_listen.empty()) {
    absl::StatusOr<std::unique_ptr<obs::AdminServer>> started =
        obs::AdminServer::Start(options.flags.admin_listen, options.registry, [this] { return Ready(); });
    check.Ok("admin_listen", started.status());
    if (started.ok()) admin = *std::move(started);
  }
  for (const Listening& one : listening) check.Ok(one.flag, one.open(listeners));
  check.ExitIfBad(options.program);
}

// Tokens and certificates are looked at every few seconds anyway: this is for who does not want to wait.
void Daemon::Impl::Reload() {
  const absl::Status status = tls->ReloadIfChanged();
  if (!status.ok()) obs::LogError("certificate_not_reloaded", {{"error", status.message()}});
  obs::LogInfo("files_looked_at", {{"ok", status.ok()}});
}

// False when something still waits for the store.
bool Daemon::Impl::End() {
  const bool drained = listeners.Drain(options.flags.drain_timeout);
  bool told = true;
  if (hooks.end) {
    std::future<void> ended = asio::co_spawn(threads.first(), hooks.end(), asio::use_future);
    told = ended.wait_for(absl::ToChronoSeconds(kEndTimeout)) == std::future_status::ready;
  }
  const bool watched =
      (!serves_clients || (logins.Stop(kWatchEndTimeout) && tickets.Stop(kWatchEndTimeout))) &&
      watch.Stop(kWatchEndTimeout);
  obs::LogInfo("stopped", {{"drained", drained}, {"store_hangs", !told || !watched}});
  return drained && told && watched;
}

Daemon::Daemon(DaemonOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Daemon::~Daemon() = default;

net::IoThreads& Daemon::threads() { return impl_->threads; }
store::StoreApi& Daemon::store() { return impl_->store; }
rpc::GrpcTransport& Daemon::transport() { return impl_->transport; }
net::TlsContext& Daemon::tls() { return *impl_->tls; }
net::ConnectionCounter& Daemon::counter() { return impl_->counter; }
LoginWatch& Daemon::logins() { return impl_->logins; }
const Flags& Daemon::flags() const { return impl_->options.flags; }

int Daemon::Run(const std::vector<Listening>& listening, Hooks hooks) {
  const Flags& flags = impl_->options.flags;
  config::WarnOfOpenFiles({flags.store.token_file, flags.store.tls_key_file, flags.tls.key_file,
                           flags.tls.self_signed_dir, flags.tls.ticket_key_file});
  impl_->hooks = std::move(hooks);
  impl_->Open(listening);
  if (impl_->hooks.start) impl_->hooks.start();
  asio::co_spawn(impl_->threads.first(), WatchCertificate(*impl_->tls), asio::detached);
  obs::LogInfo("started", {});
  impl_->watch.Start();
  // Who takes no clients has no logins to hear of, and may have no role to ask.
  impl_->serves_clients = !listening.empty();
  if (impl_->serves_clients) {
    impl_->logins.Start();
    impl_->tickets.Start();
  }

  const int signal = net::WaitForSignal([this] { impl_->Reload(); });
  obs::LogInfo("draining", {{"signal", signal}});
  impl_->draining = true;
  // What hangs in the store would come back to what is gone: leave as it is. Nothing is lost, for nothing is
  // kept here, and the store frees what this process has locked when its lease runs out.
  if (!impl_->End()) {
    obs::FlushLog();
    std::_Exit(EXIT_SUCCESS);
  }
  impl_->admin.reset();
  impl_->threads.Join();
  return EXIT_SUCCESS;
}

}  // namespace mailstead::frontend
