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
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/ip/host_name.hpp"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/use_future.hpp"
#include "common/config/config.h"
#include "common/net/connection_counter.h"
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
ABSL_FLAG(std::string, hostname, "",
          "the name in the greeting and in a self-signed certificate; empty: the machine's");

ABSL_FLAG(std::string, store, "127.0.0.1:7070", "the store: host:port, dns:///name:port or unix:/path");
ABSL_FLAG(std::string, store_token_file, "", "file with the front-end's token for the store; empty: none");
ABSL_FLAG(std::string, store_tls_ca, "",
          "PEM file of the authority that signed the store's certificate; empty: no TLS");
ABSL_FLAG(std::string, store_tls_cert, "", "PEM file with the certificate to show to the store");
ABSL_FLAG(std::string, store_tls_key, "", "PEM file with its key");
ABSL_FLAG(int, store_connections, 1, "connections to the store");
ABSL_FLAG(absl::Duration, store_timeout, absl::Seconds(30), "deadline of one call to the store");
ABSL_FLAG(absl::Duration, store_retry_for, absl::Seconds(20),
          "how long QUIT tries again to delete while the store is away");
ABSL_FLAG(absl::Duration, lease_ttl, absl::Seconds(6),
          "how long maildrops stay locked after this process has died; 1s to 60s");

ABSL_FLAG(std::string, tls_cert, "",
          "PEM file with the certificate chain, leaf first; empty: a self-signed one is made");
ABSL_FLAG(std::string, tls_key, "", "PEM file with its key");
ABSL_FLAG(std::string, tls_self_signed_dir, "",
          "folder that keeps the self-signed certificate; empty: memory only");
ABSL_FLAG(std::string, tls_ticket_key_file, "",
          "file of 48 or more bytes, shared by replicas, for session tickets");

ABSL_FLAG(
    std::string, proxy_networks, "",
    "networks whose connections must begin with a PROXY header (v1, v2), comma separated, as 10.0.0.0/8");
ABSL_FLAG(bool, allow_plaintext_auth, false, "allow logins without TLS; for tests");
ABSL_FLAG(int, max_connections, 10000, "connections at the same time; 0: no limit");
ABSL_FLAG(int, max_connections_per_address, 100,
          "connections at the same time from one address; 0: no limit");
ABSL_FLAG(int, max_errors, 20, "malformed or misplaced commands in a row that end a session");
ABSL_FLAG(int, max_login_failures, 5, "failed logins that end a session");
ABSL_FLAG(absl::Duration, idle_timeout, mailstead::pop3::kMinIdleTimeout,
          "silence that ends a session; RFC 1939 asks for at least 10m");
ABSL_FLAG(absl::Duration, login_delay, absl::ZeroDuration(),
          "least time between two logins to the same mailbox, in whole seconds; 0s: none");

ABSL_FLAG(int, threads, 0, "I/O threads; 0: one per core");
ABSL_FLAG(std::string, log_format, "logfmt", "logfmt or json");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(10), "how long sessions may go on after SIGTERM");

