// stored: owns everything that must last, behind a gRPC API (proto/mailstead/store/v1).
#include <prometheus/registry.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/worker_pool.h"
#include "common/config/config.h"
#include "common/config/log_flags.h"
#include "common/config/version.h"
#include "common/net/descriptor_limit.h"
#include "common/net/listener.h"
#include "common/net/shutdown.h"
#include "common/obs/admin_server.h"
#include "common/obs/log.h"
#include "stored/core/authenticator.h"
#include "stored/core/credentials.h"
#include "stored/core/directory.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/recipients.h"
#include "stored/core/throttle.h"
#include "stored/core/timer_queue.h"
#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "stored/service/caller_check.h"
#include "stored/service/environment.h"
#include "stored/service/metrics.h"
#include "stored/service/secret_file.h"
#include "stored/service/server.h"

ABSL_FLAG(std::string, data_dir, "/var/lib/mailstead/store", "folder of all data; made when it is missing");
ABSL_FLAG(std::string, engine, "rocksdb", "what keeps the data: rocksdb");
ABSL_FLAG(std::string, listen, "127.0.0.1:7070", "address of the API, host:port or unix:/path");
ABSL_FLAG(std::string, address_file, "",
          "file that gets the bound address, host:port, after the start; empty: none");
ABSL_FLAG(std::string, admin_listen, "[::]:9170",
          "address for /metrics, /healthz and /readyz, host:port; empty: none");

ABSL_FLAG(std::string, frontend_token_file, "",
          "file with the token of front-ends; made when it is missing; empty: no such token");
ABSL_FLAG(std::string, operator_token_file, "",
          "file with the token of operators; made when it is missing; empty: no such token");
ABSL_FLAG(std::string, tls_cert, "",
          "PEM file with the API's certificate chain, leaf first, read again when it changes; empty: no TLS");
ABSL_FLAG(std::string, tls_key, "", "PEM file with its key");
ABSL_FLAG(std::string, tls_client_ca, "",
          "PEM file of the authority that signs callers' certificates, which are then required; their "
          "subject CN or DNS "
          "name is frontend or operator");

ABSL_FLAG(uint64_t, max_message_bytes, uint64_t{51} << 20, "largest message, trace header included");
ABSL_FLAG(uint64_t, min_free_bytes, uint64_t{128} << 20,
          "mail is refused when the file system has less free space than this");
ABSL_FLAG(absl::Duration, receipt_age, absl::Hours(72),
          "how long a delivery is remembered, so that a repeat of it stores nothing");
ABSL_FLAG(
    std::string, postmaster, "",
    "address that takes mail for the postmaster of domains without one; empty: a domain's first account");

ABSL_FLAG(uint32_t, scram_iterations, 15'000, "PBKDF2 iterations of new passwords");
ABSL_FLAG(absl::Duration, credential_cache_ttl, absl::Seconds(60),
          "how long a right password costs no hashing; 0s: never");
ABSL_FLAG(absl::Duration, auth_failure_delay, absl::Seconds(1),
          "a wrong password is answered this long after it came");
ABSL_FLAG(absl::Duration, auth_max_delay, absl::Seconds(15), "the delay doubles up to this");
ABSL_FLAG(int, auth_failures_before_delay, 3, "wrong passwords after which the delay begins to double");
ABSL_FLAG(int, auth_lockout_failures, 12,
          "wrong passwords for one account from one network that lock it out there");
ABSL_FLAG(int, auth_network_lockout_failures, 100,
          "wrong passwords from one network, for all accounts, that lock the network out");
ABSL_FLAG(absl::Duration, auth_lockout_time, absl::Minutes(10), "how long a lock-out lasts");
ABSL_FLAG(absl::Duration, auth_failure_half_life, absl::Minutes(10),
          "after this a wrong password counts half");

ABSL_FLAG(uint64_t, block_cache_bytes, uint64_t{64} << 20, "memory for what was read lately");
ABSL_FLAG(uint64_t, rpc_memory_bytes, uint64_t{512} << 20,
          "memory for calls on their way, of all callers together");
ABSL_FLAG(int, threads, 0, "threads for disk reads; 0: four per core");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(10), "how long calls may go on after SIGTERM");

