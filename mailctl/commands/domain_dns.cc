#include "mailctl/commands/domain_dns.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "asio/ip/address.hpp"
#include "common/mail/address.h"
#include "mailctl/client.h"
#include "mailctl/commands/postmaster.h"
#include "mailctl/commands/time_word.h"
#include "mailctl/dns_check/check_text.h"
#include "mailctl/dns_check/domain_check.h"
#include "mailctl/dns_check/expectation.h"
#include "mailctl/dns_check/network.h"
#include "mailctl/dns_check/records.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

const Option kMxHost = {
    "mx_host", "HOST",
    "A host that takes the domain's mail, the best first; else what the relay says at EHLO."};

// A name as the DNS has it; `option` is for the error.
absl::StatusOr<std::string> HostNameOf(absl::string_view option, const std::string& text) {
  absl::StatusOr<std::string> name = NormalizeDomain(text);
  if (!name.ok() || name->front() == '[' || !absl::StrContains(*name, '.')) {
    return UsageError(absl::StrCat("--", option, "=", Printable(text), " is not the name of a host"));
  }
  return name;
}

absl::StatusOr<std::vector<std::string>> GivenHosts(const Arguments& arguments) {
  std::vector<std::string> hosts;
  for (const std::string& text : arguments.GetAll("mx_host")) {
    ASSIGN_OR_RETURN(hosts.emplace_back(), HostNameOf("mx_host", text));
  }
  return hosts;
}

// As the store keeps it. NotFound: it has no such domain.
absl::StatusOr<v1::Domain> FindDomain(Client& store, const std::string& name) {
  v1::GetDomainRequest request;
  request.set_name(name);
  return store.Call(store::kGetDomain, request);
}

