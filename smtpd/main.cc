// smtpd: takes mail in by SMTP and hands it to the store. It keeps nothing.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "asio/ip/host_name.hpp"
#include "common/config/config.h"
#include "common/net/shutdown.h"
#include "common/obs/log.h"
#include "smtpd/protocol/command.h"
#include "smtpd/server.h"

ABSL_FLAG(std::string, mx_listen, "[::]:25",
          "addresses for mail from other hosts, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, submission_listen, "[::]:587",
          "addresses for mail from users with STARTTLS, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, submissions_listen, "[::]:465",
          "addresses for mail from users with TLS from the first byte, host:port, comma separated; empty: none");
ABSL_FLAG(std::string, admin_listen, "[::]:9025", "address for /metrics, /healthz and /readyz, host:port; empty: none");
ABSL_FLAG(std::string, hostname, "", "our name in the greeting and in Received; empty: the machine's");

ABSL_FLAG(std::string, store, "127.0.0.1:7070", "the store: host:port, dns:///name:port or unix:/path");
ABSL_FLAG(std::string, store_token_file, "", "file with the front-end's token for the store; empty: none");
ABSL_FLAG(std::string, store_tls_ca, "", "PEM file of the authority that signed the store's certificate; empty: no TLS");
ABSL_FLAG(std::string, store_tls_cert, "", "PEM file with the certificate to show to the store");
ABSL_FLAG(std::string, store_tls_key, "", "PEM file with its key");
ABSL_FLAG(int, store_connections, 1, "connections to the store");
ABSL_FLAG(absl::Duration, store_timeout, absl::Seconds(10), "deadline of one call to the store");
ABSL_FLAG(absl::Duration, store_retry_for, absl::Seconds(10),
          "how long a call is tried again while the store is away, before the client is told 451");

ABSL_FLAG(std::string, tls_cert, "", "PEM file with the certificate chain, leaf first; empty: a self-signed one is made");
ABSL_FLAG(std::string, tls_key, "", "PEM file with its key");
ABSL_FLAG(std::string, tls_self_signed_dir, "", "folder that keeps the self-signed certificate; empty: memory only");
ABSL_FLAG(std::string, tls_ticket_key_file, "", "file of 48 or more bytes, shared by replicas, for session tickets");
ABSL_FLAG(absl::Duration, tls_handshake_timeout, absl::Seconds(30), "how long a TLS handshake may take");

ABSL_FLAG(std::string, proxy_networks, "",
          "networks whose connections must begin with a PROXY header (v1, v2), comma separated, as 10.0.0.0/8");
ABSL_FLAG(bool, allow_plaintext_auth, false, "allow AUTH without TLS on the submission port; for tests");
ABSL_FLAG(std::string, bare_line_ends, "refuse",
          "a message with a bare CR or LF: refuse (550 5.6.11) or normalize (make it CRLF)");
ABSL_FLAG(absl::Duration, greeting_delay, absl::ZeroDuration(),
          "wait before the greeting; a client that speaks in this time is refused");

ABSL_FLAG(int, max_connections, 10'000, "connections at the same time; 0: no limit");
ABSL_FLAG(int, max_connections_per_address, 100, "connections at the same time from one address; 0: no limit");
ABSL_FLAG(int64_t, max_message_bytes, 52'428'800, "size of a message; announced with SIZE");
ABSL_FLAG(int, max_recipients, 1000, "recipients in one transaction");
ABSL_FLAG(int, max_errors, 100, "replies of 5yz that end a session");
ABSL_FLAG(int, max_commands, 1'000'000, "commands that end a session; 0: no limit");
ABSL_FLAG(int, max_received_headers, 100, "Received fields that make a message a loop");
ABSL_FLAG(int, max_messages_per_account_per_hour, 0,
          "messages an account may send in an hour through this process; 0: no limit");
ABSL_FLAG(absl::Duration, command_timeout, absl::Minutes(5), "how long to wait for a command (RFC 5321 section 4.5.3.2)");
ABSL_FLAG(absl::Duration, data_timeout, absl::Minutes(5), "how long to wait for the next bytes of a message");
ABSL_FLAG(absl::Duration, message_timeout, absl::Hours(1), "how long a message may take from DATA to its end");

ABSL_FLAG(int, threads, 0, "I/O threads; 0: one per core");
ABSL_FLAG(std::string, log_format, "logfmt", "logfmt or json");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(10), "how long sessions may go on after SIGTERM");

