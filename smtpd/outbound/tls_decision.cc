#include "smtpd/outbound/tls_decision.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mailstead::smtp::outbound {
namespace {

using Dane = DaneAnswer::Kind;
using Level = TlsPolicy::Level;
using Source = TlsPolicy::Source;
using mailauth::TlsFailure;
using mailauth::TlsPolicyType;

// The longest digest.
constexpr size_t kMaxShownDataBytes = 64;

std::string RecordsOf(const TlsQuestion& question) {
  return absl::StrCat("the TLSA records at _", question.port, "._tcp.", question.dane.base_domain);
}

TlsDecision PassOver(std::string why, TlsReported reported) {
  TlsDecision decision;
  decision.text = std::move(why);
  decision.reported.push_back(std::move(reported));
  return decision;
}

TlsReported ReportedByDane(const TlsQuestion& question) {
  TlsReported reported;
  reported.type = TlsPolicyType::kTlsa;
  reported.policy_domain = question.dane.base_domain;
  for (const dns::Tlsa& record : question.dane.records) reported.policy_strings.push_back(TlsaText(record));
  return reported;
}

// Absent: what is known of the records is enough to go on.
std::optional<TlsDecision> WithoutRecords(const TlsQuestion& question) {
  const auto tell = [&question](absl::string_view what, TlsFailure failure, absl::string_view reason) {
    TlsReported reported = ReportedByDane(question);
    reported.failure = failure;
    reported.reason = std::string(reason);
    return PassOver(
        absl::StrCat(RecordsOf(question), " ", what, ", and without them nothing is sent to the host (DANE)"),
        std::move(reported));
  };
  switch (question.dane.kind) {
    case Dane::kBogus:
      return tell(
          absl::StrCat("cannot be had (", question.dane.why,
                       "): their DNSSEC signatures are not valid, or the zone's servers do not answer; its "
                       "owner must mend the zone"),
          TlsFailure::kDnssecInvalid, "tlsa-lookup-failed");
    case Dane::kUnreachable:
      return tell(absl::StrCat("cannot be looked up now (", question.dane.why, ")"),
                  TlsFailure::kValidationFailure, "tlsa-lookup-unreachable");
    case Dane::kTooLarge:
      return tell("are too many or too large; their owner must publish fewer", TlsFailure::kTlsaInvalid,
                  "tlsa-too-large");
    case Dane::kUsable:
      if (question.dane.records.empty()) return tell("are none", TlsFailure::kTlsaInvalid, "tlsa-unusable");
      break;
    case Dane::kNotAsked:
    case Dane::kMissing:
    case Dane::kUnusable:
      break;
  }
  return std::nullopt;
}

TlsPolicy ByRecords(const TlsQuestion& question) {
  TlsPolicy policy;
  policy.level = Level::kDane;
  policy.source = Source::kDane;
  policy.server_name = question.dane.base_domain;
  policy.names = question.dane.names;
  policy.tlsa = question.dane.records;
  std::sort(policy.tlsa.begin(), policy.tlsa.end(), TlsaLess);
  policy.tlsa.erase(std::unique(policy.tlsa.begin(), policy.tlsa.end()), policy.tlsa.end());
  return policy;
}

// Where no TLSA records decide: the most that anybody asks for, and the first who does.
TlsPolicy ByTheOthers(const TlsQuestion& question) {
  TlsPolicy policy;
  if (question.route.has_value()) {
    policy.source = Source::kRoute;
    policy.level = *question.route;
  }
  // What counts more takes over what is the same.
  const auto ask = [&policy](Level level, Source source) {
    if (level < policy.level) return;
    policy.level = level;
    policy.source = source;
  };
  if (question.dane.kind == Dane::kUnusable) ask(Level::kRequire, Source::kDaneUnusable);
  if (question.require_tls) ask(Level::kVerify, Source::kRequireTls);
  if (question.sts.mode == StsAnswer::Mode::kEnforce) ask(Level::kVerify, Source::kSts);
  return policy;
}

// What the host's owner, or the domain's, has asked for, and must see to.
std::string Advice(const TlsQuestion& question, Source source) {
  switch (source) {
    case Source::kDane:
      return absl::StrCat(RecordsOf(question),
                          " (DANE) and the host's certificate must fit; the host's owner can mend that");
    case Source::kDaneUnusable:
      return absl::StrCat(RecordsOf(question), " (DANE) ask for TLS; the host's owner can mend that");
    case Source::kSts:
      return absl::StrCat("the domain's MTA-STS policy asks for TLS and a certificate for ", question.host,
                          "; the domain's owner can mend that");
    case Source::kRequireTls:
    case Source::kRoute:
    case Source::kOpportunistic:
      break;
  }
  return "";
}

std::vector<TlsReported> Reported(const TlsQuestion& question) {
  std::vector<TlsReported> reported;
  if (question.dane.kind == Dane::kUsable) reported.push_back(ReportedByDane(question));
  if (question.dane.kind == Dane::kUnusable) {
    TlsReported& dane = reported.emplace_back(ReportedByDane(question));
    dane.failure = TlsFailure::kTlsaInvalid;
    dane.reason = "tlsa-unusable";
  }
  const bool by_records = question.dane.kind == Dane::kUsable;
  if (!by_records && question.sts.fetch_failure.has_value()) {
    TlsReported& sts = reported.emplace_back();
    sts.type = TlsPolicyType::kSts;
    sts.failure = question.sts.fetch_failure;
  } else if (!by_records && question.sts.mode != StsAnswer::Mode::kNone) {
    TlsReported& sts = reported.emplace_back();
    sts.type = TlsPolicyType::kSts;
    sts.policy_strings = question.sts.policy_lines;
    if (!question.sts.host_matches) {
      sts.failure = TlsFailure::kValidationFailure;
      sts.reason = "mx-mismatch";
    }
  }
  if (reported.empty()) reported.emplace_back();
  return reported;
}

}  // namespace

