// pop3d: POP3 in front of the store. It keeps nothing; any number of them may run, be killed, and be added.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/use_future.hpp"
#include "common/config/config.h"
#include "common/config/frontend_flags.h"
#include "common/config/log_flags.h"
#include "common/net/connection_counter.h"
#include "common/net/descriptor_limit.h"
#include "common/net/listener.h"
#include "common/net/network_list.h"
#include "common/net/shutdown.h"
#include "common/net/tls_context.h"
#include "common/obs/admin_server.h"
#include "common/obs/log.h"
#include "common/rpc/channel.h"
#include "pop3d/grpc_store_client.h"
#include "pop3d/lease_keeper.h"
#include "pop3d/metrics.h"
#include "pop3d/server.h"

ABSL_FLAG(std::string, pop3_listen, "[::]:110",
          "addresses for POP3 with STLS, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, pop3s_listen, "[::]:995",
          "addresses for POP3 with TLS from the first byte, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, admin_listen, "[::]:9110",
          "address for /metrics, /healthz and /readyz, host:port; empty: none");
ABSL_FLAG(absl::Duration, store_timeout, absl::Seconds(30), "deadline of one call to the store");
ABSL_FLAG(absl::Duration, store_retry_for, absl::Seconds(20),
          "how long QUIT tries again to delete while the store is away");
ABSL_FLAG(absl::Duration, lease_ttl, absl::Seconds(6),
          "how long maildrops stay locked after this process has died; 1s to 60s");

ABSL_FLAG(int, max_errors, 20, "malformed or misplaced commands in a row that end a session");
ABSL_FLAG(int, max_login_failures, 5, "failed logins that end a session");
ABSL_FLAG(absl::Duration, idle_timeout, mailstead::pop3::kMinIdleTimeout,
          "silence that ends a session; RFC 1939 asks for at least 10m");
ABSL_FLAG(absl::Duration, login_delay, absl::ZeroDuration(),
          "least time between two logins to the same mailbox, in whole seconds; 0s: none");