namespace mailstead::smtp {
namespace {

std::vector<std::string> Addresses(const std::string& list) { return absl::StrSplit(list, ',', absl::SkipWhitespace()); }

std::string Hostname() {
  std::string name = absl::GetFlag(FLAGS_hostname);
  if (!name.empty()) return name;
  asio::error_code ignored;
  name = asio::ip::host_name(ignored);
  return name.empty() ? "localhost" : name;
}

void CheckFlags(config::Checker& check) {
  check.That(!absl::GetFlag(FLAGS_mx_listen).empty() || !absl::GetFlag(FLAGS_submission_listen).empty() ||
                 !absl::GetFlag(FLAGS_submissions_listen).empty(),
             "mx_listen", "this, --submission_listen and --submissions_listen are all empty");
  check.That(IsHeloName(Hostname()), "hostname", "must be a host name of at most 255 characters");
  check.That(!absl::GetFlag(FLAGS_store).empty(), "store", "must not be empty");
  check.That(absl::GetFlag(FLAGS_tls_cert).empty() == absl::GetFlag(FLAGS_tls_key).empty(), "tls_key",
             "is needed with --tls_cert, and only with it");
  check.That(absl::GetFlag(FLAGS_store_tls_cert).empty() == absl::GetFlag(FLAGS_store_tls_key).empty(),
             "store_tls_key", "is needed with --store_tls_cert, and only with it");
  check.OneOf("bare_line_ends", absl::GetFlag(FLAGS_bare_line_ends), {"refuse", "normalize"});
  check.OneOf("log_format", absl::GetFlag(FLAGS_log_format), {"logfmt", "json"});
  check.OneOf("log_level", absl::GetFlag(FLAGS_log_level), {"debug", "info", "warning", "error"});
}

void CheckRanges(config::Checker& check) {
  check.Range("store_connections", absl::GetFlag(FLAGS_store_connections), 1, 64);
  check.Range("max_connections", absl::GetFlag(FLAGS_max_connections), 0, 1'000'000);
  check.Range("max_connections_per_address", absl::GetFlag(FLAGS_max_connections_per_address), 0, 1'000'000);
  // RFC 5321 section 4.5.3.1 asks for 64 KiB and 100 recipients at least; a host of few words may want less.
  check.Range("max_message_bytes", absl::GetFlag(FLAGS_max_message_bytes), 1, int64_t{1} << 40);
  check.Range("max_recipients", absl::GetFlag(FLAGS_max_recipients), 1, 100'000);
  check.Range("max_errors", absl::GetFlag(FLAGS_max_errors), 1, 1'000'000);
  check.Range("max_commands", absl::GetFlag(FLAGS_max_commands), 0, 1'000'000'000);
  check.Range("max_received_headers", absl::GetFlag(FLAGS_max_received_headers), 1, 10'000);
  check.Range("max_messages_per_account_per_hour", absl::GetFlag(FLAGS_max_messages_per_account_per_hour), 0,
              1'000'000'000);
  check.Range("threads", absl::GetFlag(FLAGS_threads), 0, 1024);
  const auto within = [&](absl::string_view flag, absl::Duration value, absl::Duration min, absl::Duration max) {
    check.That(min <= value && value <= max, flag,
               absl::StrCat("must be ", absl::FormatDuration(min), " to ", absl::FormatDuration(max)));
  };
  const absl::Duration least = absl::Milliseconds(100);
  within("store_timeout", absl::GetFlag(FLAGS_store_timeout), least, absl::Minutes(10));
  within("store_retry_for", absl::GetFlag(FLAGS_store_retry_for), absl::ZeroDuration(), absl::Minutes(10));
  within("tls_handshake_timeout", absl::GetFlag(FLAGS_tls_handshake_timeout), least, absl::Minutes(10));
  within("greeting_delay", absl::GetFlag(FLAGS_greeting_delay), absl::ZeroDuration(), absl::Minutes(1));
  within("command_timeout", absl::GetFlag(FLAGS_command_timeout), least, absl::Hours(24));
  within("data_timeout", absl::GetFlag(FLAGS_data_timeout), least, absl::Hours(24));
  within("message_timeout", absl::GetFlag(FLAGS_message_timeout), least, absl::Hours(24));
  within("drain_timeout", absl::GetFlag(FLAGS_drain_timeout), absl::ZeroDuration(), absl::Hours(1));
}

Limits LimitsFromFlags() {
  Limits limits;
  limits.max_message_bytes = static_cast<uint64_t>(absl::GetFlag(FLAGS_max_message_bytes));
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
ServerOptions OptionsFromFlags() {
  config::Checker check;
  CheckFlags(check);
  CheckRanges(check);
  absl::StatusOr<net::NetworkList> proxies = net::NetworkList::Parse(absl::GetFlag(FLAGS_proxy_networks));
  check.Ok("proxy_networks", proxies.status());
  check.ExitIfBad("smtpd");

  ServerOptions options;
  options.mx_listen = Addresses(absl::GetFlag(FLAGS_mx_listen));
  options.submission_listen = Addresses(absl::GetFlag(FLAGS_submission_listen));
  options.submissions_listen = Addresses(absl::GetFlag(FLAGS_submissions_listen));
  options.admin_listen = absl::GetFlag(FLAGS_admin_listen);
  options.hostname = Hostname();
  options.limits = LimitsFromFlags();
  options.allow_plaintext_auth = absl::GetFlag(FLAGS_allow_plaintext_auth);
  options.max_connections = absl::GetFlag(FLAGS_max_connections);
  options.max_connections_per_address = absl::GetFlag(FLAGS_max_connections_per_address);
  options.max_messages_per_account_per_hour = absl::GetFlag(FLAGS_max_messages_per_account_per_hour);
  options.proxy_networks = *std::move(proxies);
  options.tls.cert_file = absl::GetFlag(FLAGS_tls_cert);
  options.tls.key_file = absl::GetFlag(FLAGS_tls_key);
  options.tls.self_signed_name = options.hostname;
  options.tls.self_signed_dir = absl::GetFlag(FLAGS_tls_self_signed_dir);
  options.tls.ticket_key_file = absl::GetFlag(FLAGS_tls_ticket_key_file);
  options.store.target = absl::GetFlag(FLAGS_store);
  options.store.token_file = absl::GetFlag(FLAGS_store_token_file);
  options.store.tls_ca_file = absl::GetFlag(FLAGS_store_tls_ca);
  options.store.tls_cert_file = absl::GetFlag(FLAGS_store_tls_cert);
  options.store.tls_key_file = absl::GetFlag(FLAGS_store_tls_key);
  options.store.connections = absl::GetFlag(FLAGS_store_connections);
  options.store_timeouts.call = absl::GetFlag(FLAGS_store_timeout);
  options.store_timeouts.message = options.limits.message_timeout;
  options.store_retry_for = absl::GetFlag(FLAGS_store_retry_for);
  options.threads = absl::GetFlag(FLAGS_threads);
  return options;
}

void SetUpLog() {
  const std::string level = absl::GetFlag(FLAGS_log_level);
  obs::SetUpLog("smtpd", absl::GetFlag(FLAGS_log_format) == "json" ? obs::LogFormat::kJson : obs::LogFormat::kLogfmt,
                level == "debug"     ? obs::LogLevel::kDebug
                : level == "info"    ? obs::LogLevel::kInfo
                : level == "warning" ? obs::LogLevel::kWarning
                                     : obs::LogLevel::kError);
}

int Main(int argc, char** argv) {
  net::BlockSignals();
  config::Program program;
  program.name = "smtpd";
  program.usage = "Takes mail in by SMTP (MX and submission) and hands it to the store.";
  const std::vector<char*> positional = config::ParseCommandLine(program, argc, argv);
  config::Checker check;
  check.That(positional.size() <= 1, "flagfile", "options are flags; other arguments are not taken");
  check.ExitIfBad("smtpd");
  ServerOptions options = OptionsFromFlags();
  SetUpLog();

  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
  if (!server.ok()) {
    obs::LogError("start_failed", {{"error", server.status().message()}});
    return EXIT_FAILURE;
  }
  obs::LogInfo("started", {});
  const int signal = net::WaitForSignal();
  obs::LogInfo("draining", {{"signal", signal}});
  const bool ended = (*server)->Drain(absl::GetFlag(FLAGS_drain_timeout));
  obs::LogInfo("stopped", {});
  // A session that hangs in the store would be destroyed under its own feet. There is nothing to keep.
  if (!ended) std::_Exit(EXIT_SUCCESS);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace mailstead::smtp

int main(int argc, char** argv) { return mailstead::smtp::Main(argc, argv); }
