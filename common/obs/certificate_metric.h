// mailstead_certificate_not_after_seconds: when the certificate that a program shows its callers ends.
#pragma once

#include "absl/time/time.h"

namespace prometheus {
class Gauge;
class Registry;
}  // namespace prometheus

namespace mailstead::obs {

// Of programs that serve TLS only: one that does not has no such metric.
class CertificateMetric {
 public:
  // `registry` outlives it.
  explicit CertificateMetric(prometheus::Registry& registry);

  // Any thread.
  void Set(absl::Time not_after);

 private:
  prometheus::Gauge& not_after_seconds_;
};

}  // namespace mailstead::obs