namespace mailstead::pop3 {
namespace {

constexpr absl::Duration kCertificateCheckPeriod = absl::Seconds(5);
constexpr absl::Duration kEndLeaseTimeout = absl::Seconds(5);

// Ends the program with one line for each impossible value.
config::FrontendFlags CheckedFlags() {
  config::Checker check;
  config::FrontendFlags flags = config::ReadFrontendFlags(check);
  check.That(!absl::GetFlag(FLAGS_pop3_listen).empty() || !absl::GetFlag(FLAGS_pop3s_listen).empty(),
             "pop3_listen", "this and --pop3s_listen are both empty");
  config::CheckAddresses(check, "pop3_listen", absl::GetFlag(FLAGS_pop3_listen));
  config::CheckAddresses(check, "pop3s_listen", absl::GetFlag(FLAGS_pop3s_listen));
  config::CheckAddresses(check, "admin_listen", absl::GetFlag(FLAGS_admin_listen));
  check.Range("max_errors", absl::GetFlag(FLAGS_max_errors), 1, 1'000'000);
  check.Range("max_login_failures", absl::GetFlag(FLAGS_max_login_failures), 1, 1000);
  check.Within("lease_ttl", absl::GetFlag(FLAGS_lease_ttl), absl::Seconds(1), absl::Seconds(60));
  check.Within("idle_timeout", absl::GetFlag(FLAGS_idle_timeout), absl::Milliseconds(100), absl::Hours(24));
  check.Within("store_timeout", absl::GetFlag(FLAGS_store_timeout), absl::Milliseconds(100),
               absl::Minutes(10));
  check.Within("store_retry_for", absl::GetFlag(FLAGS_store_retry_for), absl::ZeroDuration(),
               absl::Minutes(10));
  const absl::Duration login_delay = absl::GetFlag(FLAGS_login_delay);
  check.Within("login_delay", login_delay, absl::ZeroDuration(), absl::Hours(24));
  check.That(login_delay == absl::Trunc(login_delay, absl::Seconds(1)), "login_delay",
             "must be whole seconds");
  config::CheckLogFlags(check);
  check.ExitIfBad("pop3d");
  return flags;
}

// The value, or the end of the program with one line that names the flag.
template <typename T>
T OrExit(absl::string_view flag, absl::StatusOr<T> value) {
  config::Checker check;
  check.Ok(flag, value.status());
  check.ExitIfBad("pop3d");
  return *std::move(value);
}

asio::awaitable<void> KeepCertificateFresh(asio::any_io_executor executor, net::TlsContext& tls) {
  asio::steady_timer timer(executor);
  asio::error_code ignored;
  while (true) {
    timer.expires_after(absl::ToChronoNanoseconds(kCertificateCheckPeriod));
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const absl::Status status = tls.ReloadIfChanged();
    if (!status.ok()) obs::LogError("certificate_not_reloaded", {{"error", status.ToString()}});
  }
}

ConnectionContext MakeContext(const config::FrontendFlags& flags, const net::TlsContext& tls,
                              net::ConnectionCounter& counter, StoreClient& store, LeaseKeeper& leases,
                              Metrics& metrics) {
  ConnectionTimeouts timeouts;
  timeouts.idle = absl::GetFlag(FLAGS_idle_timeout);
  timeouts.commit_retry_for = absl::GetFlag(FLAGS_store_retry_for);
  return ConnectionContext{
      .session = {.hostname = flags.hostname,
                  .limits = {.max_errors = absl::GetFlag(FLAGS_max_errors),
                             .max_login_failures = absl::GetFlag(FLAGS_max_login_failures)},
                  .allow_plaintext_auth = flags.allow_plaintext_auth,
                  .login_delay = absl::GetFlag(FLAGS_login_delay)},
      .timeouts = timeouts,
      .proxy_networks = flags.proxy_networks,
      .tls = &tls,
      .counter = counter,
      .store = store,
      .leases = leases,
      .metrics = metrics};
}

void OpenListeners(Server& server) {
  config::Checker check;
  check.Ok("pop3_listen",
           server.Listen("pop3", config::SplitAddresses(absl::GetFlag(FLAGS_pop3_listen)), false));
  check.Ok("pop3s_listen",
           server.Listen("pop3s", config::SplitAddresses(absl::GetFlag(FLAGS_pop3s_listen)), true));
  check.ExitIfBad("pop3d");
}

std::unique_ptr<obs::AdminServer> StartAdminServer(std::shared_ptr<prometheus::Registry> registry,
                                                   const LeaseKeeper& leases,
                                                   const std::atomic<bool>& draining) {
  const std::string address = absl::GetFlag(FLAGS_admin_listen);
  if (address.empty()) return nullptr;
  return OrExit("admin_listen", obs::AdminServer::Start(address, std::move(registry), [&] {
                  if (draining) return absl::UnavailableError("shutting down");
                  return leases.Health();
                }));
}

int Run(const config::FrontendFlags& flags) {
  auto registry = std::make_shared<prometheus::Registry>();
  Metrics metrics(*registry);
  const std::unique_ptr<rpc::StoreChannel> channel = OrExit("store", rpc::StoreChannel::Create(flags.store));
  const std::unique_ptr<StoreClient> store =
      NewGrpcStoreClient(*channel, flags.store.connections, absl::GetFlag(FLAGS_store_timeout));
  const std::unique_ptr<net::TlsContext> tls = OrExit(
      flags.tls.cert_file.empty() ? "tls_self_signed_dir" : "tls_cert", net::TlsContext::Create(flags.tls));
  net::ConnectionCounter counter(flags.max_connections, flags.max_connections_per_address);

  auto threads = std::make_unique<net::IoThreads>(flags.threads);
  const asio::any_io_executor first = threads->first().get_executor();
  auto leases = std::make_unique<LeaseKeeper>(
      *store, first,
      LeaseKeeper::Options{.holder = absl::StrCat("pop3d ", flags.hostname, " ", getpid()),
                           .ttl = absl::GetFlag(FLAGS_lease_ttl)});
  const ConnectionContext context = MakeContext(flags, *tls, counter, *store, *leases, metrics);
  std::atomic<bool> draining = false;
  std::unique_ptr<obs::AdminServer> admin = StartAdminServer(registry, *leases, draining);
  Server server(*threads, context);
  OpenListeners(server);
  leases->Start();
  asio::co_spawn(first, KeepCertificateFresh(first, *tls), asio::detached);
  obs::LogInfo("started", {});

  const int signal = net::WaitForSignal();
  obs::LogInfo("draining", {{"signal", signal}});
  draining = true;
  const bool drained = server.Drain(flags.drain_timeout);
  // All maildrops are released; ending the lease frees those of sessions that could not say so.
  std::future<void> ended = asio::co_spawn(first, leases->End(), asio::use_future);
  const bool lease_ended =
      ended.wait_for(absl::ToChronoSeconds(kEndLeaseTimeout)) == std::future_status::ready;
  obs::LogInfo("stopped", {{"drained", drained}, {"lease_ended", lease_ended}});
  // Calls to a store that hangs are still on their way and would come back to what is gone: leave as it is.
  // Nothing is lost, for nothing is kept here; the store frees the locks when the lease runs out.
  if (!drained || !lease_ended) std::_Exit(0);
  admin.reset();
  // Its timers live in the threads' contexts; the server's connections are gone, and what they end in
  // needs the server.
  leases.reset();
  threads.reset();
  return 0;
}

}  // namespace
}  // namespace mailstead::pop3

int main(int argc, char** argv) {
  mailstead::net::BlockSignals();
  mailstead::net::RaiseDescriptorLimit();
  mailstead::config::ParseCommandLine(
      {.name = "pop3d", .usage = "Serves mail by POP3 from Mailstead's store. It keeps nothing itself."},
      argc, argv);
  const mailstead::config::FrontendFlags flags = mailstead::pop3::CheckedFlags();
  mailstead::config::SetUpLog("pop3d");
  return mailstead::pop3::Run(flags);
}
