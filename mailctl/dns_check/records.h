// The records that a domain needs in the DNS to receive mail and to send mail that others trust. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mailauth/sts_policy.h"

namespace mailstead::ctl {

// What is to stand in the DNS.
struct DnsRecord {
  // Without a dot at the end: "_dmarc.example.test".
  std::string name;
  // "TXT".
  std::string type;
  // As in a zone file; of TXT the text itself, without quotes.
  std::string value;
  // What it is for, for people.
  std::string purpose;
};

// What the records are made of.
struct DomainPlan {
  // A-labels.
  std::string domain;
  // Hosts that take the domain's mail, the best first; at least one.
  std::vector<std::string> mx_hosts;
  // Addresses of the first of them, as text; may be empty: they are in the DNS already.
  std::vector<std::string> addresses;
  // Where programs of users find submission and POP3.
  std::string client_host;
  // The web server that has the MTA-STS policy; empty: its address is in the DNS already.
  std::string policy_host;
  // Who gets the reports of DMARC and TLS-RPT.
  std::string reports;
  // "none", "quarantine", "reject".
  std::string dmarc_policy = "none";
  mailauth::StsPolicy::Mode sts_mode = mailauth::StsPolicy::Mode::kTesting;
  // Absent: the usual one (UsualStsAge).
  std::optional<absl::Duration> sts_max_age;
  // By webd; else by a web server of the operator's.
  bool served_here = false;
  // TXT records of DKIM keys.
  std::vector<DnsRecord> dkim;
};

std::vector<DnsRecord> RecordsOf(const DomainPlan& plan);

// The policy that the web server must have.
mailauth::StsPolicy StsPolicyOf(const DomainPlan& plan);
// "https://mta-sts.example.test/.well-known/mta-sts.txt".
std::string StsUrlOf(absl::string_view domain);

// A line of a zone file (RFC 1035 section 5.1), with a line end; a TXT record in strings of at most 255 octets.
std::string ZoneLine(const DnsRecord& record);

}  // namespace mailstead::ctl