namespace mailstead::pop3 {
namespace {

constexpr absl::Duration kCertificateCheckPeriod = absl::Seconds(5);
constexpr absl::Duration kEndLeaseTimeout = absl::Seconds(5);

std::vector<std::string> Addresses(const std::string& list) {
  return absl::StrSplit(list, ',', absl::SkipWhitespace());
}

std::string Hostname() {
  std::string name = absl::GetFlag(FLAGS_hostname);
  if (!name.empty()) return name;
  asio::error_code ignored;
  name = asio::ip::host_name(ignored);
  return name.empty() ? "localhost" : name;
}

void CheckFlags() {
  config::Checker check;
  check.That(!absl::GetFlag(FLAGS_pop3_listen).empty() || !absl::GetFlag(FLAGS_pop3s_listen).empty(),
             "pop3_listen", "this and --pop3s_listen are both empty");
  check.That(Hostname().size() <= 255 && Hostname().find_first_of("<> \t\r\n") == std::string::npos,
             "hostname", "must be a host name of at most 255 characters");
  check.That(!absl::GetFlag(FLAGS_store).empty(), "store", "must not be empty");
  check.That(absl::GetFlag(FLAGS_tls_cert).empty() == absl::GetFlag(FLAGS_tls_key).empty(), "tls_key",
             "is needed with --tls_cert, and only with it");
  check.That(absl::GetFlag(FLAGS_store_tls_cert).empty() == absl::GetFlag(FLAGS_store_tls_key).empty(),
             "store_tls_key", "is needed with --store_tls_cert, and only with it");
  check.Range("store_connections", absl::GetFlag(FLAGS_store_connections), 1, 64);
  check.Range("max_connections", absl::GetFlag(FLAGS_max_connections), 0, 1'000'000);
  check.Range("max_connections_per_address", absl::GetFlag(FLAGS_max_connections_per_address), 0, 1'000'000);
  check.Range("max_errors", absl::GetFlag(FLAGS_max_errors), 1, 1'000'000);
  check.Range("max_login_failures", absl::GetFlag(FLAGS_max_login_failures), 1, 1000);
  check.Range("threads", absl::GetFlag(FLAGS_threads), 0, 1024);
  check.OneOf("log_format", absl::GetFlag(FLAGS_log_format), {"logfmt", "json"});
  check.OneOf("log_level", absl::GetFlag(FLAGS_log_level), {"debug", "info", "warning", "error"});
  const auto within = [&](absl::string_view flag, absl::Duration value, absl::Duration min,
                          absl::Duration max) {
    check.That(min <= value && value <= max, flag,
               absl::StrCat("must be ", absl::FormatDuration(min), " to ", absl::FormatDuration(max)));
  };
  within("lease_ttl", absl::GetFlag(FLAGS_lease_ttl), absl::Seconds(1), absl::Seconds(60));
  within("idle_timeout", absl::GetFlag(FLAGS_idle_timeout), absl::Milliseconds(100), absl::Hours(24));
  within("store_timeout", absl::GetFlag(FLAGS_store_timeout), absl::Milliseconds(100), absl::Minutes(10));
  within("store_retry_for", absl::GetFlag(FLAGS_store_retry_for), absl::ZeroDuration(), absl::Minutes(10));
  within("drain_timeout", absl::GetFlag(FLAGS_drain_timeout), absl::ZeroDuration(), absl::Hours(1));
  const absl::Duration login_delay = absl::GetFlag(FLAGS_login_delay);
  within("login_delay", login_delay, absl::ZeroDuration(), absl::Hours(24));
  check.That(login_delay == absl::Trunc(login_delay, absl::Seconds(1)), "login_delay",
             "must be whole seconds");
  check.Ok("proxy_networks", net::NetworkList::Parse(absl::GetFlag(FLAGS_proxy_networks)).status());
  check.ExitIfBad("pop3d");
}

void SetUpLog() {
  const std::string level = absl::GetFlag(FLAGS_log_level);
  obs::SetUpLog("pop3d",
                absl::GetFlag(FLAGS_log_format) == "json" ? obs::LogFormat::kJson : obs::LogFormat::kLogfmt,
                level == "debug"     ? obs::LogLevel::kDebug
                : level == "info"    ? obs::LogLevel::kInfo
                : level == "warning" ? obs::LogLevel::kWarning
                                     : obs::LogLevel::kError);
}

// The value, or the end of the program with one line that names the flag.
template <typename T>
T OrExit(absl::string_view flag, absl::StatusOr<T> value) {
  config::Checker check;
  check.Ok(flag, value.status());
  check.ExitIfBad("pop3d");
  return *std::move(value);
}

std::unique_ptr<rpc::StoreChannel> OpenChannel() {
  return OrExit("store", rpc::StoreChannel::Create({.target = absl::GetFlag(FLAGS_store),
                                                    .token_file = absl::GetFlag(FLAGS_store_token_file),
                                                    .tls_ca_file = absl::GetFlag(FLAGS_store_tls_ca),
                                                    .tls_cert_file = absl::GetFlag(FLAGS_store_tls_cert),
                                                    .tls_key_file = absl::GetFlag(FLAGS_store_tls_key),
                                                    .connections = absl::GetFlag(FLAGS_store_connections)}));
}

std::unique_ptr<net::TlsContext> LoadCertificate() {
  return OrExit("tls_cert",
                net::TlsContext::Create({.cert_file = absl::GetFlag(FLAGS_tls_cert),
                                         .key_file = absl::GetFlag(FLAGS_tls_key),
                                         .self_signed_name = Hostname(),
                                         .self_signed_dir = absl::GetFlag(FLAGS_tls_self_signed_dir),
                                         .ticket_key_file = absl::GetFlag(FLAGS_tls_ticket_key_file)}));
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

ConnectionContext MakeContext(const net::TlsContext& tls, net::ConnectionCounter& counter, StoreClient& store,
                              LeaseKeeper& leases, Metrics& metrics) {
  ConnectionTimeouts timeouts;
  timeouts.idle = absl::GetFlag(FLAGS_idle_timeout);
  timeouts.commit_retry_for = absl::GetFlag(FLAGS_store_retry_for);
  return ConnectionContext{
      .session = {.hostname = Hostname(),
                  .limits = {.max_errors = absl::GetFlag(FLAGS_max_errors),
                             .max_login_failures = absl::GetFlag(FLAGS_max_login_failures)},
                  .allow_plaintext_auth = absl::GetFlag(FLAGS_allow_plaintext_auth),
                  .login_delay = absl::GetFlag(FLAGS_login_delay)},
      .timeouts = timeouts,
      .proxy_networks =
          OrExit("proxy_networks", net::NetworkList::Parse(absl::GetFlag(FLAGS_proxy_networks))),
      .tls = &tls,
      .counter = counter,
      .store = store,
      .leases = leases,
      .metrics = metrics};
}

void OpenListeners(Server& server) {
  config::Checker check;
  check.Ok("pop3_listen", server.Listen("pop3", Addresses(absl::GetFlag(FLAGS_pop3_listen)), false));
  check.Ok("pop3s_listen", server.Listen("pop3s", Addresses(absl::GetFlag(FLAGS_pop3s_listen)), true));
  check.ExitIfBad("pop3d");
}

std::unique_ptr<obs::AdminServer> StartAdminServer(std::shared_ptr<prometheus::Registry> registry,
                                                   const LeaseKeeper& leases,
                                                   const std::atomic<bool>& draining) {
  const std::string address = absl::GetFlag(FLAGS_admin_listen);
  if (address.empty()) return nullptr;
  auto admin = OrExit("admin_listen", obs::AdminServer::Start(address, std::move(registry), [&] {
                        if (draining) return absl::UnavailableError("shutting down");
                        return leases.Health();
                      }));
  obs::LogInfo(
      "listening",
      {{"listener", "admin"}, {"address", address.substr(0, address.rfind(':'))}, {"port", admin->port()}});
  return admin;
}

int Run() {
  auto registry = std::make_shared<prometheus::Registry>();
  Metrics metrics(*registry);
  const std::unique_ptr<rpc::StoreChannel> channel = OpenChannel();
  const std::unique_ptr<StoreClient> store = NewGrpcStoreClient(*channel, absl::GetFlag(FLAGS_store_timeout));
  const std::unique_ptr<net::TlsContext> tls = LoadCertificate();
  net::ConnectionCounter counter(absl::GetFlag(FLAGS_max_connections),
                                 absl::GetFlag(FLAGS_max_connections_per_address));

  auto threads = std::make_unique<net::IoThreads>(absl::GetFlag(FLAGS_threads));
  const asio::any_io_executor first = threads->first().get_executor();
  LeaseKeeper leases(
      *store, first,
      {.holder = absl::StrCat("pop3d ", Hostname(), " ", getpid()), .ttl = absl::GetFlag(FLAGS_lease_ttl)});
  const ConnectionContext context = MakeContext(*tls, counter, *store, leases, metrics);
  std::atomic<bool> draining = false;
  const std::unique_ptr<obs::AdminServer> admin = StartAdminServer(registry, leases, draining);
  Server server(*threads, context);
  OpenListeners(server);
  leases.Start();
  asio::co_spawn(first, KeepCertificateFresh(first, *tls), asio::detached);
  obs::LogInfo("started", {});

  const int signal = net::WaitForSignal();
  obs::LogInfo("draining", {{"signal", signal}});
  draining = true;
  const bool drained = server.Drain(absl::GetFlag(FLAGS_drain_timeout));
  // All maildrops are released; ending the lease frees those of sessions that could not say so.
  std::future<void> ended = asio::co_spawn(first, leases.End(), asio::use_future);
  const bool lease_ended =
      ended.wait_for(absl::ToChronoSeconds(kEndLeaseTimeout)) == std::future_status::ready;
  obs::LogInfo("stopped", {{"drained", drained}, {"lease_ended", lease_ended}});
  // Calls to a store that hangs are still on their way and would come back to what is gone: leave as it is.
  // Nothing is lost, for nothing is kept here; the store frees the locks when the lease runs out.
  if (!drained || !lease_ended) std::_Exit(0);
  threads.reset();
  return 0;
}

}  // namespace
}  // namespace mailstead::pop3

int main(int argc, char** argv) {
  mailstead::net::BlockSignals();
  mailstead::config::ParseCommandLine(
      {.name = "pop3d", .usage = "Serves mail by POP3 from Mailstead's store. It keeps nothing itself."},
      argc, argv);
  mailstead::pop3::CheckFlags();
  mailstead::pop3::SetUpLog();
  return mailstead::pop3::Run();
}
