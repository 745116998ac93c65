// smtpd: takes mail in by SMTP and hands it to the store. It keeps nothing.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "common/config/config.h"
#include "common/config/frontend_flags.h"
#include "common/config/log_flags.h"
#include "common/net/descriptor_limit.h"
#include "common/net/shutdown.h"
#include "common/obs/log.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/server.h"

ABSL_FLAG(std::string, mx_listen, "[::]:25",
          "addresses for mail from other hosts, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, submission_listen, "[::]:587",
          "addresses for mail from users with STARTTLS, host:port, comma separated; empty: none");
ABSL_FLAG(
    std::string, submissions_listen, "[::]:465",
    "addresses for mail from users with TLS from the first byte, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, admin_listen, "[::]:9025",
          "address for /metrics, /healthz and /readyz, host:port; empty: none");
ABSL_FLAG(absl::Duration, store_timeout, absl::Seconds(10), "deadline of one call to the store");
ABSL_FLAG(absl::Duration, store_retry_for, absl::Seconds(10),
          "how long a call is tried again while the store is away, before the client is told 451");

ABSL_FLAG(absl::Duration, tls_handshake_timeout, absl::Seconds(30), "how long a TLS handshake may take");

ABSL_FLAG(std::string, bare_line_ends, "refuse",
          "a message with a bare CR or LF: refuse (550 5.6.11) or normalize (make it CRLF)");
ABSL_FLAG(
    absl::Duration, greeting_delay, absl::ZeroDuration(),
    "wait before the greeting; a client that speaks in this time is refused. 0: only one whose bytes are "
    "there before ours");

ABSL_FLAG(int64_t, max_message_bytes, 52'428'800, "size of a message; announced with SIZE");
ABSL_FLAG(int, max_command_bytes, 2048,
          "length of a command line with its CRLF; RFC 5321 asks for 512, extensions add to it");
ABSL_FLAG(int, max_path_bytes, 256,
          "length of a path with its angle brackets and source route; the mailbox in it has at most 254");
ABSL_FLAG(int, max_recipients, 1000, "recipients in one transaction");
ABSL_FLAG(int, max_errors, 100, "replies of 5yz that end a session");
ABSL_FLAG(int, max_commands, 1'000'000, "commands that end a session; 0: no limit");
ABSL_FLAG(int, max_received_headers, 100, "Received fields that make a message a loop");
ABSL_FLAG(int, max_messages_per_account_per_hour, 0,
          "messages an account may send in an hour through this process; 0: no limit");
ABSL_FLAG(absl::Duration, command_timeout, absl::Minutes(5),
          "how long to wait for a command (RFC 5321 section 4.5.3.2)");
ABSL_FLAG(absl::Duration, data_timeout, absl::Minutes(5), "how long to wait for the next bytes of a message");
ABSL_FLAG(absl::Duration, message_timeout, absl::Hours(1),
          "how long a message may take from DATA to its end");

