#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/dns/server_list.h"
#include "common/mail/address.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/postmaster.h"
#include "mailctl/dns_check/check_text.h"
#include "mailctl/dns_check/domain_check.h"
#include "mailctl/dns_check/expectation.h"
#include "mailctl/dns_check/network.h"
#include "mailctl/doctor/own_host.h"
#include "mailctl/doctor/port_look.h"
#include "mailctl/doctor/system.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

using Level = CheckLine::Level;
using Lines = std::vector<CheckLine>;

// Of a store with more domains: the first. `domain check` looks at any.
constexpr int kMaxDomains = 20;
constexpr absl::Duration kDnsTimeout = absl::Seconds(20);
// RFC 6761 and RFC 2606: nobody can have them, and first try-outs do.
constexpr absl::string_view kReserved[] = {"test",  "example",     "invalid",     "localhost",
                                           "local", "example.com", "example.net", "example.org"};

bool IsReserved(absl::string_view domain) {
  return std::any_of(std::begin(kReserved), std::end(kReserved), [&](absl::string_view name) {
    return domain == name || absl::EndsWith(domain, absl::StrCat(".", name));
  });
}

void Append(Lines more, Lines& lines) {
  lines.insert(lines.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// Of the command line.
struct Wishes {
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<MailPort> ports;
  std::string dns_servers;
};

// "submission:2587".
absl::Status SetPort(const std::string& text, std::vector<MailPort>& ports) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  uint32_t number = 0;
  const auto port = std::find_if(ports.begin(), ports.end(),
                                 [&](const MailPort& one) { return one.name == parts.front(); });
  const bool is_number =
      parts.size() == 2 && absl::SimpleAtoi(parts[1], &number) && number > 0 && number <= 65535;
  if (port == ports.end() || !is_number) {
    return UsageError(
        absl::StrCat("--ports: ", Printable(text),
                     " is not one of smtp, submission, submissions, pop3 and pop3s, a colon and a number"));
  }
  port->port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

absl::StatusOr<Wishes> ReadWishes(const Arguments& arguments) {
  Wishes wishes;
  wishes.ports = MailPorts();
  wishes.dns_servers = arguments.Get("dns_servers");
  for (const std::string& text : arguments.GetAll("host")) {
    absl::StatusOr<std::string> name = NormalizeDomain(text);
    if (!name.ok() || name->front() == '[') {
      return UsageError(absl::StrCat("--host=", Printable(text), " is not the name of a host"));
    }
    wishes.hosts.push_back(*std::move(name));
  }
  for (const std::string& text : arguments.GetAll("address")) {
    asio::error_code error;
    const asio::ip::address address = asio::ip::make_address(text, error);
    if (error) return UsageError(absl::StrCat("--address=", Printable(text), " is not an address"));
    wishes.addresses.push_back(address.to_string());
  }
  const std::string ports = arguments.Get("ports");
  for (const absl::string_view text : absl::StrSplit(ports, ',', absl::SkipEmpty())) {
    RETURN_IF_ERROR(SetPort(std::string(text), wishes.ports));
  }
  return wishes;
}

absl::StatusOr<CheckLine> CheckPostmaster(Client& store, const std::string& domain) {
  ASSIGN_OR_RETURN(const Postmaster postmaster, FindPostmaster(store, domain));
  CheckLine line{Level::kOk,      "postmaster", PostmasterOf(domain),
                 postmaster.text, "",           "Somebody gets its mail."};
  if (postmaster.by_default) {
    line.level = postmaster.text == "nobody" ? Level::kError : Level::kWarning;
    line.wanted = "an account or alias";
    line.text = absl::StrCat("RFC 5321 section 4.5.1 wants somebody: mailctl alias add ", line.name, " WHO");
  }
  return line;
}

// Whether it resolves for us. What it cannot find out is told where it is asked for.
asio::awaitable<bool> Answers(dns::Resolver& resolver) {
  dns::Question question{".", dns::Type::kSoa};
  const dns::Answer answer = co_await resolver.Ask(std::move(question), Clock::Steady().Now() + kDnsTimeout);
  using dns::Failure;
  const bool nobody = answer.failure == Failure::kTimeout || answer.failure == Failure::kUnreachable;
  const bool unwilling = answer.failure == Failure::kRefused || answer.failure == Failure::kNoRecursion;
  co_return !nobody && !unwilling;
}

absl::StatusOr<Lines> CheckSystem(Client& store, absl::Time now) {
  ASSIGN_OR_RETURN(const v1::GetStatusResponse status, store.Call(store::kGetStatus, v1::GetStatusRequest()));
  ASSIGN_OR_RETURN(const v1::GetQueueStatusResponse queue,
                   store.Call(store::kGetQueueStatus, v1::GetQueueStatusRequest()));
  Lines lines = JudgeStore(status);
  lines.push_back(JudgeQueue(queue, now));
  lines.push_back(
      JudgeClock(IsClockSynchronized(), absl::FromUnixSeconds(status.start_time().seconds()), now));
  return lines;
}

absl::StatusOr<std::vector<std::string>> DomainsOf(Client& store, Lines& lines) {
  v1::ListDomainsRequest request;
  request.set_page_size(kMaxDomains);
  ASSIGN_OR_RETURN(const v1::ListDomainsResponse page, store.Call(store::kListDomains, request));
  std::vector<std::string> domains;
  for (const v1::Domain& domain : page.domains()) domains.push_back(domain.name());
  if (domains.empty()) {
    lines.push_back({Level::kError, "domains", "", "", "a domain",
                     "It takes mail for nobody: mailctl domain add DOMAIN"});
  }
  if (!page.next_page_token().empty()) {
    lines.push_back({Level::kWarning, "domains", "", absl::StrCat("more than ", kMaxDomains), "",
                     "Those behind are not looked at: mailctl domain check DOMAIN"});
  }
  return domains;
}

// What is asked of the DNS and of ports.
absl::Status CheckWorld(Client& store, const Wishes& wishes, absl::Time now, Lines& lines) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Network> network, Network::Create(wishes.dns_servers));
  CheckContext check{.resolver = network->resolver(), .fetch_policy = network->fetch_policy()};
  const bool answers = network->Run(Answers(network->resolver()));
  check.knows_dnssec = answers && network->KnowsDnssec();
  lines.push_back(JudgeResolver(network->ServersText(), answers, check.knows_dnssec));

  ASSIGN_OR_RETURN(const std::vector<std::string> domains, DomainsOf(store, lines));
  std::vector<std::string> hosts = wishes.hosts;
  if (hosts.empty()) {
    ASSIGN_OR_RETURN(hosts, RelayHosts(store));
  }
  for (const std::string& domain : domains) {
    ASSIGN_OR_RETURN(CheckLine postmaster, CheckPostmaster(store, domain));
    lines.push_back(std::move(postmaster));
    // Servers that are named may have what the world has not.
    if (IsReserved(domain) && wishes.dns_servers.empty()) {
      lines.push_back({Level::kWarning, "domain", domain, "", "a domain of your own",
                       "The name is reserved for try-outs: other hosts cannot find it, and the DNS is not "
                       "asked for it."});
      continue;
    }
    if (!answers) continue;
    DomainExpectation expected;
    expected.domain = domain;
    expected.mx_hosts = hosts;
    ASSIGN_OR_RETURN(expected.dkim, DkimKeysOf(store, domain, now));
    Append(network->Run(CheckDomain(check, std::move(expected))), lines);
  }
  if (hosts.empty()) {
    lines.push_back({Level::kWarning, "host", "", "", "a relay that is connected, or --host",
                     "By which name others know this system is not known: give --host=NAME."});
  }
  for (const std::string& host : hosts) {
    const bool is_reserved = IsReserved(host) && wishes.dns_servers.empty();
    if (is_reserved) {
      lines.push_back(
          {Level::kWarning, "host", host, "", "a name of your own",
           "The name is reserved for try-outs: other hosts cannot find it. Start smtpd with --hostname."});
    } else if (answers) {
      Append(network->Run(CheckNames(check, host)), lines);
    }
    if (is_reserved && wishes.addresses.empty()) continue;
    HostPlan plan{host, wishes.addresses, wishes.ports};
    Append(network->Run(CheckPorts(check, std::move(plan), LookAtPort, now)), lines);
  }
  return absl::OkStatus();
}

