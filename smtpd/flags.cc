#include "smtpd/flags.h"

#include <cstdint>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {
namespace {

using config::Between;
using config::Flag;
using frontend::CheckListen;

constexpr config::Program kProgram{"smtpd",
                                   "Takes mail in by SMTP (MX and submission) and hands it to the store."};
constexpr absl::Duration kLeastTimeout = absl::Milliseconds(100);

config::Options LimitRows(Limits& limits) {
  // RFC 5321 section 4.5.3.1 asks for 64 KiB and 100 recipients at least; a host of few words may want less.
  // Shorter lines and paths than it asks for would refuse addresses that are good.
  return {
      Flag("max_message_bytes", limits.max_message_bytes, Between(1, int64_t{1} << 40),
           "size of a message; announced with SIZE"),
      Flag("max_command_bytes", limits.max_command_bytes, Between(512, kMaxAuthLineBytes),
           "length of a command line with its CRLF; RFC 5321 asks for 512, extensions add to it"),
      Flag("max_path_bytes", limits.max_path_bytes, Between(kMaxPathBytes, kMaxAuthLineBytes),
           "length of a path with its angle brackets and source route; the mailbox in it has at most 254"),
      Flag("max_recipients", limits.max_recipients, Between(1, 100'000), "recipients in one transaction"),
      Flag("max_errors", limits.max_errors, Between(1, 1'000'000), "replies of 5yz that end a session"),
      Flag("max_commands", limits.max_commands, Between(0, 1'000'000'000),
           "commands that end a session; 0: no limit"),
      Flag("max_received_headers", limits.max_received_headers, Between(1, 10'000),
           "Received fields that make a message a loop"),
      Flag("bare_line_ends", limits.bare_line_ends,
           {{"refuse", BareLineEnds::kRefuse}, {"normalize", BareLineEnds::kNormalize}},
           "a message with a bare CR or LF: refuse (550 5.6.11) or normalize (make it CRLF)"),
      Flag("command_timeout", limits.command_timeout, Between(kLeastTimeout, absl::Hours(24)),
           "how long to wait for a command (RFC 5321 section 4.5.3.2)"),
      Flag("data_timeout", limits.data_timeout, Between(kLeastTimeout, absl::Hours(24)),
           "how long to wait for the next bytes of a message"),
      Flag("message_timeout", limits.message_timeout, Between(kLeastTimeout, absl::Hours(24)),
           "how long a message may take from DATA to its end"),
      Flag("tls_handshake_timeout", limits.tls_handshake_timeout, Between(kLeastTimeout, absl::Minutes(10)),
           "how long a TLS handshake may take"),
      Flag("greeting_delay", limits.greeting_delay, Between(absl::ZeroDuration(), absl::Minutes(1)),
           "wait before the greeting; a client that speaks in this time is refused. 0: only one whose bytes "
           "are there before ours"),
  };
}

config::Options TimeoutRows(outbound::Timeouts& timeouts) {
  const auto row = [](std::string name, absl::Duration& timeout, std::string what) {
    return Flag(std::move(name), timeout, Between(kLeastTimeout, absl::Hours(24)), std::move(what));
  };
  return {
      row("delivery_connect_timeout", timeouts.connect, "how long a connection to another host may take"),
      row("delivery_tls_handshake_timeout", timeouts.handshake,
          "how long a TLS handshake with another host may take"),
      row("delivery_greeting_timeout", timeouts.greeting,
          "how long to wait for its greeting (RFC 5321 section 4.5.3.2.1)"),
      row("delivery_ehlo_timeout", timeouts.hello,
          "for the reply to EHLO, HELO, STARTTLS, and each step of AUTH"),
      row("delivery_mail_timeout", timeouts.mail, "for the reply to MAIL (section 4.5.3.2.2)"),
      row("delivery_rcpt_timeout", timeouts.rcpt, "for the reply to RCPT (section 4.5.3.2.3)"),
      row("delivery_data_timeout", timeouts.data, "for the reply to DATA (section 4.5.3.2.4)"),
      row("delivery_block_timeout", timeouts.data_block,
          "for the host to take the next piece of the message (section 4.5.3.2.5)"),
      row("delivery_chunk_timeout", timeouts.chunk, "for the reply to BDAT, but for the last"),
      row("delivery_end_timeout", timeouts.final_dot,
          "for the reply to the end of the message (section 4.5.3.2.6); less than 10m sends mail twice"),
      row("delivery_rset_timeout", timeouts.reset,
          "for the reply to RSET, before the connection is given up"),
      row("delivery_message_timeout", timeouts.transaction,
          "how long a message may take from MAIL to its end, however little by little the host takes it"),
  };
}

config::Options DeliveryRows(Flags& flags) {
  return {
      Flag("delivery_workers", flags.delivery_workers, Between(0, 10'000),
           "messages that are brought to other hosts at a time, out of the store's queue; 0: none"),
      Flag("delivery_port", flags.delivery_port, Between(1, 65535),
           "port of hosts that the DNS names; for tests and odd sites"),
      Flag("delivery_timeout", flags.delivery_timeouts.cap, Between(kLeastTimeout, absl::Hours(24)),
           "none of the times below is longer than this; for tests and odd sites: less than 10m sends mail "
           "twice"),
      Flag("delivery_allow_networks", flags.delivery_allow_networks_text,
           "networks that mail may be sent to whatever they are (loopback, our own), comma separated; for "
           "tests"),
      Flag("delivery_allow_private", flags.delivery_allow_private,
           "send mail to hosts with private addresses that the DNS names"),
      Flag("delivery_own_hosts", flags.delivery_own_hosts_text,
           "names and addresses by which others reach this system, beside --hostname and the listeners, "
           "comma separated: mail "
           "that the DNS leads there would loop (5.4.6)"),
      Flag("delivery_dane", flags.delivery_dane,
           "authenticate hosts by their TLSA records (DANE, RFC 7672); only where --dns_trusted names "
           "servers, or "
           "what stands in for it, and these validate DNSSEC"),
      Flag("mta_sts", flags.mta_sts,
           "MTA-STS (RFC 8461): mail goes only to hosts that the recipients' domain names, under TLS, where "
           "its policy says so"),
      Flag("mta_sts_port", flags.mta_sts_port, Between(1, 65535),
           "port of the web servers that have these policies; for tests"),
      Flag("dns_servers", flags.dns_servers_text,
           "DNS servers, comma separated, as 127.0.0.1 or [2001:db8::53]:53; empty: the system's"),
      Flag("dns_trusted", flags.dns_trusted_text,
           "those of them that are believed about DNSSEC, as is the way to them; empty: 127.0.0.1 and ::1 "
           "where --dns_servers "
           "names them"),
  };
}

absl::Status TakeOwnHosts(Flags& flags) {
  for (const absl::string_view text :
       absl::StrSplit(flags.delivery_own_hosts_text, ',', absl::SkipWhitespace())) {
    const std::string host(absl::StripAsciiWhitespace(text));
    std::error_code not_an_address;
    const asio::ip::address address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) {
      flags.delivery_own_addresses.push_back(address);
      continue;
    }
    ASSIGN_OR_RETURN(std::string name, NormalizeDomain(host));
    flags.delivery_own_names.push_back(std::move(name));
  }
  return absl::OkStatus();
}

// What is made of several flags.
void FinishDelivery(Flags& flags, config::Checker& check) {
  absl::StatusOr<net::NetworkList> allowed = net::NetworkList::Parse(flags.delivery_allow_networks_text);
  check.Ok("delivery_allow_networks", allowed.status());
  if (allowed.ok()) flags.delivery_allow_networks = *std::move(allowed);
  check.Ok("delivery_own_hosts", TakeOwnHosts(flags));
  absl::StatusOr<std::vector<dns::Server>> servers = dns::ParseServers(flags.dns_servers_text);
  check.Ok("dns_servers", servers.status());
  if (servers.ok()) flags.dns_servers = *std::move(servers);
  absl::StatusOr<std::vector<dns::Server>> trusted = dns::ParseServers(flags.dns_trusted_text);
  check.Ok("dns_trusted", trusted.status());
  if (!trusted.ok()) return;
  flags.dns_trusted = trusted->empty() ? dns::TrustedByDefault(flags.dns_servers) : *std::move(trusted);
}

}  // namespace

config::Options OptionsOf(Flags& flags) {
  config::Options options = {
      Flag("mx_listen", flags.mx_listen, CheckListen,
           "addresses for mail from other hosts, host:port, comma separated; empty: none"),
      Flag("submission_listen", flags.submission_listen, CheckListen,
           "addresses for mail from users with STARTTLS, host:port, comma separated; empty: none"),
      Flag("submissions_listen", flags.submissions_listen, CheckListen,
           "addresses for mail from users with TLS from the first byte, host:port, comma separated; empty: "
           "none"),
      Flag("strict_ehlo", flags.strict_ehlo,
           "refuse EHLO and HELO on --mx_listen that name neither a domain nor an address literal (501 "
           "5.5.4)"),
      Flag("check_from", flags.check_from,
           "refuse submitted mail whose From or Sender has an address that the account may not send with "
           "(550 5.7.1), or nothing that can be read as one (550 5.6.0)"),
      Flag("max_messages_per_account_per_hour", flags.max_messages_per_account_per_hour,
           Between(0, 1'000'000'000),
           "messages an account may send in an hour through this process; 0: no limit"),
      Flag("store_timeout", flags.store_timeout, Between(kLeastTimeout, absl::Minutes(10)),
           "deadline of one call to the store"),
      Flag("store_retry_for", flags.store_retry_for, Between(absl::ZeroDuration(), absl::Minutes(10)),
           "how long a call is tried again while the store is away, before the client is told 451"),
      Flag("outcome_timeout", flags.outcome_timeout, Between(absl::ZeroDuration(), absl::Minutes(9)),
           "how long it is asked what became of a message that was perhaps sent to the store, before the "
           "client "
           "is told 451; clients wait 10m for the reply"),
  };
  Append(options, DeliveryRows(flags));
  Append(options, TimeoutRows(flags.delivery_timeouts));
  Append(options, LimitRows(flags.limits));
  Append(options, LoginOptionsOf(flags.frontend));
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
  FinishDelivery(flags, check);
  check.That(!flags.mx_listen.empty() || !flags.submission_listen.empty() ||
                 !flags.submissions_listen.empty() || flags.delivery_workers > 0,
             "mx_listen",
             "this, --submission_listen and --submissions_listen are all empty, and --delivery_workers is 0");
  check.ExitIfBad(kProgram.name);
  return flags;
}

}  // namespace mailstead::smtp
