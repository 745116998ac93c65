// What a relay does, for the log and the metrics. docs/metrics.md and docs/operations.md list them.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/store/relay_api.h"
#include "smtpd/outbound/sts_lookup.h"
#include "smtpd/outbound/tls_reporter.h"
#include "smtpd/outbound/worker.h"

namespace prometheus {
class Counter;
template <typename T>
class Family;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace mailstead::smtp::outbound {

// Thread-safe.
class RelayJournal final : public WorkerJournal, public StsJournal, public TlsReportJournal {
 public:
  explicit RelayJournal(std::shared_ptr<prometheus::Registry> registry);

  void Connected(const ConnectionKey& key, const ConnectionOutcome& outcome,
                 const Protection& protection) override;
  void PassedOver(const store::QueueAttempt& attempt, const std::string& host, const TlsDecision& decision) override;
  void Attempted(const store::QueueAttempt& attempt, const DeliveryResult& result,
                 absl::Duration took) override;
  void Reported(const std::string& domain, absl::string_view way, absl::string_view to, absl::string_view error) override;
  void StsHost(const std::string& domain, const std::string& host, const StsAnswer& answer) override;
  void PolicyFetched(const std::string& domain, const std::string& policy_id, const mailauth::StsPolicy& policy) override;
  void PolicyNotFetched(const std::string& domain, const std::string& policy_id, const StsFetchFailure& failure,
                        bool kept) override;
  void StoreAway(const absl::Status& error) override;
  void StoreBack() override;
  // Whether the DNS servers validate, and are trusted with that.
  void Validates(bool validates, bool trusted);
  // Whether DANE is looked at; `off` says why not.
  void Dane(absl::string_view off);
  // The relay is over; false: something was cut off.
  void Ended(bool all);

 private:
  void CountTls(TlsPolicy::Source source, absl::string_view result);

  const std::shared_ptr<prometheus::Registry> registry_;
  std::array<prometheus::Counter*, 3> recipients_;
  prometheus::Counter* attempts_;
  // By their result.
  std::array<prometheus::Counter*, 5> connections_;
  prometheus::Histogram* attempt_seconds_;
  prometheus::Gauge* dns_validating_;
  prometheus::Gauge* dane_;
  // Labelled when they come: as many as there are policies and results.
  prometheus::Family<prometheus::Counter>* tls_;
  prometheus::Family<prometheus::Counter>* tls_versions_;
  prometheus::Family<prometheus::Counter>* tls_reports_;
  // Whether it came about, and if not, whether an older policy holds.
  std::array<prometheus::Counter*, 3> sts_fetches_;
  // By the policy's mode (kTesting, kEnforce), and whether the host is one of its.
  std::array<std::array<prometheus::Counter*, 2>, 2> sts_hosts_;
};

}  // namespace mailstead::smtp::outbound
