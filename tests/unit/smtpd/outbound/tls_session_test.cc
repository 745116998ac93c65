#include "smtpd/outbound/tls_session.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailstead::smtp::outbound {
namespace {

using mailauth::TlsFailure;
using mailauth::TlsPolicyType;
using Level = TlsPolicy::Level;

std::string Shown(const std::vector<TlsSession>& sessions) {
  std::vector<std::string> shown;
  for (const TlsSession& session : sessions) {
    shown.push_back(absl::StrCat(mailauth::PolicyTypeName(session.type), " ",
                                 session.failure.has_value() ? mailauth::FailureName(*session.failure) : "ok",
                                 session.address.empty() ? "" : " at ", session.address));
  }
  return absl::StrJoin(shown, ", ");
}

TlsReported Reported(TlsPolicyType type, std::optional<TlsFailure> failure = std::nullopt) {
  TlsReported reported;
  reported.type = type;
  reported.failure = failure;
  return reported;
}

ConnectionOutcome Broken(TlsFailure failure) {
  ConnectionOutcome outcome;
  outcome.kind = ConnectionOutcome::Kind::kTlsBroken;
  outcome.tls_failure = failure;
  return outcome;
}

Protection Encrypted(std::optional<TlsFailure> flaw = std::nullopt) {
  Protection protection;
  protection.version = "TLSv1.3";
  protection.flaw = flaw;
  return protection;
}

TEST(TlsSessionTest, Table) {
  ConnectionOutcome refused;
  refused.kind = ConnectionOutcome::Kind::kRefused;
  ConnectionOutcome lost;
  lost.kind = ConnectionOutcome::Kind::kBroken;
  const TlsReported none = Reported(TlsPolicyType::kNoPolicyFound);
  const TlsReported dane = Reported(TlsPolicyType::kTlsa);
  const TlsReported sts = Reported(TlsPolicyType::kSts);
  const TlsReported unusable = Reported(TlsPolicyType::kTlsa, TlsFailure::kTlsaInvalid);
  const TlsReported mismatch = Reported(TlsPolicyType::kSts, TlsFailure::kValidationFailure);
  const struct {
    const char* what;
    Level level;
    std::vector<TlsReported> reported;
    ConnectionOutcome outcome;
    Protection protection;
    std::string shown;
  } rows[] = {
      {"TLS, as nobody asked", Level::kMay, {none}, {}, Encrypted(), "no-policy-found ok"},
      {"in the clear", Level::kMay, {none}, {}, {}, "no-policy-found starttls-not-supported at a"},
      {"in the clear, as we wanted", Level::kNone, {none}, {}, {}, ""},
      {"broken",
       Level::kMay,
       {none},
       Broken(TlsFailure::kValidationFailure),
       {},
       "no-policy-found validation-failure at a"},
      {"not reached", Level::kMay, {none}, lost, {}, ""},
      {"refused", Level::kDane, {dane}, refused, {}, ""},
      {"by records", Level::kDane, {dane}, {}, Encrypted(), "tlsa ok"},
      {"not by records",
       Level::kDane,
       {dane},
       Broken(TlsFailure::kCertificateExpired),
       {},
       "tlsa certificate-expired at a"},
      {"records of no use", Level::kRequire, {unusable}, {}, Encrypted(), "tlsa tlsa-invalid at a"},
      {"both", Level::kVerify, {unusable, sts}, {}, Encrypted(), "tlsa tlsa-invalid at a, sts ok"},
      {"enforce",
       Level::kVerify,
       {sts},
       Broken(TlsFailure::kCertificateHostMismatch),
       {},
       "sts certificate-host-mismatch at a"},
      {"testing", Level::kMay, {sts}, {}, Encrypted(), "sts ok"},
      {"testing, another name",
       Level::kMay,
       {sts},
       {},
       Encrypted(TlsFailure::kCertificateHostMismatch),
       "sts certificate-host-mismatch at a"},
      {"testing, in the clear", Level::kMay, {sts}, {}, {}, "sts starttls-not-supported at a"},
      {"testing, another host", Level::kMay, {mismatch}, {}, Encrypted(), "sts validation-failure at a"},
  };
  for (const auto& row : rows) {
    TlsDecision decision;
    decision.policy = TlsPolicy{.level = row.level};
    decision.reported = row.reported;
    EXPECT_EQ(Shown(SessionsOf("mx.test", "a", decision, row.outcome, row.protection)), row.shown)
        << row.what;
  }
}

TEST(TlsSessionTest, AHostThatIsPassedOver) {
  TlsDecision decision;
  decision.reported = {Reported(TlsPolicyType::kTlsa, TlsFailure::kDnssecInvalid)};
  decision.reported[0].policy_domain = "base.test";
  decision.reported[0].reason = "why";
  const std::vector<TlsSession> sessions = SessionsPassedOver("mx.test", decision);
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(Shown(sessions), "tlsa dnssec-invalid");
  EXPECT_EQ(sessions[0].policy_domain, "base.test");
  EXPECT_EQ(sessions[0].mx_host, "mx.test");
  EXPECT_EQ(sessions[0].reason, "why");
  // It has no policy, and so no connection.
  EXPECT_TRUE(SessionsOf("mx.test", "a", decision, {}, Encrypted()).empty());
}

TEST(TlsSessionTest, RecordsAsText) {
  EXPECT_EQ(TlsaText({3, 1, 1, std::string("\x01\xab", 2)}), "3 1 1 01ab");
  EXPECT_EQ(TlsaText({2, 0, 0, std::string(65, 'x')}), "2 0 0 ...");
}

}  // namespace
}  // namespace mailstead::smtp::outbound
