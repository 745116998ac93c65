#include "webd/flags.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "webd/http/cors.h"

namespace mailstead::web {
namespace {

using config::Between;
using config::Flag;
using frontend::CheckListen;

constexpr config::Program kProgram{"webd",
                                   "Serves the API of Mailstead's store by HTTP. It keeps nothing itself."};
constexpr absl::Duration kLeastTimeout = absl::Milliseconds(100);
constexpr size_t kMostRequestBytes = size_t{64} << 20;
constexpr size_t kLeastBodyMemory = size_t{1} << 20;

absl::Status CheckCorsOrigin(const std::string& origin) { return CheckOrigin(origin); }
absl::Status CheckStsHost(const std::string& host) { return CheckStsPattern(host); }

// False: it is none, and has its line.
bool ReadHost(const std::string& flag, const std::string& text, Host& host, config::Checker& check) {
  if (text.empty()) return true;
  absl::StatusOr<Host> parsed = ParseHost(text);
  check.Ok(flag, parsed.status());
  if (parsed.ok()) host = *std::move(parsed);
  return parsed.ok();
}

// Who knows how to read mail and not how to send it, or the other way, would have people type the rest.
void ReadMailSettings(Flags& flags, config::Checker& check) {
  MailSettings& settings = flags.mail_settings;
  bool good = ReadHost("autoconfig_pop3s", flags.autoconfig_pop3s, settings.pop3s, check);
  good &= ReadHost("autoconfig_submissions", flags.autoconfig_submissions, settings.submissions, check);
  good &= ReadHost("autoconfig_submission", flags.autoconfig_submission, settings.submission, check);
  const bool sends = !flags.autoconfig_submissions.empty() || !flags.autoconfig_submission.empty();
  check.That(!good || flags.autoconfig_pop3s.empty() != sends, "autoconfig_pop3s",
             "goes with --autoconfig_submissions or --autoconfig_submission, and they with it");
}

// What is out of bounds has its line already.
bool InBounds(const Flags& flags) {
  return flags.max_request_bytes <= kMostRequestBytes && flags.body_memory >= kLeastBodyMemory;
}

}  // namespace

config::Options OptionsOf(Flags& flags) {
  config::Options options = {
      Flag("listen", flags.listen, CheckListen,
           "addresses for HTTP without TLS, host:port, comma separated; empty: none"),
      Flag("tls_listen", flags.tls_listen, CheckListen,
           "addresses for HTTP with TLS, host:port, comma separated; empty: none"),
      Flag("plaintext_networks", flags.plaintext_networks_text,
           "networks whose clients may call without TLS, comma separated: their keys go in clear"),
      Flag("cors_origins", flags.cors_origins, CheckCorsOrigin,
           "origins of pages that may call from a browser (CORS), https://host or http://host:port each, "
           "comma "
           "separated; empty: none"),
      Flag("autoconfig_pop3s", flags.autoconfig_pop3s,
           "host:port where mail programs reach POP3 with TLS from the first byte, which they are told for "
           "the domains "
           "here; empty: they are told nothing"),
      Flag("autoconfig_submissions", flags.autoconfig_submissions,
           "the same of submission with TLS from the first byte; empty: there is none"),
      Flag("autoconfig_submission", flags.autoconfig_submission,
           "the same of submission with STARTTLS; empty: there is none"),
      Flag("mta_sts_mx", flags.sts_settings.mx, CheckStsHost,
           "the hosts that take mail here, as MX records name them, comma separated, for the policies of "
           "MTA-STS that are served for domains here; empty: none is"),
      Flag("mta_sts_max_age", flags.sts_settings.max_age, Between(absl::ZeroDuration(), mailauth::kMaxStsAge),
           "how long senders keep such a policy; 0: a day, or two weeks when it is enforced"),
      Flag("max_request_bytes", flags.max_request_bytes, Between(1024, kMostRequestBytes),
           "the largest request, as it comes and unpacked"),
      Flag("body_memory", flags.body_memory, Between(kLeastBodyMemory, int64_t{1} << 40),
           "the bodies of all requests and responses together; beyond it calls are refused. At least four "
           "times --max_request_bytes"),
      Flag("max_streams", flags.max_streams, Between(1, 1000),
           "requests at the same time on one connection of HTTP/2"),
      Flag("idle_timeout", flags.timeouts.idle, Between(kLeastTimeout, absl::Hours(24)),
           "silence between requests that ends a connection"),
      Flag("head_timeout", flags.timeouts.head, Between(kLeastTimeout, absl::Hours(1)),
           "what a client may take to send the head of a request"),
      Flag("body_timeout", flags.timeouts.body, Between(kLeastTimeout, absl::Hours(24)),
           "what a client may take to send its body"),
      Flag("write_timeout", flags.timeouts.write, Between(kLeastTimeout, absl::Hours(1)),
           "how long a client may take nothing of a response"),
      Flag("store_timeout", flags.timeouts.store_call, Between(kLeastTimeout, absl::Minutes(10)),
           "deadline of one call to the store; clients may name a shorter one"),
      Flag("stream_timeout", flags.timeouts.stream, Between(kLeastTimeout, absl::Hours(24 * 7)),
           "the same of a call that is answered by a stream"),
      Flag("webhook_workers", flags.webhook_workers, Between(0, 1000),
           "webhooks that this process sends at a time; 0: none"),
      Flag("webhook_timeout", flags.webhook_timeout, Between(kLeastTimeout, absl::Minutes(5)),
           "what a receiver of webhooks may take for its answer"),
      Flag("webhook_allow_networks", flags.webhook_allow_networks_text,
           "networks that webhooks may be posted to whatever they are (private, loopback), comma separated"),
      Flag("webhook_plaintext_networks", flags.webhook_plaintext_networks_text,
           "networks that webhooks may be posted to without TLS, comma separated"),
      Flag("dns_servers", flags.dns_servers_text,
           "DNS servers that are asked where webhooks' hosts are, comma separated, as 127.0.0.1 or "
           "[2001:db8::53]:53; empty: the system's"),
      Flag("public_url", flags.public_url,
           "where clients reach this server, for links in what webhooks post: https://mail.example.org; "
           "empty: there are no links"),
  };
  Append(options, OptionsOf(flags.frontend));
  return options;
}

Flags ReadFlags(int argc, char** argv) {
  Flags flags;
  const config::Options options = OptionsOf(flags);
  config::ParseCommandLine(kProgram, options, argc, argv);
  config::Checker check;
  CheckOptions(options, check);
  Finish(flags.frontend, check);
  check.That(!flags.listen.empty() || !flags.tls_listen.empty(), "listen",
             "this and --tls_listen are both empty");
  check.That(!InBounds(flags) || flags.body_memory / kBodyMemoryFactor >= flags.max_request_bytes,
             "body_memory", "must be at least four times --max_request_bytes");
  ReadMailSettings(flags, check);
  check.That(flags.sts_settings.mx.size() <= mailauth::kMaxStsPatterns, "mta_sts_mx",
             absl::StrCat("must be at most ", mailauth::kMaxStsPatterns));
  absl::StatusOr<net::NetworkList> plaintext = net::NetworkList::Parse(flags.plaintext_networks_text);
  check.Ok("plaintext_networks", plaintext.status());
  if (plaintext.ok()) flags.plaintext_networks = *std::move(plaintext);
  absl::StatusOr<net::NetworkList> allowed = net::NetworkList::Parse(flags.webhook_allow_networks_text);
  check.Ok("webhook_allow_networks", allowed.status());
  if (allowed.ok()) flags.webhook_allow_networks = *std::move(allowed);
  absl::StatusOr<net::NetworkList> in_clear = net::NetworkList::Parse(flags.webhook_plaintext_networks_text);
  check.Ok("webhook_plaintext_networks", in_clear.status());
  if (in_clear.ok()) flags.webhook_plaintext_networks = *std::move(in_clear);
  absl::StatusOr<std::vector<dns::Server>> servers = dns::ParseServers(flags.dns_servers_text);
  check.Ok("dns_servers", servers.status());
  if (servers.ok()) flags.dns_servers = *std::move(servers);
  while (absl::EndsWith(flags.public_url, "/")) flags.public_url.pop_back();
  check.That(flags.public_url.empty() || absl::StartsWith(flags.public_url, "https://") ||
                 absl::StartsWith(flags.public_url, "http://"),
             "public_url", "must begin with https:// or http://");
  check.ExitIfBad(kProgram.name);
  return flags;
}

}  // namespace mailstead::web
