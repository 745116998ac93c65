#include "mailctl/doctor/own_host.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "asio/ip/address_v4.hpp"
#include "asio/ip/address_v6.hpp"
#include "common/text/utf8.h"

namespace mailstead::ctl {
namespace {

using Level = CheckLine::Level;
using Lines = std::vector<CheckLine>;

// Addresses of a host that are looked at, and names that an address leads to.
constexpr size_t kMaxAddresses = 8;
constexpr size_t kMaxPointers = 5;
constexpr size_t kMaxShownBytes = 300;
// Before a certificate ends there should be time to do something about it.
constexpr absl::Duration kSoon = absl::Hours(24 * 14);

// The port of other hosts, wherever it is.
bool IsMx(const MailPort& port) { return port.name == "smtp"; }

asio::awaitable<dns::Answer> Ask(CheckContext& context, std::string name, dns::Type type) {
  dns::Question question{std::move(name), type};
  co_return co_await context.resolver.Ask(std::move(question), context.steady.Now() + context.dns_timeout);
}

std::vector<asio::ip::address> AddressesOf(const dns::Answer& answer) {
  std::vector<asio::ip::address> addresses;
  for (const dns::Record& record : answer.records) {
    if (const auto* v4 = std::get_if<dns::Ipv4Bytes>(&record))
      addresses.emplace_back(asio::ip::address_v4(*v4));
    if (const auto* v6 = std::get_if<dns::Ipv6Bytes>(&record))
      addresses.emplace_back(asio::ip::address_v6(*v6));
  }
  return addresses;
}

struct HostAddresses {
  std::vector<asio::ip::address> addresses;
  // Of a question that had no answer; kNone: there was none.
  dns::Failure failure = dns::Failure::kNone;
};

asio::awaitable<HostAddresses> FindAddresses(CheckContext& context, std::string host) {
  HostAddresses found;
  for (const dns::Type type : {dns::Type::kA, dns::Type::kAaaa}) {
    const dns::Answer answer = co_await Ask(context, host, type);
    if (answer.outcome == dns::Outcome::kFailed) found.failure = answer.failure;
    for (const asio::ip::address& address : AddressesOf(answer)) {
      if (found.addresses.size() < kMaxAddresses) found.addresses.push_back(address);
    }
  }
  co_return found;
}

CheckLine NotAnswered(std::string subject, std::string name, dns::Failure failure) {
  return {Level::kError,
          std::move(subject),
          std::move(name),
          "",
          "",
          absl::StrCat("The DNS does not answer (", dns::FailureText(failure),
                       "): try again, or look at the DNS servers that are asked (--dns_servers).")};
}

// RFC 8601 section 2.7.3 calls it iprev: the address leads to a name, and the name back to the address.
asio::awaitable<CheckLine> CheckReverse(CheckContext& context, std::string host, asio::ip::address address) {
  CheckLine line{Level::kError, "PTR", ReverseName(address), "", host, ""};
  const dns::Answer answer = co_await Ask(context, line.name, dns::Type::kPtr);
  if (answer.outcome == dns::Outcome::kFailed) co_return NotAnswered("PTR", line.name, answer.failure);
  std::vector<std::string> names;
  for (const dns::Record& record : answer.records) {
    const auto* pointer = std::get_if<dns::Pointer>(&record);
    if (pointer != nullptr && names.size() < kMaxPointers)
      names.push_back(absl::AsciiStrToLower(pointer->name));
  }
  if (names.empty()) {
    line.text = absl::StrCat("Many hosts take no mail from an address without a name: whoever gave you ",
                             address.to_string(), " can set its PTR record to ", host, ".");
    co_return line;
  }
  line.found = PrintableUtf8(absl::StrJoin(names, ", "), kMaxShownBytes);
  std::string confirmed;
  for (const std::string& name : names) {
    const HostAddresses back = co_await FindAddresses(context, name);
    const bool leads_back =
        std::find(back.addresses.begin(), back.addresses.end(), address) != back.addresses.end();
    if (leads_back && (confirmed.empty() || name == host)) confirmed = name;
  }
  if (confirmed.empty()) {
    line.text = absl::StrCat(
        "The name has not this address in the DNS, so that many hosts take it for forged: set the PTR record "
        "of ",
        address.to_string(), " to ", host, ".");
    co_return line;
  }
  line.level = Level::kOk;
  line.wanted.clear();
  line.text = confirmed == host
                  ? "The address and the name lead to one another."
                  : absl::StrCat("They lead to one another, by another name than ", host, ": that will do.");
  co_return line;
}

std::string PlaceOf(const std::string& address, const MailPort& port) {
  return absl::StrContains(address, ':') ? absl::StrCat("[", address, "]:", port.port)
                                         : absl::StrCat(address, ":", port.port);
}

// The name in "mx.example.test ESMTP".
std::string NameInGreeting(absl::string_view greeting) {
  const std::vector<absl::string_view> words = absl::StrSplit(greeting, absl::MaxSplits(' ', 1));
  return absl::AsciiStrToLower(words.front());
}

// Other hosts deliver to a certificate that nobody would trust, unless DANE or MTA-STS asks for more; programs of users do not.
Level LevelOfTls(const MailPort& port) { return IsMx(port) ? Level::kWarning : Level::kError; }

void JudgeCertificate(const std::string& host, const std::string& address, const SeenPort& seen,
                      bool has_tlsa, absl::Time now, Lines& lines) {
  const CertificateView& certificate = *seen.view.certificate;
  const bool is_mx = IsMx(seen.port);
  const Level level = is_mx ? Level::kWarning : Level::kError;
  const std::string name = absl::StrCat(seen.port.name, " ", PlaceOf(address, seen.port));
  const std::string ends = absl::FormatTime("%Y-%m-%d", certificate.end, absl::UTCTimeZone());
  const std::string found = absl::StrCat("for ", certificate.names, ", until ", ends);
  const size_t before = lines.size();
  const auto add = [&](Level which, std::string wanted, std::string text) {
    lines.push_back({which, "certificate", name, found, std::move(wanted), std::move(text)});
  };
  if (certificate.end <= now) {
    add(Level::kError, "",
        "It has ended: put a new one into the files of --tls_cert and --tls_key, which are read again by "
        "themselves.");
  } else if (certificate.end - now < kSoon) {
    add(Level::kWarning, "",
        "It ends soon: put a new one into the files of --tls_cert and --tls_key, which are read again by "
        "themselves.");
  }
  if (!certificate.names_host) {
    add(level, absl::StrCat("for ", host),
        is_mx ? "It is not for the host's name: senders with MTA-STS take it for a forgery."
              : "It is not for the host's name: mail programs refuse it.");
  } else if (!certificate.untrusted.empty() && certificate.end > now) {
    add(level, "from a CA that others trust",
        absl::StrCat("Who checks it does not trust it (", certificate.untrusted,
                     "): ", is_mx ? "senders with MTA-STS send nothing." : "mail programs refuse it."));
  }
  if (is_mx && has_tlsa && !seen.view.matches_tlsa) {
    add(Level::kError, "as a TLSA record of the host says",
        absl::StrCat("Senders with DANE send nothing to ", host,
                     ": publish a TLSA record for this certificate, and keep the one of the next before you "
                     "change it."));
  }
  if (lines.size() == before)
    add(Level::kOk, "", is_mx && has_tlsa ? "It is good, and as a TLSA record says." : "It is good.");
}

// One of a pair of ports is enough for users.
struct Use {
  absl::string_view first;
  absl::string_view second;
  absl::string_view text;
};
constexpr Use kUses[] = {
    {"submission", "submissions", "Users cannot send from elsewhere: open one of the two ports to smtpd."},
    {"pop3", "pop3s", "Users cannot fetch from elsewhere: open one of the two ports to pop3d."},
};

void JudgeUse(const Use& use, const std::string& address, const std::vector<SeenPort>& seen, Lines& lines) {
  std::vector<std::string> closed;
  for (const SeenPort& port : seen) {
    if (port.port.name != use.first && port.port.name != use.second) continue;
    if (port.view.problem.empty()) return;
    closed.push_back(absl::StrCat(port.port.name, " ", PlaceOf(address, port.port), ": ", port.view.problem));
  }
  if (closed.empty()) return;
  lines.push_back({Level::kWarning, "ports", absl::StrCat(use.first, ", ", use.second),
                   absl::StrJoin(closed, "; "), "", std::string(use.text)});
}

}  // namespace

const std::vector<MailPort>& MailPorts() {
  using Protocol = MailPort::Protocol;
  static const std::vector<MailPort> ports = {
      {"smtp", 25, Protocol::kSmtp, false},        {"submission", 587, Protocol::kSmtp, false},
      {"submissions", 465, Protocol::kSmtp, true}, {"pop3", 110, Protocol::kPop3, false},
      {"pop3s", 995, Protocol::kPop3, true},
  };
  return ports;
}

std::string ReverseName(const asio::ip::address& address) {
  std::string name;
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte)
      absl::StrAppend(&name, static_cast<int>(*byte), ".");
    return absl::StrCat(name, "in-addr.arpa");
  }
  const auto bytes = address.to_v6().to_bytes();
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    absl::StrAppendFormat(&name, "%x.%x.", *byte & 0xf, *byte >> 4);
  }
  return absl::StrCat(name, "ip6.arpa");
}

