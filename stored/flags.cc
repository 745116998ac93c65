#include "stored/flags.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/config/config.h"
#include "common/net/host_name.h"
#include "common/net/listener.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

using config::Between;
using config::Flag;

constexpr config::Program kProgram{"stored",
                                   "Keeps accounts, mail and locks for smtpd and pop3d, behind a gRPC API."};

// gRPC takes names too ("stored:7070"); a port it cannot use it would replace by another without a word.
absl::Status CheckListen(const std::string& address) {
  int port = -1;
  const size_t colon = address.rfind(':');
  const bool has_port = colon != 0 && colon != std::string::npos &&
                        absl::SimpleAtoi(absl::string_view(address).substr(colon + 1), &port) && port >= 0 &&
                        port <= 65535;
  if (absl::StartsWith(address, "unix:") || has_port) return absl::OkStatus();
  return absl::InvalidArgumentError("must be host:port or unix:/path");
}

absl::Status CheckAdminListen(const std::string& address) { return net::CheckListenAddress(address); }

absl::Status CheckPostmaster(const std::string& address) {
  const absl::Status status = CheckAddress("postmaster", address).status();
  // The message names the field, as the API wants it; the flag is named already.
  return absl::Status(status.code(), absl::StripPrefix(status.message(), "postmaster: "));
}

absl::Status CheckContact(const std::string& address) {
  const absl::Status status = CheckAddress("tls_report_contact", address).status();
  return absl::Status(status.code(), absl::StripPrefix(status.message(), "tls_report_contact: "));
}

// With a local part of 64 octets an address has 254 at most (RFC 5321 section 4.5.3.1.3).
constexpr size_t kMaxSrsDomainBytes = 189;
// Hosts try for five days, and more, to bring back what they could not deliver (RFC 5321 section 4.5.4.1).
constexpr absl::Duration kSrsBounceTime = absl::Hours(7 * 24);

absl::Status CheckSrsDomain(const std::string& domain) {
  const absl::StatusOr<std::string> name = CheckDomainName("srs_domain", domain);
  if (!name.ok())
    return absl::Status(name.status().code(), absl::StripPrefix(name.status().message(), "srs_domain: "));
  if (name->size() > kMaxSrsDomainBytes)
    return absl::InvalidArgumentError("must have at most 189 characters");
  return absl::OkStatus();
}

constexpr size_t kMaxRetries = 50;

absl::StatusOr<std::vector<absl::Duration>> ParseSchedule(absl::string_view text) {
  std::vector<absl::Duration> schedule;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    absl::Duration wait;
    if (!absl::ParseDuration(absl::StripAsciiWhitespace(part), &wait) || wait < absl::Seconds(1) ||
        wait > absl::Hours(24 * 7)) {
      return absl::InvalidArgumentError("must be durations from 1s to 168h, as 6m,1h,4h");
    }
    schedule.push_back(wait);
  }
  if (schedule.size() > kMaxRetries) return absl::InvalidArgumentError("must be at most 50 durations");
  return schedule;
}

constexpr int32_t kMaxSessions = 1000;
constexpr int32_t kMaxRate = 1'000'000;

struct Rate {
  int32_t count = 0;
  absl::Duration period = absl::Minutes(1);
};

absl::StatusOr<Rate> ParseRate(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('/', 1));
  Rate rate;
  const bool has_period = absl::StrContains(text, '/');
  if (!absl::SimpleAtoi(parts.first, &rate.count) || rate.count < 0 || rate.count > kMaxRate ||
      (has_period && (!absl::ParseDuration(parts.second, &rate.period) || rate.period < absl::Seconds(1) ||
                      rate.period > absl::Hours(24)))) {
    return absl::InvalidArgumentError(
        "must be a number a minute up to 1000000, as 100, or a number in 1s to 24h, as 100/1m; 0: no limit");
  }
  return rate;
}