namespace mailstead::smtp {
namespace {

void CheckFlags(config::Checker& check) {
  check.That(!absl::GetFlag(FLAGS_mx_listen).empty() || !absl::GetFlag(FLAGS_submission_listen).empty() ||
                 !absl::GetFlag(FLAGS_submissions_listen).empty(),
             "mx_listen", "this, --submission_listen and --submissions_listen are all empty");
  config::CheckAddresses(check, "mx_listen", absl::GetFlag(FLAGS_mx_listen));
  config::CheckAddresses(check, "submission_listen", absl::GetFlag(FLAGS_submission_listen));
  config::CheckAddresses(check, "submissions_listen", absl::GetFlag(FLAGS_submissions_listen));
  config::CheckAddresses(check, "admin_listen", absl::GetFlag(FLAGS_admin_listen));
  check.OneOf("bare_line_ends", absl::GetFlag(FLAGS_bare_line_ends), {"refuse", "normalize"});
}

void CheckRanges(config::Checker& check) {
  // RFC 5321 section 4.5.3.1 asks for 64 KiB and 100 recipients at least; a host of few words may want less.
  // Shorter lines and paths than it asks for would refuse addresses that are good.
  check.Range("max_message_bytes", absl::GetFlag(FLAGS_max_message_bytes), 1, int64_t{1} << 40);
  check.Range("max_command_bytes", absl::GetFlag(FLAGS_max_command_bytes), 512, kMaxAuthLineBytes);
  check.Range("max_path_bytes", absl::GetFlag(FLAGS_max_path_bytes), kMaxPathBytes, kMaxAuthLineBytes);
  check.Range("max_recipients", absl::GetFlag(FLAGS_max_recipients), 1, 100'000);
  check.Range("max_errors", absl::GetFlag(FLAGS_max_errors), 1, 1'000'000);
  check.Range("max_commands", absl::GetFlag(FLAGS_max_commands), 0, 1'000'000'000);
  check.Range("max_received_headers", absl::GetFlag(FLAGS_max_received_headers), 1, 10'000);
  check.Range("max_messages_per_account_per_hour", absl::GetFlag(FLAGS_max_messages_per_account_per_hour), 0,
              1'000'000'000);
  const absl::Duration least = absl::Milliseconds(100);
  check.Within("store_timeout", absl::GetFlag(FLAGS_store_timeout), least, absl::Minutes(10));
  check.Within("store_retry_for", absl::GetFlag(FLAGS_store_retry_for), absl::ZeroDuration(),
               absl::Minutes(10));
  check.Within("tls_handshake_timeout", absl::GetFlag(FLAGS_tls_handshake_timeout), least, absl::Minutes(10));
  check.Within("greeting_delay", absl::GetFlag(FLAGS_greeting_delay), absl::ZeroDuration(), absl::Minutes(1));
  check.Within("command_timeout", absl::GetFlag(FLAGS_command_timeout), least, absl::Hours(24));
  check.Within("data_timeout", absl::GetFlag(FLAGS_data_timeout), least, absl::Hours(24));
  check.Within("message_timeout", absl::GetFlag(FLAGS_message_timeout), least, absl::Hours(24));
}

Limits LimitsFromFlags() {
  Limits limits;
  limits.max_message_bytes = static_cast<uint64_t>(absl::GetFlag(FLAGS_max_message_bytes));
  limits.max_command_bytes = absl::GetFlag(FLAGS_max_command_bytes);
  limits.max_path_bytes = absl::GetFlag(FLAGS_max_path_bytes);
  limits.max_recipients = absl::GetFlag(FLAGS_max_recipients);
  limits.max_errors = absl::GetFlag(FLAGS_max_errors);
  limits.max_commands = absl::GetFlag(FLAGS_max_commands);
  limits.max_received_headers = absl::GetFlag(FLAGS_max_received_headers);
  limits.bare_line_ends =
      absl::GetFlag(FLAGS_bare_line_ends) == "normalize" ? BareLineEnds::kNormalize : BareLineEnds::kRefuse;
  limits.command_timeout = absl::GetFlag(FLAGS_command_timeout);
  limits.data_timeout = absl::GetFlag(FLAGS_data_timeout);
  limits.message_timeout = absl::GetFlag(FLAGS_message_timeout);
  limits.tls_handshake_timeout = absl::GetFlag(FLAGS_tls_handshake_timeout);
  limits.greeting_delay = absl::GetFlag(FLAGS_greeting_delay);
  return limits;
}

// Ends the program with one line for each impossible value.
config::FrontendFlags CheckedFlags() {
  config::Checker check;
  config::FrontendFlags shared = config::ReadFrontendFlags(check);
  CheckFlags(check);
  CheckRanges(check);
  config::CheckLogFlags(check);
  check.ExitIfBad("smtpd");
  return shared;
}

// The options that need no file and no socket.
ServerOptions OptionsFromFlags(const config::FrontendFlags& shared) {
  ServerOptions options;
  options.hostname = shared.hostname;
  options.limits = LimitsFromFlags();
  options.allow_plaintext_auth = shared.allow_plaintext_auth;
  options.max_connections = shared.max_connections;
  options.max_connections_per_address = shared.max_connections_per_address;
  options.max_messages_per_account_per_hour = absl::GetFlag(FLAGS_max_messages_per_account_per_hour);
  options.proxy_networks = shared.proxy_networks;
  options.store_connections = shared.store.connections;
  options.store_timeouts.call = absl::GetFlag(FLAGS_store_timeout);
  options.store_timeouts.message = options.limits.message_timeout;
  options.store_retry_for = absl::GetFlag(FLAGS_store_retry_for);
  options.threads = shared.threads;
  return options;
}

// Ends the program with one line for each file that cannot be used.
std::unique_ptr<Server> MakeServer(const config::FrontendFlags& shared) {
  ServerOptions options = OptionsFromFlags(shared);
  absl::StatusOr<std::unique_ptr<net::TlsContext>> tls = net::TlsContext::Create(shared.tls);
  absl::StatusOr<std::unique_ptr<rpc::StoreChannel>> store = rpc::StoreChannel::Create(shared.store);
  config::Checker check;
  check.Ok(shared.tls.cert_file.empty() ? "tls_self_signed_dir" : "tls_cert", tls.status());
  check.Ok("store", store.status());
  check.ExitIfBad("smtpd");
  options.tls = *std::move(tls);
  options.store = *std::move(store);
  return std::make_unique<Server>(std::move(options));
}

// Ends the program with one line for each address that cannot be listened on.
void OpenListeners(Server& server) {
  config::Checker check;
  const std::string admin = absl::GetFlag(FLAGS_admin_listen);
  if (!admin.empty()) check.Ok("admin_listen", server.StartAdmin(admin));
  const auto listen = [&](absl::string_view flag, ListenerKind kind, const std::string& addresses) {
    check.Ok(flag, server.Listen(kind, config::SplitAddresses(addresses)));
  };
  listen("mx_listen", ListenerKind::kMx, absl::GetFlag(FLAGS_mx_listen));
  listen("submission_listen", ListenerKind::kSubmission, absl::GetFlag(FLAGS_submission_listen));
  listen("submissions_listen", ListenerKind::kSubmissions, absl::GetFlag(FLAGS_submissions_listen));
  check.ExitIfBad("smtpd");
}

int Main(int argc, char** argv) {
  net::BlockSignals();
  net::RaiseDescriptorLimit();
  config::Program program;
  program.name = "smtpd";
  program.usage = "Takes mail in by SMTP (MX and submission) and hands it to the store.";
  config::ParseCommandLine(program, argc, argv);
  const config::FrontendFlags shared = CheckedFlags();
  config::SetUpLog("smtpd");

  const std::unique_ptr<Server> server = MakeServer(shared);
  OpenListeners(*server);
  obs::LogInfo("started", {});
  server->WatchStore();
  const int signal = net::WaitForSignal();
  obs::LogInfo("draining", {{"signal", signal}});
  const bool ended = server->Drain(shared.drain_timeout);
  obs::LogInfo("stopped", {});
  // A session that hangs in the store would be destroyed under its own feet. There is nothing to keep.
  if (!ended) std::_Exit(EXIT_SUCCESS);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace mailstead::smtp

int main(int argc, char** argv) { return mailstead::smtp::Main(argc, argv); }