absl::Status Doctor(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const Wishes wishes, ReadWishes(arguments));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const absl::Time now = context.clock().Now();
  ASSIGN_OR_RETURN(Lines lines, CheckSystem(*store, now));
  RETURN_IF_ERROR(CheckWorld(*store, wishes, now, lines));
  if (context.output().json()) {
    context.output().JsonText(absl::StrCat("{", CheckMembers(lines), "}"));
  } else {
    for (const CheckLine& line : lines) context.output().Raw(CheckText(line));
  }
  const size_t errors = CountErrors(lines);
  if (errors == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("it found ", Plural(errors, "error")));
}

}  // namespace

std::vector<Command> DoctorCommands() {
  return {
      {"doctor",
       "",
       "Look at all that mail needs, and say what is wrong and what to type.",
       {},
       {{"host", "NAME",
         "A host of this system, as MX records name it, each by itself; else what relays say at EHLO."},
        {"address", "ADDRESS",
         "Where its ports are looked at, in place of what the DNS has, each by itself."},
        {"ports", "LIST", "Ports that are others than usual: smtp:2525,submission:2587,submissions:2465,..."},
        {"dns_servers", "SERVERS",
         "Who is asked: 127.0.0.1 or 192.0.2.53:5353, comma separated; else the system's."}},
       "The store, its disk and queue, the clock, the resolver; of each domain its postmaster and what "
       "`domain check` looks\n"
       "at; of each host its addresses, their PTR records, ports, TLS and certificates, also by the TLSA "
       "records that it has.\n"
       "Ports are looked at from this machine: a firewall in front of others is not seen. Each line is ok, "
       "warning or error.\n"
       "The exit code is 1 when there is an error.",
       "mailctl doctor\nmailctl doctor --host=mx.example.test --dns_servers=127.0.0.1 --json",
       Doctor},
  };
}

}  // namespace mailstead::ctl
