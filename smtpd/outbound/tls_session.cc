#include "smtpd/outbound/tls_session.h"

#include <utility>

namespace mailstead::smtp::outbound {
namespace {

using mailauth::TlsFailure;
using mailauth::TlsPolicyType;

TlsSession Begin(const std::string& mx_host, const TlsReported& reported) {
  TlsSession session;
  session.type = reported.type;
  session.policy_domain = reported.policy_domain;
  session.policy_strings = reported.policy_strings;
  session.mx_host = mx_host;
  session.failure = reported.failure;
  session.reason = reported.reason;
  return session;
}

}  // namespace

std::vector<TlsSession> SessionsPassedOver(const std::string& mx_host, const TlsDecision& decision) {
  std::vector<TlsSession> sessions;
  for (const TlsReported& reported : decision.reported) {
    if (reported.failure.has_value()) sessions.push_back(Begin(mx_host, reported));
  }
  return sessions;
}

std::vector<TlsSession> SessionsOf(const std::string& mx_host, const std::string& address,
                                   const TlsDecision& decision, const ConnectionOutcome& outcome,
                                   const Protection& protection) {
  std::vector<TlsSession> sessions;
  if (!decision.policy.has_value() || decision.policy->level == TlsPolicy::Level::kNone) return sessions;
  std::optional<TlsFailure> seen = outcome.tls_failure;
  if (!seen.has_value() && !outcome.usable()) return sessions;
  if (!seen.has_value() && !protection.encrypted()) seen = TlsFailure::kStartTlsNotSupported;
  for (const TlsReported& reported : decision.reported) {
    TlsSession& session = sessions.emplace_back(Begin(mx_host, reported));
    if (!session.failure.has_value()) {
      session.failure = seen;
      // RFC 8460 section 4.3.1 wants to know more where it fits nothing else: how far it came.
      if (seen == TlsFailure::kValidationFailure) session.reason = std::string(StageName(outcome.stage));
      // What is wrong with a certificate only matters to who asked for a good one.
      if (!seen.has_value() && reported.type == TlsPolicyType::kSts) session.failure = protection.flaw;
    }
    if (session.failure.has_value()) session.address = address;
  }
  return sessions;
}

}  // namespace mailstead::smtp::outbound
