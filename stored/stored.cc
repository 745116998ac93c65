#include "stored/stored.h"

#include <prometheus/registry.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/config/config.h"
#include "common/config/version.h"
#include "common/mail/address.h"
#include "common/obs/admin_server.h"
#include "common/obs/log.h"
#include "common/rpc/server/loop.h"
#include "stored/api/admission.h"
#include "stored/api/callers.h"
#include "stored/api/dkim_journal.h"
#include "stored/api/environment.h"
#include "stored/api/methods.h"
#include "stored/api/metrics.h"
#include "stored/api/queue_journal.h"
#include "stored/api/secret_file.h"
#include "stored/api/sending_journal.h"
#include "stored/api/server.h"
#include "stored/core/core.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "stored/housekeeping.h"
#include "stored/wait.h"

namespace mailstead::stored {
namespace {

// The value, or the end of the program with one line that names the flag.
void OkOrExit(absl::string_view flag, const absl::Status& status) {
  // The reason is the last line.
  if (!status.ok()) obs::FlushLog();
  config::Checker check;
  check.Ok(flag, status);
  check.ExitIfBad("stored");
}
template <typename T>
T OrExit(absl::string_view flag, absl::StatusOr<T> value) {
  OkOrExit(flag, value.status());
  return *std::move(value);
}

void MakeDataDir(const std::string& path) {
  // By itself: errno must not be looked at before.
  const bool ok = mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
  config::Checker check;
  check.That(ok, "data_dir", absl::StrCat("cannot make ", path, ": ", std::strerror(errno)));
  check.ExitIfBad("stored");
}

std::unique_ptr<engine::Engine> OpenEngine(const Flags& flags, Executor& executor, Metrics& metrics) {
  engine::RocksDbOptions options;
  options.path = absl::StrCat(flags.data_dir, "/rocksdb");
  options.backup_path = flags.backup_dir;
  options.executor = &executor;
  options.block_cache_bytes = flags.block_cache_bytes;
  options.min_free_bytes = flags.min_free_bytes;
  options.queue_policy = flags.queue_policy;
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  options.reader_threads = flags.threads == 0 ? 4 * cores : flags.threads;
  options.on_write = [&metrics](const engine::WriteWork& work) {
    if (work.synced) metrics.ObserveCommit(work.took);
  };
  return OrExit("data_dir", engine::OpenRocksDbEngine(std::move(options)));
}

// Secrets of the store's own, which are the same after a restart.
constexpr absl::string_view kDecoyKey = "decoy.key";
constexpr absl::string_view kGrantKey = "grant.key";

std::string PathOfOwn(const Flags& flags, absl::string_view name) {
  return absl::StrCat(flags.data_dir, "/", name);
}

std::string OwnSecret(const Flags& flags, absl::string_view name) {
  return OrExit("data_dir", ReadOrMakeSecretFile(PathOfOwn(flags, name)));
}

// All files with secrets that the store uses.
std::vector<std::string> SecretFilesOf(const Flags& flags) {
  std::vector<std::string> files = {
      PathOfOwn(flags, kDecoyKey), PathOfOwn(flags, kGrantKey), flags.smtp_token_file,
      flags.pop_token_file,        flags.relay_token_file,      flags.web_token_file,
      flags.operator_token_file,   flags.secrets_key_file,      flags.tls_key_file};
  std::erase(files, "");
  return files;
}

CoreOptions CoreOptionsOf(const Flags& flags) {
  CoreOptions options;
  options.postmaster = flags.postmaster;
  options.scram_iterations = flags.scram_iterations;
  options.credential_cache_ttl = flags.credential_cache_ttl;
  options.throttle = flags.throttle;
  // What strangers see of accounts that do not exist must be the same after a restart.
  options.decoy_secret = OwnSecret(flags, kDecoyKey);
  options.grant_key = OwnSecret(flags, kGrantKey);
  if (!flags.secrets_key_file.empty()) {
    options.secrets_key = OrExit("secrets_key_file", ReadOrMakeSecretFile(flags.secrets_key_file));
  }
  options.tls_reports = {
      flags.tls_report_organization.empty() ? flags.hostname : flags.tls_report_organization,
      flags.tls_report_contact, flags.tls_report_period};
  if (!flags.srs_domain.empty()) options.srs.domain = OrExit("srs_domain", NormalizeDomain(flags.srs_domain));
  options.sending = {flags.sending_bounds, flags.pause_thresholds};
  options.srs.lifetime = flags.srs_lifetime;
  options.srs.hash_characters = flags.srs_hash_length;
  options.ticket_key_period = flags.ticket_key_period;
  options.host_name = flags.hostname;
  options.audit = flags.audit;
  options.queue_lifetime = flags.queue_lifetime;
  options.delay_notice_after =
      flags.delay_notice_after == absl::ZeroDuration() ? absl::InfiniteDuration() : flags.delay_notice_after;
  options.max_message_bytes = static_cast<int64_t>(flags.max_message_bytes);
  options.watches.write_timeout = flags.watch_write_timeout;
  options.watches.max_streams = flags.max_watches;
  options.account_submissions = flags.account_submissions;
  return options;
}

std::vector<TokenFile> TokenFilesOf(const Flags& flags) {
  return {{kSmtp, flags.smtp_token_file},
          {kPop, flags.pop_token_file},
          {kRelay, flags.relay_token_file},
          {kWeb, flags.web_token_file},
          {kOperator, flags.operator_token_file}};
}

ServerOptions ServerOptionsOf(const Flags& flags) {
  ServerOptions options;
  options.listen = flags.listen;
  options.tls_listen = flags.tls_listen;
  options.tls_cert_file = flags.tls_cert_file;
  options.tls_key_file = flags.tls_key_file;
  options.tls_client_ca_file = flags.tls_client_ca_file;
  options.max_rpc_memory_bytes = static_cast<int64_t>(flags.rpc_memory_bytes);
  return options;
}

void Announce(absl::string_view listener, const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool is_path = absl::StartsWith(address, "unix:");
  int port = 0;
  if (!is_path) CHECK(absl::SimpleAtoi(address.substr(colon + 1), &port));
  obs::LogInfo(
      "listening",
      {{"listener", listener}, {"address", is_path ? address : address.substr(0, colon)}, {"port", port}});
}

}  // namespace

// In the order in which they are made; they go in the opposite one.
struct Stored::Parts {
  explicit Parts(const Flags& given)
      : flags(given),
        tokens(TokenFilesOf(flags), callers),
        metrics(*registry),
        admission(callers, metrics, Clock::System(),
                  {.stream_time = flags.stream_time, .max_stream_time = flags.max_stream_time}) {}