std::string TlsaText(const dns::Tlsa& record) {
  const bool shown = record.data.size() <= kMaxShownDataBytes;
  return absl::StrCat(int{record.usage}, " ", int{record.selector}, " ", int{record.matching_type}, " ",
                      shown ? absl::BytesToHexString(record.data) : "...");
}

TlsDecision DecideTls(const TlsQuestion& question) {
  if (question.is_tls_report) {
    TlsQuestion without = question;
    without.is_tls_report = false;
    without.dane = DaneAnswer();
    without.sts = StsAnswer();
    return DecideTls(without);
  }
  if (std::optional<TlsDecision> passed_over = WithoutRecords(question); passed_over.has_value()) {
    return *std::move(passed_over);
  }
  TlsDecision decision;
  decision.reported = Reported(question);
  const bool by_records = question.dane.kind == Dane::kUsable;
  // RFC 8461 section 4.1: a host that the policy does not name gets nothing, as if its certificate were bad.
  if (!by_records && question.sts.mode == StsAnswer::Mode::kEnforce && !question.sts.host_matches) {
    decision.text =
        absl::StrCat("the domain's MTA-STS policy ", question.sts.policy_id, " does not name ", question.host,
                     "; the domain's owner must mend the policy or the MX records");
    return decision;
  }
  TlsPolicy policy = by_records ? ByRecords(question) : ByTheOthers(question);
  decision.text = Advice(question, policy.source);
  policy.implicit = question.implicit && policy.level != Level::kNone;
  if (policy.implicit && !policy.needs_tls()) policy.level = Level::kRequire;
  // SECURITY: what breaks TLS on the way once keeps mail in the clear for hours where nobody asks for more; elsewhere it is
  // not even looked at.
  if (question.tls_broken && policy.level == Level::kMay) policy.level = Level::kNone;
  if (!by_records) {
    if (!question.host_is_address) policy.server_name = question.host;
    const bool told = question.sts.mode == StsAnswer::Mode::kTesting && question.sts.host_matches;
    if (policy.authenticates() || (told && policy.level != Level::kNone)) policy.names = {question.host};
  }
  decision.policy = std::move(policy);
  return decision;
}

}  // namespace mailstead::smtp::outbound