asio::awaitable<Lines> CheckNames(CheckContext& context, std::string host) {
  Lines lines;
  const HostAddresses found = co_await FindAddresses(context, host);
  if (found.addresses.empty()) {
    if (found.failure != dns::Failure::kNone) {
      lines.push_back(NotAnswered("host", host, found.failure));
    } else {
      lines.push_back({Level::kError, "host", host, "", "an address",
                       "Nobody finds this system by its name: give it an A or AAAA record."});
    }
    co_return lines;
  }
  std::vector<std::string> texts;
  for (const asio::ip::address& address : found.addresses) texts.push_back(address.to_string());
  lines.push_back({Level::kOk, "host", host, absl::StrJoin(texts, ", "), "", "It has addresses."});
  for (const asio::ip::address& address : found.addresses) {
    CheckLine line = co_await CheckReverse(context, host, address);
    lines.push_back(std::move(line));
  }
  co_return lines;
}

Lines JudgePorts(const std::string& host, const std::string& address, const std::vector<SeenPort>& seen,
                 bool has_tlsa, absl::Time now) {
  Lines lines;
  for (const SeenPort& port : seen) {
    const bool is_mx = IsMx(port.port);
    const std::string name = absl::StrCat(port.port.name, " ", PlaceOf(address, port.port));
    if (!port.view.problem.empty()) {
      // The others: JudgeUse.
      if (is_mx) {
        lines.push_back({Level::kError, "ports", name, port.view.problem, "",
                         "Other hosts cannot bring mail, if they see what this machine sees: let smtpd "
                         "listen there (--mx_listen), and "
                         "let the port through the firewall."});
      }
      continue;
    }
    lines.push_back({Level::kOk, "ports", name, port.view.greeting, "", "It answers."});
    if (is_mx && NameInGreeting(port.view.greeting) != host) {
      lines.push_back({Level::kWarning, "ports", name, port.view.greeting, host,
                       "The greeting has another name than the DNS: start smtpd with --hostname, or name "
                       "that host in the MX record."});
    }
    if (!port.view.tls_problem.empty()) {
      lines.push_back({LevelOfTls(port.port), "ports", name, port.view.tls_problem, "TLS",
                       is_mx ? "Mail comes in the clear, and not at all from those who want TLS."
                             : "Passwords would go in the clear, or not at all."});
    }
    if (port.view.certificate.has_value()) JudgeCertificate(host, address, port, has_tlsa, now, lines);
  }
  for (const Use& use : kUses) JudgeUse(use, address, seen, lines);
  return lines;
}

asio::awaitable<Lines> CheckPorts(CheckContext& context, HostPlan plan, PortLooker look, absl::Time now) {
  std::vector<std::string> addresses = plan.addresses;
  if (addresses.empty()) {
    const HostAddresses found = co_await FindAddresses(context, plan.host);
    for (const asio::ip::address& address : found.addresses) addresses.push_back(address.to_string());
  }
  std::vector<dns::Tlsa> tlsa;
  const dns::Answer answer = co_await Ask(context, absl::StrCat("_25._tcp.", plan.host), dns::Type::kTlsa);
  for (const dns::Record& record : answer.records) {
    const auto* one = std::get_if<dns::Tlsa>(&record);
    if (one != nullptr && answer.secure) tlsa.push_back(*one);
  }
  Lines lines;
  for (const std::string& address : addresses) {
    std::vector<SeenPort> seen;
    for (const MailPort& port : plan.ports) {
      seen.push_back({port, look(port, address, plan.host, IsMx(port) ? tlsa : std::vector<dns::Tlsa>())});
    }
    for (CheckLine& line : JudgePorts(plan.host, address, seen, !tlsa.empty(), now))
      lines.push_back(std::move(line));
  }
  co_return lines;
}

}  // namespace mailstead::ctl