namespace mailstead::store {
namespace {

constexpr absl::Duration kHealthPeriod = absl::Seconds(1);
constexpr absl::Duration kStatusPeriod = absl::Seconds(10);
constexpr absl::Duration kSweepPeriod = absl::Hours(1);
// Calls that wait for a thread. More are answered RESOURCE_EXHAUSTED at once.
constexpr size_t kMaxQueuedDiskTasks = 8192;
constexpr size_t kMaxQueuedAuthTasks = 4096;
constexpr size_t kMaxQueuedVerifications = 4;

size_t Cores() { return std::max(1u, std::thread::hardware_concurrency()); }

bool HasPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  return colon != 0 && colon != absl::string_view::npos &&
         absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= 65535;
}

void CheckFlags() {
  config::Checker check;
  check.That(!absl::GetFlag(FLAGS_data_dir).empty(), "data_dir", "must not be empty");
  check.OneOf("engine", absl::GetFlag(FLAGS_engine), {"rocksdb"});
  const std::string listen = absl::GetFlag(FLAGS_listen);
  // gRPC takes names too ("stored:7070"); a port it cannot use it would replace by another without a word.
  check.That(absl::StartsWith(listen, "unix:") || HasPort(listen), "listen",
             "must be host:port or unix:/path");
  if (const std::string admin = absl::GetFlag(FLAGS_admin_listen); !admin.empty()) {
    check.Ok("admin_listen", net::CheckListenAddress(admin));
  }
  check.That(!absl::GetFlag(FLAGS_operator_token_file).empty() || !absl::GetFlag(FLAGS_tls_client_ca).empty(),
             "operator_token_file", "is needed, or --tls_client_ca: else nobody may call");
  check.That(absl::GetFlag(FLAGS_tls_cert).empty() == absl::GetFlag(FLAGS_tls_key).empty(), "tls_key",
             "is needed with --tls_cert, and only with it");
  check.That(absl::GetFlag(FLAGS_tls_client_ca).empty() || !absl::GetFlag(FLAGS_tls_cert).empty(),
             "tls_client_ca", "needs --tls_cert");
  check.Range("max_message_bytes", absl::GetFlag(FLAGS_max_message_bytes), 64 << 10, int64_t{4} << 30);
  check.Range("min_free_bytes", absl::GetFlag(FLAGS_min_free_bytes), 0, int64_t{1} << 50);
  check.Within("receipt_age", absl::GetFlag(FLAGS_receipt_age), absl::Minutes(10), absl::Hours(24 * 365));
  check.Range("scram_iterations", absl::GetFlag(FLAGS_scram_iterations), kMinScramIterations,
              kMaxScramIterations);
  check.Within("credential_cache_ttl", absl::GetFlag(FLAGS_credential_cache_ttl), absl::ZeroDuration(),
               absl::Hours(24));
  check.Within("auth_failure_delay", absl::GetFlag(FLAGS_auth_failure_delay), absl::Milliseconds(1),
               absl::Minutes(1));
  check.Within("auth_max_delay", absl::GetFlag(FLAGS_auth_max_delay), absl::GetFlag(FLAGS_auth_failure_delay),
               absl::Minutes(2));
  check.Range("auth_failures_before_delay", absl::GetFlag(FLAGS_auth_failures_before_delay), 0, 1'000'000);
  check.Range("auth_lockout_failures", absl::GetFlag(FLAGS_auth_lockout_failures), 1, 1'000'000);
  check.Range("auth_network_lockout_failures", absl::GetFlag(FLAGS_auth_network_lockout_failures), 1,
              1'000'000);
  check.Within("auth_lockout_time", absl::GetFlag(FLAGS_auth_lockout_time), absl::Milliseconds(1),
               absl::Hours(24));
  check.Within("auth_failure_half_life", absl::GetFlag(FLAGS_auth_failure_half_life), absl::Milliseconds(1),
               absl::Hours(24));
  if (const std::string postmaster = absl::GetFlag(FLAGS_postmaster); !postmaster.empty()) {
    // The message names the field, as the API wants it; the flag is named already.
    const absl::Status address = CheckAddress("postmaster", postmaster).status();
    check.That(address.ok(), "postmaster", absl::StripPrefix(address.message(), "postmaster: "));
  }
  check.Range("block_cache_bytes", absl::GetFlag(FLAGS_block_cache_bytes), 1 << 20, int64_t{1} << 40);
  check.Range("rpc_memory_bytes", absl::GetFlag(FLAGS_rpc_memory_bytes), 16 << 20, int64_t{1} << 40);
  check.Range("threads", absl::GetFlag(FLAGS_threads), 0, 1024);
  config::CheckLogFlags(check);
  check.Within("drain_timeout", absl::GetFlag(FLAGS_drain_timeout), absl::ZeroDuration(), absl::Hours(1));
  check.ExitIfBad("stored");
}

// The value, or the end of the program with one line that names the flag.
template <typename T>
T OrExit(absl::string_view flag, absl::StatusOr<T> value) {
  config::Checker check;
  check.Ok(flag, value.status());
  check.ExitIfBad("stored");
  return *std::move(value);
}

std::string DataDir() {
  const std::string path = absl::GetFlag(FLAGS_data_dir);
  // By itself: errno must not be looked at before.
  const bool ok = mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
  config::Checker check;
  check.That(ok, "data_dir", absl::StrCat("cannot make ", path, ": ", std::strerror(errno)));
  check.ExitIfBad("stored");
  return path;
}

std::unique_ptr<Engine> OpenEngine(const std::string& data_dir) {
  RocksDbOptions options;
  options.path = absl::StrCat(data_dir, "/rocksdb");
  options.block_cache_bytes = absl::GetFlag(FLAGS_block_cache_bytes);
  options.min_free_bytes = absl::GetFlag(FLAGS_min_free_bytes);
  options.around_callbacks = GatherAnswers;
  return OrExit("data_dir", OpenRocksDbEngine(std::move(options)));
}

std::string Token(absl::string_view flag, const std::string& path) {
  return path.empty() ? std::string() : OrExit(flag, ReadOrMakeSecretFile(path));
}

ThrottleOptions MakeThrottleOptions() {
  ThrottleOptions options;
  options.first_delay = absl::GetFlag(FLAGS_auth_failure_delay);
  options.max_delay = absl::GetFlag(FLAGS_auth_max_delay);
  options.failures_before_delay = absl::GetFlag(FLAGS_auth_failures_before_delay);
  options.lockout_failures = absl::GetFlag(FLAGS_auth_lockout_failures);
  options.network_lockout_failures = absl::GetFlag(FLAGS_auth_network_lockout_failures);
  options.lockout_time = absl::GetFlag(FLAGS_auth_lockout_time);
  options.half_life = absl::GetFlag(FLAGS_auth_failure_half_life);
  return options;
}

ServerOptions MakeServerOptions() {
  ServerOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.tls_cert_file = absl::GetFlag(FLAGS_tls_cert);
  options.tls_key_file = absl::GetFlag(FLAGS_tls_key);
  options.tls_client_ca_file = absl::GetFlag(FLAGS_tls_client_ca);
  options.max_rpc_memory_bytes = absl::GetFlag(FLAGS_rpc_memory_bytes);
  return options;
}

size_t DiskThreads() {
  const int threads = absl::GetFlag(FLAGS_threads);
  return threads == 0 ? 4 * Cores() : threads;
}

// Health, metrics and sweeping, on a thread of its own until it is destroyed.
class Housekeeping {
 public:
  Housekeeping(Engine& engine, Metrics& metrics, StoreServer& server)
      : engine_(engine), metrics_(metrics), server_(server), thread_([this] { Run(); }) {}
  ~Housekeeping() {
    stop_.Notify();
    thread_.join();
  }

