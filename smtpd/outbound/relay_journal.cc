#include "smtpd/outbound/relay_journal.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mailauth/tls_result.h"
#include "common/obs/log.h"

namespace mailstead::smtp::outbound {
namespace {

using Kind = store::QueueOutcome::Kind;

const prometheus::Histogram::BucketBoundaries kSeconds = {0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300};

// What has come of a connection.
enum class Connection { kInTheClear, kUnverified, kVerified, kTlsBroken, kFailed };
constexpr absl::string_view kConnectionNames[] = {"clear", "tls", "tls_verified", "tls_broken", "failed"};

Connection ConnectionOf(const ConnectionOutcome& outcome, const Protection& protection) {
  if (outcome.kind == ConnectionOutcome::Kind::kTlsBroken) return Connection::kTlsBroken;
  if (!outcome.usable()) return Connection::kFailed;
  if (!protection.encrypted()) return Connection::kInTheClear;
  return protection.verified ? Connection::kVerified : Connection::kUnverified;
}

// What TLS has come to: "verified", "unverified", "clear", or what went wrong as reports call it.
absl::string_view TlsResult(const ConnectionOutcome& outcome, const Protection& protection) {
  if (outcome.tls_failure.has_value()) return mailauth::FailureName(*outcome.tls_failure);
  if (!protection.encrypted()) return "clear";
  return protection.verified ? "verified" : "unverified";
}

// By what a certificate was found good; "no" where nobody has looked, or what was seen did not matter.
std::string VerifiedBy(const Protection& protection) {
  if (!protection.verified) return "no";
  if (protection.resumed) return "earlier session";
  return protection.tlsa.empty() ? "name" : absl::StrCat("TLSA ", protection.tlsa);
}

// What has come of a fetch.
enum class StsFetched { kFetched, kKept, kFailed };
constexpr const char* kStsFetchNames[] = {"fetched", "kept", "failed"};

absl::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kDelivered:
      return "delivered";
    case Kind::kFailed:
      return "failed";
    case Kind::kDeferred:
      break;
  }
  return "deferred";
}

}  // namespace

RelayJournal::RelayJournal(std::shared_ptr<prometheus::Registry> registry) : registry_(std::move(registry)) {
  auto& recipients = prometheus::BuildCounter()
                         .Name("mailstead_relay_recipients_total")
                         .Help("Recipients at other hosts, by what an attempt has come to")
                         .Register(*registry_);
  for (const Kind kind : {Kind::kDelivered, Kind::kFailed, Kind::kDeferred}) {
    recipients_[static_cast<size_t>(kind)] = &recipients.Add({{"outcome", std::string(NameOf(kind))}});
  }
  attempts_ = &prometheus::BuildCounter()
                   .Name("mailstead_relay_attempts_total")
                   .Help("Attempts to bring a message to another host")
                   .Register(*registry_)
                   .Add({});
  auto& connections = prometheus::BuildCounter()
                          .Name("mailstead_relay_connections_total")
                          .Help("Connections to other hosts, by how far they came and what TLS they have")
                          .Register(*registry_);
  for (size_t i = 0; i < connections_.size(); ++i) {
    connections_[i] = &connections.Add({{"result", std::string(kConnectionNames[i])}});
  }
  attempt_seconds_ = &prometheus::BuildHistogram()
                          .Name("mailstead_relay_attempt_seconds")
                          .Help("How long attempts took")
                          .Register(*registry_)
                          .Add({}, kSeconds);
  dns_validating_ = &prometheus::BuildGauge()
                         .Name("mailstead_relay_dns_validating")
                         .Help("1 when the DNS servers validate DNSSEC and are trusted with it")
                         .Register(*registry_)
                         .Add({});
  dane_ = &prometheus::BuildGauge()
               .Name("mailstead_relay_dane")
               .Help("1 when hosts are authenticated by DANE where they have TLSA records")
               .Register(*registry_)
               .Add({});
  tls_ = &prometheus::BuildCounter()
              .Name("mailstead_relay_tls_total")
              .Help("What became of TLS with other hosts, by whose word it was asked for")
              .Register(*registry_);
  tls_versions_ = &prometheus::BuildCounter()
                       .Name("mailstead_relay_tls_versions_total")
                       .Help("Handshakes with other hosts, by what protocol they agreed on")
                       .Register(*registry_);
  tls_reports_ = &prometheus::BuildCounter()
                      .Name("mailstead_relay_tls_reports_total")
                      .Help("Reports on TLS to other domains, by the way they were to go and whether they went")
                      .Register(*registry_);
  auto& fetches = prometheus::BuildCounter()
                      .Name("mailstead_relay_sts_fetches_total")
                      .Help("MTA-STS policies that were fetched, or could not be while an older one holds (kept), or none (failed)")
                      .Register(*registry_);
  for (const StsFetched each : {StsFetched::kFetched, StsFetched::kKept, StsFetched::kFailed}) {
    sts_fetches_[static_cast<size_t>(each)] = &fetches.Add({{"result", kStsFetchNames[static_cast<size_t>(each)]}});
  }
  auto& hosts = prometheus::BuildCounter()
                    .Name("mailstead_relay_sts_hosts_total")
                    .Help("Hosts that were looked at by their domain's MTA-STS policy, by its mode and whether it names them")
                    .Register(*registry_);
  for (const bool enforces : {false, true}) {
    for (const bool matches : {false, true}) {
      sts_hosts_[enforces][matches] =
          &hosts.Add({{"mode", enforces ? "enforce" : "testing"}, {"result", matches ? "match" : "mismatch"}});
    }
  }
}

