// What became of the TLS of one session, for one policy, as a report to the recipients' domain tells it (RFC 8460). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/mailauth/tls_result.h"
#include "smtpd/outbound/outcome.h"
#include "smtpd/outbound/tls_decision.h"
#include "smtpd/outbound/tls_policy.h"

namespace mailstead::smtp::outbound {

struct TlsSession {
  mailauth::TlsPolicyType type = mailauth::TlsPolicyType::kNoPolicyFound;
  // Of the TLSA records; empty: the recipients' domain.
  std::string policy_domain;
  // As RFC 8460 section 4.4 has them for "policy-string".
  std::vector<std::string> policy_strings;
  std::string mx_host;
  // Empty: none was connected to.
  std::string address;
  // Absent: it came up to the policy.
  std::optional<mailauth::TlsFailure> failure;
  std::string reason;

  bool operator==(const TlsSession&) const = default;
};

// Of a host that is passed over: one for each policy that says something of it.
std::vector<TlsSession> SessionsPassedOver(const std::string& mx_host, const TlsDecision& decision);

// Of a connection that was made, or not, by a decision with a policy: one for each policy, or none where TLS was not tried, or
// the host did not get so far.
std::vector<TlsSession> SessionsOf(const std::string& mx_host, const std::string& address, const TlsDecision& decision,
                                   const ConnectionOutcome& outcome, const Protection& protection);

}  // namespace mailstead::smtp::outbound