// What concerns several flags, or is made of one.
void CheckTogether(Flags& flags, config::Checker& check) {
  if (flags.hostname.empty()) flags.hostname = net::MachineName();
  check.That(net::IsHostName(flags.hostname), "hostname", "must be a host name of at most 255 characters");
  absl::StatusOr<std::vector<absl::Duration>> schedule = ParseSchedule(flags.retry_schedule_text);
  check.Ok("retry_schedule", schedule.status());
  if (schedule.ok()) flags.queue_policy.retry_schedule = *std::move(schedule);
  const absl::StatusOr<Rate> rate = ParseRate(flags.delivery_rate_text);
  check.Ok("delivery_rate", rate.status());
  if (rate.ok()) {
    flags.queue_policy.rate_count = rate->count;
    flags.queue_policy.rate_period = rate->period;
  }
  if (!flags.srs_domain.empty() && CheckSrsDomain(flags.srs_domain).ok()) {
    check.That(!flags.secrets_key_file.empty(), "srs_domain", "needs --secrets_key_file, for its secrets");
    check.That(flags.srs_lifetime >= flags.queue_lifetime + kSrsBounceTime, "srs_lifetime",
               "must be 168h more than --queue_lifetime at least, for what comes back to mail that was sent "
               "on late");
  }
  check.That(!flags.data_dir.empty(), "data_dir", "must not be empty");
  check.OneOf("engine", flags.engine, {"rocksdb"});
  check.Ok("listen", CheckListen(flags.listen));
  if (!flags.tls_listen.empty()) {
    const absl::Status listen = CheckListen(flags.tls_listen);
    check.Ok("tls_listen", listen);
    check.That(!listen.ok() || !flags.tls_cert_file.empty(), "tls_listen", "needs --tls_cert");
  }
  check.That(!flags.operator_token_file.empty() || !flags.tls_client_ca_file.empty(), "operator_token_file",
             "is needed, or --tls_client_ca: else nobody may call");
  check.That(flags.tls_cert_file.empty() == flags.tls_key_file.empty(), "tls_key",
             "is needed with --tls_cert, and only with it");
  check.That(flags.tls_client_ca_file.empty() || !flags.tls_cert_file.empty(), "tls_client_ca",
             "needs --tls_cert");
  check.Within("auth_max_delay", flags.throttle.max_delay, flags.throttle.first_delay, absl::Minutes(2));
}

config::Options ThrottleRows(ThrottleOptions& throttle) {
  constexpr config::Interval<absl::Duration> kMoment = Between(absl::Milliseconds(1), absl::Minutes(1));
  constexpr config::Interval<absl::Duration> kWhile = Between(absl::Milliseconds(1), absl::Hours(24));
  return {
      Flag("auth_failure_delay", throttle.first_delay, kMoment,
           "a wrong password is answered this long after it came"),
      Flag("auth_max_delay", throttle.max_delay, "the delay doubles up to this"),
      Flag("auth_failures_before_delay", throttle.failures_before_delay, Between(0, 1'000'000),
           "wrong passwords after which the delay begins to double"),
      Flag("auth_lockout_failures", throttle.lockout_failures, Between(1, 1'000'000),
           "wrong passwords for one account from one network that lock it out there"),
      Flag("auth_network_lockout_failures", throttle.network_lockout_failures, Between(1, 1'000'000),
           "wrong passwords from one network, for all accounts, that lock the network out"),
      Flag("auth_lockout_time", throttle.lockout_time, kWhile, "how long a lock-out lasts"),
      Flag("auth_failure_half_life", throttle.half_life, kWhile, "after this a wrong password counts half"),
      Flag("auth_known_for", throttle.known_for, Between(absl::ZeroDuration(), absl::Hours(365 * 24)),
           "for so long after a login an account is not locked out in that network by what others fail at"),
  };
}