// Of the policy that webd serves for it. Absent: none.
std::optional<mailauth::StsPolicy::Mode> ServedMode(const v1::Domain& domain) {
  switch (domain.mta_sts()) {
    case v1::MTA_STS_NONE:
      return mailauth::StsPolicy::Mode::kNone;
    case v1::MTA_STS_TESTING:
      return mailauth::StsPolicy::Mode::kTesting;
    case v1::MTA_STS_ENFORCE:
      return mailauth::StsPolicy::Mode::kEnforce;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<std::vector<std::string>> GivenAddresses(const Arguments& arguments) {
  std::vector<std::string> addresses;
  for (const std::string& text : arguments.GetAll("address")) {
    asio::error_code error;
    const asio::ip::address address = asio::ip::make_address(text, error);
    if (error) return UsageError(absl::StrCat("--address=", Printable(text), " is not an address"));
    addresses.push_back(address.to_string());
  }
  return addresses;
}

absl::StatusOr<mailauth::StsPolicy::Mode> GivenMode(const Arguments& arguments) {
  const std::string mode = arguments.Get("sts", "testing");
  if (mode == "enforce") return mailauth::StsPolicy::Mode::kEnforce;
  if (mode == "none") return mailauth::StsPolicy::Mode::kNone;
  return mailauth::StsPolicy::Mode::kTesting;
}

absl::StatusOr<DomainPlan> PlanOf(const Arguments& arguments, Client& store, absl::Time now) {
  DomainPlan plan;
  ASSIGN_OR_RETURN(const v1::Domain domain, FindDomain(store, arguments.positional(0)));
  plan.domain = domain.name();
  ASSIGN_OR_RETURN(plan.mx_hosts, GivenHosts(arguments));
  if (plan.mx_hosts.empty()) {
    ASSIGN_OR_RETURN(plan.mx_hosts, RelayHosts(store));
    if (plan.mx_hosts.size() != 1) {
      const std::string why = plan.mx_hosts.empty()
                                  ? std::string("no relay with a name of its own is connected")
                                  : absl::StrCat("relays say ", absl::StrJoin(plan.mx_hosts, ", "));
      return UsageError(absl::StrCat("which host takes the domain's mail is not known (", why,
                                     "): give --mx_host=HOST, the name by which others know this system"));
    }
  }
  ASSIGN_OR_RETURN(plan.addresses, GivenAddresses(arguments));
  plan.client_host = plan.mx_hosts.front();
  if (arguments.Has("client_host")) {
    ASSIGN_OR_RETURN(plan.client_host, HostNameOf("client_host", arguments.Get("client_host")));
  }
  if (arguments.Has("policy_host")) {
    ASSIGN_OR_RETURN(plan.policy_host, HostNameOf("policy_host", arguments.Get("policy_host")));
  }
  plan.reports = arguments.Get("reports", PostmasterOf(plan.domain));
  if (!ParseAddress(plan.reports).ok() || plan.reports.find_first_of(" ,;!") != std::string::npos) {
    return UsageError(absl::StrCat("--reports=", Printable(plan.reports), " is not an address"));
  }
  plan.dmarc_policy = arguments.Get("dmarc", "none");
  const std::optional<mailauth::StsPolicy::Mode> served = ServedMode(domain);
  plan.served_here = served.has_value();
  plan.sts_mode = served.value_or(mailauth::StsPolicy::Mode::kTesting);
  if (arguments.Has("sts")) {
    if (plan.served_here) {
      return UsageError(absl::StrCat("--sts: webd serves the policy of ", plan.domain,
                                     ": change it by mailctl domain set --mta_sts"));
    }
    ASSIGN_OR_RETURN(plan.sts_mode, GivenMode(arguments));
  }
  if (arguments.Has("sts_max_age")) {
    ASSIGN_OR_RETURN(plan.sts_max_age, ParseDurationWord("sts_max_age", arguments.Get("sts_max_age")));
    if (*plan.sts_max_age > mailauth::kMaxStsAge) return UsageError("--sts_max_age: must be at most a year");
  }
  ASSIGN_OR_RETURN(const std::vector<DkimExpectation> keys, DkimKeysOf(store, plan.domain, now));
  for (const DkimExpectation& key : keys) {
    plan.dkim.push_back({key.name, "TXT", key.value,
                         key.active    ? "DKIM: the key that signs the domain's mail"
                         : key.retired ? "DKIM: a key that signed mail which may be on its way"
                                       : "DKIM: a key that signs once it is published"});
  }
  return plan;
}

std::string RecordsJson(const DomainPlan& plan, const std::vector<DnsRecord>& records) {
  std::vector<std::string> items;
  for (const DnsRecord& record : records) {
    items.push_back(absl::StrCat(
        "{\"name\": ", JsonQuote(record.name), ", \"type\": ", JsonQuote(record.type),
        ", \"value\": ", JsonQuote(record.value), ", \"purpose\": ", JsonQuote(record.purpose), "}"));
  }
  return absl::StrCat("{\"domain\": ", JsonQuote(plan.domain), ", \"records\": [", absl::StrJoin(items, ", "),
                      "], \"mta_sts_policy\": {\"url\": ", JsonQuote(StsUrlOf(plan.domain)),
                      ", \"text\": ", JsonQuote(mailauth::StsPolicyFile(StsPolicyOf(plan))), "}}");
}

// A zone file, with comments.
std::string ZoneText(const DomainPlan& plan, const std::vector<DnsRecord>& records) {
  std::string text = absl::StrCat("; Records of ", plan.domain, ", for its zone.\n");
  absl::string_view purpose;
  for (const DnsRecord& record : records) {
    if (record.purpose != purpose) absl::StrAppend(&text, "\n; ", record.purpose, "\n");
    purpose = record.purpose;
    absl::StrAppend(&text, ZoneLine(record));
  }
  if (plan.dkim.empty()) absl::StrAppend(&text, "\n; DKIM: the domain has no key\n");
  if (plan.policy_host.empty()) {
    absl::StrAppend(&text, "\n; ", mailauth::StsPolicyHost(plan.domain),
                    plan.served_here ? " must lead to webd, which serves the policy by https.\n"
                                     : " must lead to the web server that has the policy.\n");
  }
  absl::StrAppend(
      &text, "\n; ", StsUrlOf(plan.domain),
      plan.served_here ? ", by a webd with --mta_sts_mx of these hosts:\n" : ", as text/plain:\n");
  for (const absl::string_view line :
       absl::StrSplit(mailauth::StsPolicyFile(StsPolicyOf(plan)), "\r\n", absl::SkipEmpty())) {
    absl::StrAppend(&text, ";   ", line, "\n");
  }
  return text;
}

absl::Status Dns(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const DomainPlan plan, PlanOf(arguments, *store, context.clock().Now()));
  const std::vector<DnsRecord> records = RecordsOf(plan);
  if (context.output().json()) {
    context.output().JsonText(RecordsJson(plan, records));
  } else {
    context.output().Raw(ZoneText(plan, records));
  }
  return absl::OkStatus();
}

absl::Status Check(const Arguments& arguments, Context& context) {
  DomainExpectation expected;
  ASSIGN_OR_RETURN(expected.mx_hosts, GivenHosts(arguments));
  ASSIGN_OR_RETURN(const std::unique_ptr<Network> network, Network::Create(arguments.Get("dns_servers")));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Domain found, FindDomain(*store, arguments.positional(0)));
  expected.domain = found.name();
  expected.sts_mode = ServedMode(found);
  if (expected.mx_hosts.empty()) {
    ASSIGN_OR_RETURN(expected.mx_hosts, RelayHosts(*store));
    expected.mx_hosts_guessed = true;
  }
  ASSIGN_OR_RETURN(expected.dkim, DkimKeysOf(*store, expected.domain, context.clock().Now()));
  CheckContext check{.resolver = network->resolver(), .fetch_policy = network->fetch_policy()};
  check.knows_dnssec = network->KnowsDnssec();
  const std::string domain = expected.domain;
  const std::vector<CheckLine> lines = network->Run(CheckDomain(check, std::move(expected)));
  if (context.output().json()) {
    context.output().JsonText(
        absl::StrCat("{\"domain\": ", JsonQuote(domain), ", ", CheckMembers(lines), "}"));
  } else {
    for (const CheckLine& line : lines) context.output().Raw(CheckText(line));
  }
  const size_t errors = CountErrors(lines);
  if (errors == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(Plural(errors, "error"), " in the DNS of ", domain));
}

}  // namespace