void RelayJournal::Connected(const ConnectionKey& key, const ConnectionOutcome& outcome,
                             const Protection& protection) {
  const auto result = static_cast<size_t>(ConnectionOf(outcome, protection));
  connections_[result]->Increment();
  // A host that was not reached has said nothing of TLS.
  const bool answered = outcome.usable() || outcome.tls_failure.has_value();
  if (answered) CountTls(key.tls.source, TlsResult(outcome, protection));
  if (protection.encrypted()) tls_versions_->Add({{"version", protection.version}}).Increment();
  obs::LogInfo("connected", {{"host", key.tls.server_name},
                             {"address", key.address},
                             {"port", key.port},
                             {"result", kConnectionNames[result]},
                             {"tls", protection.version},
                             {"cipher", protection.cipher},
                             {"resumed", protection.resumed},
                             {"policy", SourceName(key.tls.source)},
                             {"level", LevelName(key.tls.level)},
                             {"verified_by", VerifiedBy(protection)},
                             {"flaw", protection.flaw.has_value() ? mailauth::FailureName(*protection.flaw) : ""},
                             {"failure", outcome.tls_failure.has_value() ? mailauth::FailureName(*outcome.tls_failure) : ""},
                             {"code", outcome.code},
                             {"error", outcome.text}});
}

void RelayJournal::CountTls(TlsPolicy::Source source, absl::string_view result) {
  tls_->Add({{"policy", std::string(SourceName(source))}, {"result", std::string(result)}}).Increment();
}

void RelayJournal::PassedOver(const store::QueueAttempt& attempt, const std::string& host,
                              const TlsDecision& decision) {
  // The one that has said so is the last.
  const TlsReported& reported = decision.reported.back();
  const auto source = reported.type == mailauth::TlsPolicyType::kSts ? TlsPolicy::Source::kSts : TlsPolicy::Source::kDane;
  const absl::string_view failure = mailauth::FailureName(
      reported.failure.value_or(mailauth::TlsFailure::kValidationFailure));
  CountTls(source, failure);
  obs::LogInfo("host_passed_over", {{"destination", attempt.destination},
                                    {"host", host},
                                    {"policy", SourceName(source)},
                                    {"failure", failure},
                                    {"reason", reported.reason},
                                    {"error", decision.text}});
}

