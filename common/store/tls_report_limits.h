// What bounds calls of mailstead.frontend.v1.TlsReportService.
#pragma once

#include "absl/strings/string_view.h"

namespace mailstead::store {

// Domains in one CountTlsSessions: each is a record that its commit reads and writes.
inline constexpr int kMaxCountedTlsDomains = 100;
// Reports in one LeaseTlsReports: each costs its relay some seconds.
inline constexpr int kMaxLeasedTlsReports = 10;

// How the ids of the mail that brings a report begin: its own sessions are not counted.
inline constexpr absl::string_view kTlsReportDeliveryIdPrefix = "tls-report-";

}  // namespace mailstead::store