  void Open();

  const Flags flags;
  const absl::Time start_time = Clock::System().Now();
  rpc::Loop loop;
  Callers callers;
  TokenFiles tokens;
  const std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  Metrics metrics;
  Admission admission;
  std::unique_ptr<engine::Engine> engine;
  std::optional<QueueJournal> queue_journal;
  std::optional<DkimJournal> dkim_journal;
  std::optional<SendingJournal> sending_journal;
  std::optional<Core> core;
  std::optional<Environment> environment;
  std::atomic<bool> draining = false;
  std::unique_ptr<obs::AdminServer> admin;
  std::unique_ptr<StoreServer> server;
  std::optional<Housekeeping> housekeeping;
};

void Stored::Parts::Open() {
  MakeDataDir(flags.data_dir);
  OkOrExit("operator_token_file", tokens.Look());
  CoreOptions core_options = CoreOptionsOf(flags);
  engine = OpenEngine(flags, loop, metrics);
  core.emplace(*engine, loop, Clock::System(), std::move(core_options));
  // Before anybody calls: who has a key is known.
  OkOrExit("data_dir", Wait(core->keys.Load()));
  OkOrExit("data_dir", Wait(core->directory.LearnLeastRetention()));
  callers.UseKeys(core->keys);
  admission.UseKeys(core->keys);
  admission.UseTrail(core->audit);
  core->keys.OnChange([this] { admission.Recheck(); });
  queue_journal.emplace(metrics);
  core->queue.SetObserver(&*queue_journal);
  dkim_journal.emplace(metrics);
  core->dkim_keys.SetObserver(&*dkim_journal);
  core->dkim_signer.SetObserver(&*dkim_journal);
  sending_journal.emplace(metrics);
  core->sending.SetObserver(&*sending_journal);
  environment.emplace(Environment{.core = *core,
                                  .counter = metrics,
                                  .version = std::string(config::Version()),
                                  .start_time = start_time,
                                  .secret_files = SecretFilesOf(flags)});
  if (!flags.admin_listen.empty()) {
    const auto ready = [this] {
      return draining ? absl::UnavailableError("shutting down") : engine->upkeep().Health();
    };
    admin = OrExit("admin_listen", obs::AdminServer::Start(flags.admin_listen, registry, ready));
  }
  rpc::MethodTable methods;
  AddMethods(*environment, methods);
  server = OrExit("listen", StoreServer::Start(ServerOptionsOf(flags), std::move(methods), admission,
                                               Clock::System(), loop));
  Announce("store", server->address());
  if (!flags.tls_listen.empty()) Announce("store_tls", server->tls_address());
  housekeeping.emplace(*engine, *core, loop, metrics, *registry, tokens, admission, *server,
                       Housekeeping::Options{.receipt_age = flags.receipt_age,
                                             .submission_age = flags.submission_age,
                                             .change_age = flags.change_age,
                                             .change_count = flags.change_count,
                                             .tls_cert_file = flags.tls_cert_file});
  if (!flags.address_file.empty()) {
    OkOrExit("address_file",
             WriteFileAtOnce(flags.address_file, absl::StrCat(server->address(), "\n"), 0644));
  }
}

Stored::Stored(const Flags& flags) : parts_(std::make_unique<Parts>(flags)) { parts_->Open(); }
Stored::~Stored() = default;

void Stored::Drain() {
  parts_->draining = true;
  parts_->housekeeping.reset();
  // Its streams would last.
  parts_->core->watches.Stop();
  parts_->server->Drain(parts_->flags.drain_timeout);
  // What the last calls have left.
  const absl::Status kept = Wait(KeepAll(*parts_->core, parts_->loop));
  if (!kept.ok()) obs::LogWarning("keys_not_kept", {{"error", kept.ToString()}});
}

}  // namespace mailstead::stored
