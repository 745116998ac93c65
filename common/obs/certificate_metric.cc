#include "common/obs/certificate_metric.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace mailstead::obs {

CertificateMetric::CertificateMetric(prometheus::Registry& registry)
    : not_after_seconds_(prometheus::BuildGauge()
                             .Name("mailstead_certificate_not_after_seconds")
                             .Help("When the certificate in use ends, in seconds since 1970")
                             .Register(registry)
                             .Add({})) {}

void CertificateMetric::Set(absl::Time not_after) {
  not_after_seconds_.Set(static_cast<double>(absl::ToUnixSeconds(not_after)));
}

}  // namespace mailstead::obs
