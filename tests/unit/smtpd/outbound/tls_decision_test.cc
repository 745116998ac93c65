#include "smtpd/outbound/tls_decision.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailstead::smtp::outbound {
namespace {

using Dane = DaneAnswer::Kind;
using Level = TlsPolicy::Level;
using Mode = StsAnswer::Mode;

const dns::Tlsa kRecord = {.usage = 3, .selector = 1, .matching_type = 1, .data = std::string(32, 'x')};
const dns::Tlsa kOther = {.usage = 2, .selector = 1, .matching_type = 1, .data = std::string(32, 'a')};

TlsQuestion Question() {
  TlsQuestion question;
  question.host = "mx.example.test";
  return question;
}

TlsQuestion WithDane(Dane kind) {
  TlsQuestion question = Question();
  question.dane.kind = kind;
  question.dane.why = "why";
  if (kind >= Dane::kUsable) question.dane.base_domain = "host.example.test";
  if (kind == Dane::kUsable) {
    question.dane.names = {"host.example.test", "mx.example.test", "example.test"};
    question.dane.records = {kRecord};
  }
  return question;
}

// "dane by dane as host.example.test for host.example.test ...; tlsa", or "passed over; tlsa dnssec-invalid".
std::string Shown(const TlsDecision& decision) {
  std::string shown = "passed over";
  if (decision.policy.has_value()) {
    const TlsPolicy& policy = *decision.policy;
    shown = absl::StrCat(LevelName(policy.level), " by ", SourceName(policy.source));
    if (policy.implicit) absl::StrAppend(&shown, " from the first byte");
    if (!policy.names.empty()) absl::StrAppend(&shown, " for ", absl::StrJoin(policy.names, "|"));
  }
  for (const TlsReported& each : decision.reported) {
    absl::StrAppend(&shown, "; ", PolicyTypeName(each.type));
    if (each.failure.has_value()) absl::StrAppend(&shown, " ", FailureName(*each.failure), " ", each.reason);
  }
  return shown;
}

// The table of docs/sending.md, "TLS": who is asked, and in which order.
TEST(TlsDecisionTest, Table) {
  struct Row {
    std::string name;
    Dane dane = Dane::kNotAsked;
    Mode sts = Mode::kNone;
    bool sts_matches = true;
    std::optional<Level> route;
    bool require_tls = false;
    bool tls_broken = false;
    std::string shown;
  };
  const std::optional<Level> no_route;
  const std::string by_dane = "dane by dane for host.example.test|mx.example.test|example.test; tlsa";
  const std::string by_sts = "verify by sts for mx.example.test; sts";
  const std::string verified_by_route = "verify by route for mx.example.test; no-policy-found";
  const std::vector<Row> rows = {
      // Nobody asks for anything.
      {"nothing", Dane::kNotAsked, Mode::kNone, false, no_route, false, false,
       "may by opportunistic; no-policy-found"},
      {"nothing, no DANE", Dane::kMissing, Mode::kNone, false, no_route, false, false,
       "may by opportunistic; no-policy-found"},
      {"nothing, broken", Dane::kMissing, Mode::kNone, false, no_route, false, true,
       "none by opportunistic; no-policy-found"},
      // A route's wish.
      {"route, may", Dane::kMissing, Mode::kNone, false, Level::kMay, false, false,
       "may by route; no-policy-found"},
      {"route, may, broken", Dane::kMissing, Mode::kNone, false, Level::kMay, false, true,
       "none by route; no-policy-found"},
      {"route, none", Dane::kMissing, Mode::kNone, false, Level::kNone, false, false,
       "none by route; no-policy-found"},
      {"route, require", Dane::kMissing, Mode::kNone, false, Level::kRequire, false, true,
       "require by route; no-policy-found"},
      {"route, verify", Dane::kMissing, Mode::kNone, false, Level::kVerify, false, true, verified_by_route},
      // The sender's.
      {"requiretls", Dane::kNotAsked, Mode::kNone, false, no_route, true, true,
       "verify by requiretls for mx.example.test; no-policy-found"},
      {"requiretls, route none", Dane::kNotAsked, Mode::kNone, false, Level::kNone, true, true,
       "verify by requiretls for mx.example.test; no-policy-found"},
      // MTA-STS.
      {"enforce", Dane::kMissing, Mode::kEnforce, true, no_route, false, false, by_sts},
      {"enforce, broken", Dane::kMissing, Mode::kEnforce, true, no_route, false, true, by_sts},
      {"enforce, route none", Dane::kMissing, Mode::kEnforce, true, Level::kNone, false, true, by_sts},
      {"enforce, route verify", Dane::kMissing, Mode::kEnforce, true, Level::kVerify, false, true, by_sts},
      {"enforce, requiretls", Dane::kMissing, Mode::kEnforce, true, no_route, true, true, by_sts},
      {"enforce, another host", Dane::kMissing, Mode::kEnforce, false, no_route, false, false,
       "passed over; sts validation-failure mx-mismatch"},
      {"enforce, another host, route none", Dane::kNotAsked, Mode::kEnforce, false, Level::kNone, false, true,
       "passed over; sts validation-failure mx-mismatch"},
      {"testing", Dane::kMissing, Mode::kTesting, true, no_route, false, false,
       "may by opportunistic for mx.example.test; sts"},
      {"testing, broken", Dane::kMissing, Mode::kTesting, true, no_route, false, true,
       "none by opportunistic; sts"},
      {"testing, another host", Dane::kMissing, Mode::kTesting, false, no_route, false, false,
       "may by opportunistic; sts validation-failure mx-mismatch"},
      {"testing, route require", Dane::kMissing, Mode::kTesting, true, Level::kRequire, false, false,
       "require by route for mx.example.test; sts"},
      {"testing, requiretls", Dane::kMissing, Mode::kTesting, true, no_route, true, false,
       "verify by requiretls for mx.example.test; sts"},
      // DANE.
      {"dane", Dane::kUsable, Mode::kNone, false, no_route, false, false, by_dane},
      {"dane, broken", Dane::kUsable, Mode::kNone, false, no_route, false, true, by_dane},
      {"dane, route none", Dane::kUsable, Mode::kNone, false, Level::kNone, false, true, by_dane},
      {"dane, route verify", Dane::kUsable, Mode::kNone, false, Level::kVerify, false, false, by_dane},
      {"dane, requiretls", Dane::kUsable, Mode::kNone, false, no_route, true, false, by_dane},
      {"dane, enforce", Dane::kUsable, Mode::kEnforce, true, no_route, false, false, by_dane},
      {"dane, enforce, another host", Dane::kUsable, Mode::kEnforce, false, no_route, false, false, by_dane},
      {"dane, testing, another host", Dane::kUsable, Mode::kTesting, false, no_route, false, false, by_dane},
      // TLSA records that cannot be used.
      {"unusable", Dane::kUnusable, Mode::kNone, false, no_route, false, false,
       "require by dane_unusable; tlsa tlsa-invalid tlsa-unusable"},
      {"unusable, broken", Dane::kUnusable, Mode::kNone, false, no_route, false, true,
       "require by dane_unusable; tlsa tlsa-invalid tlsa-unusable"},
      {"unusable, route none", Dane::kUnusable, Mode::kNone, false, Level::kNone, false, false,
       "require by dane_unusable; tlsa tlsa-invalid tlsa-unusable"},
      {"unusable, route verify", Dane::kUnusable, Mode::kNone, false, Level::kVerify, false, false,
       "verify by route for mx.example.test; tlsa tlsa-invalid tlsa-unusable"},
      {"unusable, requiretls", Dane::kUnusable, Mode::kNone, false, no_route, true, false,
       "verify by requiretls for mx.example.test; tlsa tlsa-invalid tlsa-unusable"},
      {"unusable, enforce", Dane::kUnusable, Mode::kEnforce, true, no_route, false, false,
       "verify by sts for mx.example.test; tlsa tlsa-invalid tlsa-unusable; sts"},
      {"unusable, enforce, another host", Dane::kUnusable, Mode::kEnforce, false, no_route, false, false,
       "passed over; tlsa tlsa-invalid tlsa-unusable; sts validation-failure mx-mismatch"},
      {"unusable, testing", Dane::kUnusable, Mode::kTesting, true, no_route, false, false,
       "require by dane_unusable for mx.example.test; tlsa tlsa-invalid tlsa-unusable; sts"},
  };
  for (const Row& row : rows) {
    TlsQuestion question = WithDane(row.dane);
    question.sts = {.mode = row.sts, .host_matches = row.sts_matches, .policy_id = "1"};
    question.route = row.route;
    question.require_tls = row.require_tls;
    question.tls_broken = row.tls_broken;
    EXPECT_EQ(Shown(DecideTls(question)), row.shown) << row.name;
  }
}

// SECURITY: whoever keeps the records from us would like to have the mail in the clear. Nobody else's word is asked.
TEST(TlsDecisionTest, WithoutRecordsTheHostIsPassedOver) {
  struct Row {
    Dane dane;
    std::string shown;
    std::string text;
  };
  const std::vector<Row> rows = {
      {Dane::kBogus, "passed over; tlsa dnssec-invalid tlsa-lookup-failed",
       "DNSSEC signatures are not valid"},
      {Dane::kUnreachable, "passed over; tlsa validation-failure tlsa-lookup-unreachable",
       "looked up now (why)"},
      {Dane::kTooLarge, "passed over; tlsa tlsa-invalid tlsa-too-large", "must publish fewer"},
  };
  for (const Row& row : rows) {
    for (const Mode sts : {Mode::kNone, Mode::kTesting, Mode::kEnforce}) {
      for (const std::optional<Level> route : {std::optional<Level>(), std::optional<Level>(Level::kNone),
                                               std::optional<Level>(Level::kVerify)}) {
        for (const bool require_tls : {false, true}) {
          TlsQuestion question = WithDane(row.dane);
          question.sts = {.mode = sts, .host_matches = true};
          question.route = route;
          question.require_tls = require_tls;
          const TlsDecision decision = DecideTls(question);
          EXPECT_EQ(Shown(decision), row.shown);
          EXPECT_TRUE(absl::StrContains(decision.text, row.text)) << decision.text;
          EXPECT_TRUE(absl::StrContains(decision.text, "_25._tcp.host.example.test")) << decision.text;
        }
      }
    }
  }
}

// RFC 8460 section 3: whoever hears of broken TLS must be able to.
TEST(TlsDecisionTest, AReportOnTlsGoesWhateverDaneAndMtaStsSay) {
  for (const Dane dane : {Dane::kNotAsked, Dane::kMissing, Dane::kUsable, Dane::kUnusable, Dane::kBogus,
                          Dane::kUnreachable, Dane::kTooLarge}) {
    for (const Mode sts : {Mode::kNone, Mode::kTesting, Mode::kEnforce}) {
      TlsQuestion question = WithDane(dane);
      question.is_tls_report = true;
      question.sts.mode = sts;
      EXPECT_EQ(Shown(DecideTls(question)), "may by opportunistic; no-policy-found");
      question.route = Level::kVerify;
      EXPECT_EQ(Shown(DecideTls(question)), "verify by route for mx.example.test; no-policy-found");
    }
  }
}

TEST(TlsDecisionTest, APolicyThatCannotBeHadIsToldOfAndChangesNothing) {
  for (const auto& [dane, shown] : {std::pair{Dane::kMissing, "may by opportunistic; sts sts-webpki-invalid "},
                                    std::pair{Dane::kUnusable,
                                              "require by dane_unusable; tlsa tlsa-invalid tlsa-unusable; sts "
                                              "sts-webpki-invalid "}}) {
    TlsQuestion question = WithDane(dane);
    question.sts.fetch_failure = mailauth::TlsFailure::kStsWebpkiInvalid;
    EXPECT_EQ(Shown(DecideTls(question)), shown);
  }
  TlsQuestion question = WithDane(Dane::kUsable);
  const std::string without = Shown(DecideTls(question));
  question.sts.fetch_failure = mailauth::TlsFailure::kStsPolicyFetchError;
  EXPECT_EQ(Shown(DecideTls(question)), without);
}

TEST(TlsDecisionTest, NamesTheHost) {
  TlsQuestion question = Question();
  EXPECT_EQ(DecideTls(question).policy->server_name, "mx.example.test");
  EXPECT_EQ(DecideTls(WithDane(Dane::kUsable)).policy->server_name, "host.example.test");
  EXPECT_EQ(DecideTls(WithDane(Dane::kUnusable)).policy->server_name, "mx.example.test");
  question.host = "192.0.2.1";
  question.host_is_address = true;
  question.route = Level::kVerify;
  const TlsDecision decision = DecideTls(question);
  EXPECT_EQ(decision.policy->server_name, "");
  EXPECT_EQ(Shown(decision), "verify by route for 192.0.2.1; no-policy-found");
}

TEST(TlsDecisionTest, FromTheFirstByte) {
  struct Row {
    Dane dane;
    Level route;
    std::string shown;
  };
  const std::vector<Row> rows = {
      // There is nothing to fall back to.
      {Dane::kMissing, Level::kMay, "require by route from the first byte; no-policy-found"},
      {Dane::kMissing, Level::kRequire, "require by route from the first byte; no-policy-found"},
      {Dane::kMissing, Level::kVerify,
       "verify by route from the first byte for mx.example.test; no-policy-found"},
      {Dane::kMissing, Level::kNone, "none by route; no-policy-found"},
      {Dane::kUsable, Level::kMay,
       "dane by dane from the first byte for host.example.test|mx.example.test|example.test; tlsa"},
  };
  for (const Row& row : rows) {
    TlsQuestion question = WithDane(row.dane);
    question.port = 465;
    question.implicit = true;
    question.route = row.route;
    question.tls_broken = true;
    EXPECT_EQ(Shown(DecideTls(question)), row.shown);
  }
}

// The DNS gives records in any order, and the same one twice.
TEST(TlsDecisionTest, TheSameRecordsAreTheSamePolicy) {
  TlsQuestion one = WithDane(Dane::kUsable);
  one.dane.records = {kRecord, kOther};
  TlsQuestion other = WithDane(Dane::kUsable);
  other.dane.records = {kOther, kRecord, kOther};
  EXPECT_EQ(*DecideTls(one).policy, *DecideTls(other).policy);
  EXPECT_EQ(DecideTls(one).policy->tlsa, (std::vector<dns::Tlsa>{kOther, kRecord}));
  other.dane.records = {kRecord};
  EXPECT_NE(*DecideTls(one).policy, *DecideTls(other).policy);
}

// A policy without records would be none at all.
TEST(TlsDecisionTest, UsableWithoutRecordsIsNotDane) {
  TlsQuestion question = WithDane(Dane::kUsable);
  question.dane.records.clear();
  EXPECT_FALSE(DecideTls(question).policy.has_value());
}

}  // namespace
}  // namespace mailstead::smtp::outbound
