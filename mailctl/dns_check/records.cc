#include "mailctl/dns_check/records.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailstead::ctl {
namespace {

// RFC 1035 section 3.3: of one <character-string>.
constexpr size_t kMaxStringBytes = 255;

bool IsIpv6(absl::string_view address) { return absl::StrContains(address, ':'); }

void AddService(const DomainPlan& plan, absl::string_view service, int port, absl::string_view purpose,
                std::vector<DnsRecord>& records) {
  const bool offered = port != 0;
  // RFC 2782: "." says that there is none.
  records.push_back({absl::StrCat(service, "._tcp.", plan.domain), "SRV",
                     offered ? absl::StrCat("0 1 ", port, " ", plan.client_host, ".") : "0 0 0 .",
                     std::string(purpose)});
}

std::string SpfOf(const DomainPlan& plan) {
  std::string spf = "v=spf1 mx";
  for (const std::string& address : plan.addresses) {
    absl::StrAppend(&spf, IsIpv6(address) ? " ip6:" : " ip4:", address);
  }
  return absl::StrCat(spf, " -all");
}

std::string Quoted(absl::string_view text) {
  std::string quoted;
  do {
    const absl::string_view part = text.substr(0, kMaxStringBytes);
    text.remove_prefix(part.size());
    absl::StrAppend(&quoted, quoted.empty() ? "\"" : " \"");
    for (const char c : part) {
      if (c == '"' || c == '\\') {
        absl::StrAppend(&quoted, "\\", absl::string_view(&c, 1));
      } else if (c < ' ' || c > '~') {
        absl::StrAppendFormat(&quoted, "\\%03d", static_cast<unsigned char>(c));
      } else {
        quoted.push_back(c);
      }
    }
    quoted.push_back('"');
  } while (!text.empty());
  return quoted;
}

}  // namespace

mailauth::StsPolicy StsPolicyOf(const DomainPlan& plan) {
  mailauth::StsPolicy policy;
  policy.mode = plan.sts_mode;
  policy.max_age = plan.sts_max_age.value_or(mailauth::UsualStsAge(plan.sts_mode));
  policy.mx = plan.mx_hosts;
  return policy;
}

std::string StsUrlOf(absl::string_view domain) {
  return absl::StrCat("https://", mailauth::StsPolicyHost(domain), mailauth::kStsPolicyPath);
}

std::vector<DnsRecord> RecordsOf(const DomainPlan& plan) {
  std::vector<DnsRecord> records;
  int preference = 0;
  for (const std::string& host : plan.mx_hosts) {
    records.push_back({plan.domain, "MX", absl::StrCat(preference += 10, " ", host, "."),
                       "which hosts take the domain's mail"});
  }
  for (const std::string& address : plan.addresses) {
    records.push_back({plan.mx_hosts.front(), IsIpv6(address) ? "AAAA" : "A", address, "where that host is"});
  }
  records.push_back({plan.domain, "TXT", SpfOf(plan), "SPF: which hosts send the domain's mail"});
  records.insert(records.end(), plan.dkim.begin(), plan.dkim.end());
  records.push_back({absl::StrCat("_dmarc.", plan.domain), "TXT",
                     absl::StrCat("v=DMARC1; p=", plan.dmarc_policy, "; rua=mailto:", plan.reports),
                     "DMARC: what becomes of mail that is not the domain's, and who is told"});
  records.push_back({mailauth::StsRecordName(plan.domain), "TXT",
                     absl::StrCat("v=STSv1; id=", mailauth::StsIdOf(StsPolicyOf(plan))),
                     "MTA-STS: there is a policy"});
  if (!plan.policy_host.empty()) {
    records.push_back({mailauth::StsPolicyHost(plan.domain), "CNAME", absl::StrCat(plan.policy_host, "."),
                       plan.served_here ? "MTA-STS: where webd is reached by https, which has it"
                                        : "MTA-STS: the web server that has it"});
  }
  records.push_back({absl::StrCat("_smtp._tls.", plan.domain), "TXT",
                     absl::StrCat("v=TLSRPTv1; rua=mailto:", plan.reports),
                     "TLS-RPT: who is told of TLS that failed"});
  AddService(plan, "_submissions", 465, "where users' programs send (RFC 8314)", records);
  AddService(plan, "_submission", 587, "where users' programs send, with STARTTLS (RFC 6186)", records);
  AddService(plan, "_pop3s", 995, "where they fetch", records);
  AddService(plan, "_pop3", 110, "where they fetch, with STLS", records);
  AddService(plan, "_imaps", 0, "there is no IMAP", records);
  AddService(plan, "_imap", 0, "there is no IMAP", records);
  return records;
}

std::string ZoneLine(const DnsRecord& record) {
  return absl::StrCat(record.name, ".\tIN\t", record.type, "\t",
                      record.type == "TXT" ? Quoted(record.value) : record.value, "\n");
}

}  // namespace mailstead::ctl
