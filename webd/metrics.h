// What webd counts, for Prometheus. Names, labels and meanings stand at the definitions in metrics.cc.
#pragma once

#include "absl/strings/string_view.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace mailstead::web {

// Thread-safe.
class Metrics {
 public:
  // The metrics live in `registry`, which outlives this.
  explicit Metrics(prometheus::Registry& registry);

  // `method` is one of the API, or empty.
  void CountCall(absl::string_view method, absl::string_view code);
  void CountClosed(absl::string_view reason);
  void CountWebhookEvent(bool sent);

  prometheus::Gauge& connections;
  prometheus::Gauge& body_bytes;
  prometheus::Counter& tls_failures;
  prometheus::Counter& stream_messages;
  prometheus::Gauge& webhooks;
  prometheus::Gauge& webhook_bytes;

 private:
  prometheus::Family<prometheus::Counter>& calls_family_;
  prometheus::Family<prometheus::Counter>& closed_family_;
  prometheus::Family<prometheus::Counter>& webhook_events_family_;
};

}  // namespace mailstead::web