 private:
  void Run() {
    absl::Time next_status = absl::InfinitePast();
    absl::Time next_sweep = absl::InfinitePast();
    do {
      WatchHealth();
      const absl::Time now = absl::Now();
      if (now >= next_status) {
        next_status = now + kStatusPeriod;
        if (const absl::StatusOr<EngineStatus> status = engine_.Status(); status.ok())
          metrics_.SetEngine(*status);
      }
      if (now >= next_sweep) {
        next_sweep = now + kSweepPeriod;
        const absl::Status swept = engine_.Sweep(absl::GetFlag(FLAGS_receipt_age));
        if (!swept.ok()) obs::LogWarning("sweep_failed", {{"error", swept.ToString()}});
      }
    } while (!stop_.WaitForNotificationWithTimeout(kHealthPeriod));
  }

  void WatchHealth() {
    const absl::Status health = engine_.Health();
    metrics_.SetHealthy(health.ok());
    server_.SetServing(health.ok());
    if (health.ok() == was_healthy_) return;
    was_healthy_ = health.ok();
    if (was_healthy_) {
      obs::LogInfo("engine_recovered", {});
    } else {
      obs::LogError("engine_unhealthy", {{"error", health.ToString()}});
    }
  }

  Engine& engine_;
  Metrics& metrics_;
  StoreServer& server_;
  bool was_healthy_ = true;
  absl::Notification stop_;
  std::thread thread_;
};

void LogListening(const StoreServer& server) {
  const std::string address = server.address();
  const bool is_path = absl::StartsWith(address, "unix:");
  obs::LogInfo("listening", {{"listener", "store"},
                             {"address", is_path ? address : address.substr(0, address.rfind(':'))},
                             {"port", is_path ? 0 : server.port()}});
}

void WriteAddressFile(const StoreServer& server) {
  const std::string path = absl::GetFlag(FLAGS_address_file);
  if (path.empty()) return;
  config::Checker check;
  check.Ok("address_file", WriteFileAtOnce(path, absl::StrCat(server.address(), "\n"), 0644));
  check.ExitIfBad("stored");
}

std::unique_ptr<obs::AdminServer> StartAdminServer(std::shared_ptr<prometheus::Registry> registry,
                                                   Engine& engine, const std::atomic<bool>& draining) {
  const std::string address = absl::GetFlag(FLAGS_admin_listen);
  if (address.empty()) return nullptr;
  return OrExit("admin_listen", obs::AdminServer::Start(address, std::move(registry), [&] {
                  return draining ? absl::UnavailableError("shutting down") : engine.Health();
                }));
}

int Run() {
  const absl::Time start_time = absl::Now();
  const Clock& clock = Clock::System();
  const std::string data_dir = DataDir();
  const CallerCheck callers(Token("frontend_token_file", absl::GetFlag(FLAGS_frontend_token_file)),
                            Token("operator_token_file", absl::GetFlag(FLAGS_operator_token_file)));
  // What strangers see of accounts that do not exist must be the same after a restart.
  const std::string decoy_secret =
      OrExit("data_dir", ReadOrMakeSecretFile(absl::StrCat(data_dir, "/decoy.key")));
  const uint32_t scram_iterations = absl::GetFlag(FLAGS_scram_iterations);
  auto registry = std::make_shared<prometheus::Registry>();
  Metrics metrics(*registry);
  const std::unique_ptr<Engine> engine = OpenEngine(data_dir);

  RecipientResolver recipients(*engine, absl::GetFlag(FLAGS_postmaster));
  WorkerPool hash_pool(Cores(), kMaxBatchAccounts);
  Directory directory(*engine, clock, scram_iterations, hash_pool);
  PasswordVerifier verifier(scram_iterations);
  CredentialCache cache(clock, absl::GetFlag(FLAGS_credential_cache_ttl));
  LoginThrottle throttle(clock, MakeThrottleOptions());
  Authenticator authenticator(*engine, verifier, cache, throttle, {scram_iterations, decoy_secret});
  TimerQueue timers;
  WorkerPool disk_pool(DiskThreads(), kMaxQueuedDiskTasks);
  WorkerPool auth_pool(Cores() + 2, kMaxQueuedAuthTasks);
  WorkerPool verify_pool(1, kMaxQueuedVerifications);
  Environment environment{.engine = *engine,
                          .directory = directory,
                          .recipients = recipients,
                          .authenticator = authenticator,
                          .callers = callers,
                          .metrics = metrics,
                          .clock = clock,
                          .timers = timers,
                          .disk_pool = disk_pool,
                          .auth_pool = auth_pool,
                          .verify_pool = verify_pool,
                          .max_message_bytes = absl::GetFlag(FLAGS_max_message_bytes),
                          .version = std::string(config::Version()),
                          .start_time = start_time};

  std::atomic<bool> draining = false;
  const std::unique_ptr<obs::AdminServer> admin = StartAdminServer(registry, *engine, draining);
  const std::unique_ptr<StoreServer> server =
      OrExit("listen", StoreServer::Start(MakeServerOptions(), environment));
  LogListening(*server);
  auto housekeeping = std::make_unique<Housekeeping>(*engine, metrics, *server);
  WriteAddressFile(*server);
  obs::LogInfo("started",
               {{"version", std::string(config::Version())}, {"engine", absl::GetFlag(FLAGS_engine)}});

  const int signal = net::WaitForSignal();
  obs::LogInfo("draining", {{"signal", signal}});
  draining = true;
  housekeeping.reset();
  server->Drain(absl::GetFlag(FLAGS_drain_timeout));
  obs::LogInfo("stopped", {});
  return 0;
}

}  // namespace
}  // namespace mailstead::store

int main(int argc, char** argv) {
  mailstead::net::BlockSignals();
  mailstead::net::RaiseDescriptorLimit();
  mailstead::config::ParseCommandLine(
      {.name = "stored", .usage = "Keeps accounts, mail and locks for smtpd and pop3d, behind a gRPC API."},
      argc, argv);
  mailstead::store::CheckFlags();
  mailstead::config::SetUpLog("stored");
  return mailstead::store::Run();
}