void RelayJournal::Attempted(const store::QueueAttempt& attempt, const DeliveryResult& result,
                             absl::Duration took) {
  attempts_->Increment();
  attempt_seconds_->Observe(absl::ToDoubleSeconds(took));
  size_t counts[3] = {};
  for (const store::QueueOutcome& outcome : result.report.outcomes)
    ++counts[static_cast<size_t>(outcome.kind)];
  for (size_t i = 0; i < 3; ++i) recipients_[i]->Increment(static_cast<double>(counts[i]));
  // The store says what came of each recipient.
  obs::LogInfo("attempted", {{"queued", attempt.message.value},
                             {"delivery", attempt.envelope.delivery_id},
                             {"destination", attempt.destination},
                             {"site", result.report.site},
                             {"host", result.host},
                             {"tls", result.protection.version},
                             {"cipher", result.protection.cipher},
                             {"verified", result.protection.verified},
                             {"delivered", counts[static_cast<size_t>(Kind::kDelivered)]},
                             {"failed", counts[static_cast<size_t>(Kind::kFailed)]},
                             {"deferred", counts[static_cast<size_t>(Kind::kDeferred)]},
                             {"duration_ms", obs::Milliseconds(took)}});
}

void RelayJournal::StsHost(const std::string& domain, const std::string& host, const StsAnswer& answer) {
  const bool enforces = answer.mode == StsAnswer::Mode::kEnforce;
  sts_hosts_[enforces][answer.host_matches]->Increment();
  if (answer.host_matches) return;
  obs::LogWarning("sts_mismatch", {{"domain", domain},
                                   {"host", host},
                                   {"policy", answer.policy_id},
                                   {"mode", enforces ? "enforce" : "testing"}});
}

void RelayJournal::PolicyFetched(const std::string& domain, const std::string& policy_id,
                                 const mailauth::StsPolicy& policy) {
  sts_fetches_[static_cast<size_t>(StsFetched::kFetched)]->Increment();
  obs::LogInfo("sts_fetched", {{"domain", domain},
                               {"policy", policy_id},
                               {"mode", mailauth::StsModeText(policy.mode)},
                               {"hosts", policy.mx.size()},
                               {"max_age_s", absl::ToInt64Seconds(policy.max_age)}});
}

void RelayJournal::PolicyNotFetched(const std::string& domain, const std::string& policy_id,
                                    const StsFetchFailure& failure, bool kept) {
  sts_fetches_[static_cast<size_t>(kept ? StsFetched::kKept : StsFetched::kFailed)]->Increment();
  obs::LogWarning("sts_not_fetched", {{"domain", domain},
                                      {"policy", policy_id},
                                      {"result", mailauth::FailureName(failure.failure)},
                                      {"error", failure.text},
                                      {"kept", kept}});
}

void RelayJournal::StoreAway(const absl::Status& error) {
  obs::LogWarning("relay_waits_for_store", {{"error", error.ToString()}});
}

void RelayJournal::StoreBack() { obs::LogInfo("relay_goes_on", {}); }

void RelayJournal::Validates(bool validates, bool trusted) {
  dns_validating_->Set(validates && trusted ? 1 : 0);
  obs::LogInfo("dns_validation", {{"validates", validates}, {"trusted", trusted}});
}

void RelayJournal::Reported(const std::string& domain, absl::string_view way, absl::string_view to,
                            absl::string_view error) {
  tls_reports_->Add({{"way", std::string(way)}, {"result", error.empty() ? "ok" : "failed"}}).Increment();
  // Most domains want none.
  if (way == "none") return;
  obs::LogInfo("tls_report", {{"destination", domain}, {"way", way}, {"to", to}, {"error", error}});
}

void RelayJournal::Dane(absl::string_view off) {
  dane_->Set(off.empty() ? 1 : 0);
  if (off.empty()) {
    obs::LogInfo("dane_on", {});
  } else {
    obs::LogWarning("dane_off", {{"reason", off}});
  }
}

void RelayJournal::Ended(bool all) {
  if (!all) obs::LogWarning("attempts_cut_off", {});
}

}  // namespace mailstead::smtp::outbound