config::Options SendingRows(Flags& flags) {
  constexpr config::Interval<int64_t> kCount = Between(int64_t{0}, int64_t{1'000'000'000});
  rules::SendingBounds& bounds = flags.sending_bounds;
  rules::PauseThresholds& thresholds = flags.pause_thresholds;
  return {
      Flag("account_hourly_messages", bounds.hourly_messages, kCount,
           "most messages to other hosts of one account in an hour, over all front-ends; 0: no limit"),
      Flag("account_daily_messages", bounds.daily_messages, kCount, "the same in a day"),
      Flag("account_hourly_recipients", bounds.hourly_recipients, kCount,
           "most recipients at other hosts of one account in an hour, over all front-ends; 0: no limit"),
      Flag("account_daily_recipients", bounds.daily_recipients, kCount, "the same in a day"),
      Flag("pause_new_recipients", thresholds.new_recipients, kCount,
           "an account that writes to so many in an hour whom it has never written to is paused, as its "
           "password may be "
           "stolen; 0: never"),
      Flag("pause_refusals", thresholds.refusals, kCount,
           "an account of which other hosts refuse so many recipients in a day is paused, where these are "
           "--pause_refusal_percent of all; 0: never"),
      Flag("pause_refusal_percent", thresholds.refusal_percent, Between(int64_t{0}, int64_t{100}),
           "see --pause_refusals"),
  };
}

}  // namespace

config::Options OptionsOf(Flags& flags) {
  config::Options options = {
      Flag("data_dir", flags.data_dir, "folder of all data; made when it is missing"),
      Flag("engine", flags.engine, "what keeps the data: rocksdb"),
      Flag("backup_dir", flags.backup_dir,
           "folder, which must exist, for the backups that mailctl backup makes; empty: none"),
      Flag("listen", flags.listen, "address of the API, host:port or unix:/path"),
      Flag("tls_listen", flags.tls_listen,
           "second address of the API, for callers on other hosts, host:port: TLS is spoken there, and "
           "plaintext at --listen; "
           "empty: none, and --tls_cert is for --listen"),
      Flag("address_file", flags.address_file,
           "file that gets the bound address, host:port, after the start; empty: none"),
      Flag("admin_listen", flags.admin_listen, CheckAdminListen,
           "address for /metrics, /healthz and /readyz, host:port; empty: none"),

      Flag("smtp_token_file", flags.smtp_token_file,
           "file with the token of smtpd; made when it is missing; empty: no such token"),
      Flag("pop_token_file", flags.pop_token_file,
           "file with the token of pop3d; made when it is missing; empty: no such token"),
      Flag("relay_token_file", flags.relay_token_file,
           "file with the token of what brings mail to other hosts; made when it is missing; empty: no such "
           "token"),
      Flag("web_token_file", flags.web_token_file,
           "file with the token of webd; made when it is missing; empty: no such token"),
      Flag("operator_token_file", flags.operator_token_file,
           "file with the token of operators; made when it is missing; empty: no such token"),
      Flag("secrets_key_file", flags.secrets_key_file,
           "file with the key that passwords of routes, keys of DKIM and secrets of SRS are sealed under; "
           "made when it is "
           "missing; belongs outside the data folder and its backups; empty: there are none of these"),
      Flag("tls_cert", flags.tls_cert_file,
           "PEM file with the API's certificate chain, leaf first, read again when it changes; empty: no "
           "TLS"),
      Flag("tls_key", flags.tls_key_file, "PEM file with its key"),
      Flag("tls_client_ca", flags.tls_client_ca_file,
           "PEM file of the authority that signs callers' certificates, whose subject CN or DNS name is "
           "smtp, pop, relay or operator, or one that an API key names; a caller without a certificate needs "
           "a token or "
           "key"),

      Flag("max_message_bytes", flags.max_message_bytes, Between(64 << 10, int64_t{4} << 30),
           "largest message, trace header included"),
      Flag("min_free_bytes", flags.min_free_bytes, Between(0, int64_t{1} << 50),
           "mail is refused when the file system has less free space than this"),
      Flag("receipt_age", flags.receipt_age, Between(absl::Minutes(10), absl::Hours(24 * 365)),
           "how long a delivery is remembered, so that a repeat of it stores nothing"),
      Flag("submission_age", flags.submission_age, Between(absl::Seconds(1), absl::Hours(24 * 365)),
           "how long what became of mail that was submitted by calls is kept after its end"),
      Flag("account_submissions", flags.account_submissions, Between(1, 1'000'000'000),
           "submissions that are kept of one account at most; the oldest that have ended make room"),
      Flag("change_age", flags.change_age, Between(absl::Seconds(10), absl::Hours(24 * 365)),
           "how long the change feed keeps what has happened, for programs that watch"),
      Flag("change_count", flags.change_count, Between(1000, 1'000'000'000),
           "changes that the feed keeps at most; the oldest of more are forgotten"),
      Flag("watch_write_timeout", flags.watch_write_timeout, Between(absl::Seconds(1), absl::Minutes(10)),
           "a stream of Watch ends when its reader takes nothing for so long"),
      Flag("max_watches", flags.max_watches, Between(1, 1'000'000),
           "streams of Watch at the same time, of all callers"),
      Flag("postmaster", flags.postmaster, CheckPostmaster,
           "address that takes mail for the postmaster of domains without one; empty: a domain's first "
           "account"),
      Flag("srs_domain", flags.srs_domain, CheckSrsDomain,
           "domain of the senders under which mail that aliases lead to other hosts goes out (SRS), and at "
           "which what comes "
           "back for it is taken; its MX records lead here; empty: such mail keeps its sender"),
      // The stamp counts 1024 days.
      Flag("srs_lifetime", flags.srs_lifetime, Between(absl::Hours(24), absl::Hours(1000 * 24)),
           "how long after mail was sent on what comes back for it is taken"),
      Flag("srs_hash_length", flags.srs_hash_length,
           Between(srs::kMinHashCharacters, srs::kMaxHashCharacters),
           "characters of the signature in such a sender; what was signed with fewer is refused"),
      Flag("hostname", flags.hostname,
           "our name in notices to senders, which come from MAILER-DAEMON there; empty: the machine's"),
      Flag("retry_schedule", flags.retry_schedule_text,
           "how long after its first, second, ... try mail for another host is tried again, comma separated; "
           "the last "
           "repeats"),
      Flag("delivery_sessions", flags.queue_policy.max_window, Between(1, kMaxSessions),
           "most sessions at a time with the hosts of a domain, of all relays together; domains with the "
           "same hosts share them"),
      Flag(
          "delivery_initial_sessions", flags.queue_policy.initial_window, Between(1, kMaxSessions),
          "sessions at a time with hosts of which nothing is known yet; never more than --delivery_sessions"),
      Flag("delivery_rate", flags.delivery_rate_text,
           "most attempts to bring mail to the hosts of a domain, of all relays together, evenly spaced: a "
           "number a minute, as 100, or in a time, as 1000/1h; 0: no limit"),
      // RFC 5321 section 4.5.4.1: at least 4 to 5 days.
      Flag("queue_lifetime", flags.queue_lifetime, Between(absl::Seconds(1), absl::Hours(24 * 365)),
           "how long mail for another host is tried before it is returned to its sender"),
      Flag("delay_notice_after", flags.delay_notice_after,
           Between(absl::ZeroDuration(), absl::Hours(24 * 365)),
           "how long mail waits before its sender is told that it does; 0s: never"),

      Flag("tls_report_contact", flags.tls_report_contact, CheckContact,
           "address that reports on TLS (RFC 8460) to the domains that mail goes to come from, and where "
           "their receivers "
           "may ask; empty: there are none"),
      Flag("tls_report_organization", flags.tls_report_organization,
           "who the reports say they are from; empty: --hostname"),
      Flag("tls_report_period", flags.tls_report_period, Between(absl::Seconds(1), absl::Hours(7 * 24)),
           "what one report is about, in whole stretches since 1970 in UTC; receivers expect a day; for "
           "tests"),

      Flag("audit_age", flags.audit.age, Between(absl::Hours(1), absl::Hours(24 * 3650)),
           "how long entries of the audit are kept in the store"),
      Flag("audit_entries", flags.audit.entries, Between(int64_t{100}, int64_t{100'000'000}),
           "most entries of the audit that are kept: so many of changes of mail, so many of all other "
           "changes, and a tenth of "
           "refusals; about 300 bytes each"),

      Flag("scram_iterations", flags.scram_iterations, Between(kMinScramIterations, kMaxScramIterations),
           "PBKDF2 iterations of new passwords"),
      Flag("credential_cache_ttl", flags.credential_cache_ttl, Between(absl::ZeroDuration(), absl::Hours(24)),
           "how long a right password costs no hashing; 0s: never"),

      // RFC 9325 section 3.4: a key at least once a week.
      Flag("ticket_key_period", flags.ticket_key_period, Between(absl::Seconds(1), absl::Hours(7 * 24)),
           "how long replicas of a front-end use a key of TLS session tickets before they get another"),

      Flag("block_cache_bytes", flags.block_cache_bytes, Between(1 << 20, int64_t{1} << 40),
           "memory for what was read lately"),
      Flag("rpc_memory_bytes", flags.rpc_memory_bytes, Between(16 << 20, int64_t{1} << 40),
           "memory for calls on their way, of all callers together"),
      Flag("stream_time", flags.stream_time, Between(absl::Seconds(1), absl::Hours(24)),
           "a streaming call without a deadline ends after this"),
      Flag("max_stream_time", flags.max_stream_time, Between(absl::Seconds(1), absl::Hours(24)),
           "every streaming call ends after this; one that is there to stay is begun again by its caller"),
      Flag("threads", flags.threads, Between(0, 1024), "threads for disk reads; 0: four per core"),
      Flag("drain_timeout", flags.drain_timeout, Between(absl::ZeroDuration(), absl::Hours(1)),
           "how long calls may go on after SIGTERM"),
  };
  Append(options, SendingRows(flags));
  Append(options, ThrottleRows(flags.throttle));
  Append(options, OptionsOf(flags.log));
  return options;
}

Flags ReadFlags(int argc, char** argv) {
  Flags flags;
  const config::Options options = OptionsOf(flags);
  config::ParseCommandLine(kProgram, options, argc, argv);
  config::Checker check;
  CheckOptions(options, check);
  CheckTogether(flags, check);
  check.ExitIfBad(kProgram.name);
  return flags;
}

}  // namespace mailstead::stored