Command DomainDnsCommand() {
  return {
      "domain",
      "dns",
      "Print the DNS records that a domain needs.",
      {{"DOMAIN"}},
      {kMxHost,
       {"address", "ADDRESS", "Of that host, for its record and SPF; as often as it has some."},
       {"client_host", "HOST",
        "Where users' programs send and fetch; the first --mx_host unless it is given."},
       {"policy_host", "HOST", "The web server that has the MTA-STS policy."},
       {"reports", "ADDRESS",
        "Who gets reports of DMARC and TLS-RPT; the domain's postmaster unless it is given."},
       {"dmarc", "POLICY", "What becomes of mail that is not the domain's; none unless it is given.",
        "none|quarantine|reject"},
       {"sts", "MODE", "Of the MTA-STS policy of a web server of yours; testing unless it is given.",
        "testing|enforce|none"},
       {"sts_max_age", "TIME",
        "How long senders keep it, as webd has it by --mta_sts_max_age; 1d, or 14d of enforce."}},
      "Prints lines of a zone file (MX, SPF, DKIM of all keys, DMARC, MTA-STS, TLS-RPT, and SRV for users'\n"
      "programs), and the policy of MTA-STS: a web server must have it, or webd does (domain set "
      "--mta_sts).\n"
      "The id in its record is another one for each policy: publish it when that has changed. Changes "
      "nothing.",
      "mailctl domain dns example.test --mx_host=mx.example.test --address=192.0.2.1",
      Dns};
}

Command DomainCheckCommand() {
  return {
      "domain",
      "check",
      "Say which DNS records of a domain are live, and what is wrong.",
      {{"DOMAIN"}},
      {kMxHost,
       {"dns_servers", "SERVERS",
        "Who is asked: 127.0.0.1 or 192.0.2.53:5353, comma separated; else the system's."}},
      "Each line is ok, warning or error, with what is there and what should be. The exit code is 1 when "
      "there\n"
      "is an error. What DNSSEC proves is only known from a resolver at 127.0.0.1 or ::1 that is named.",
      "mailctl domain check example.test\nmailctl domain check example.test --dns_servers=127.0.0.1 --json",
      Check};
}

}  // namespace mailstead::ctl
