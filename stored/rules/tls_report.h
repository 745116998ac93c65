// How sessions are counted for reports on TLS (RFC 8460), within bounds. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stored/engine/tls_report.h"

namespace mailstead::rules {

// Of one report. A domain that names a hundred hosts, or changes its records all day, does not get more of us.
inline constexpr size_t kMaxTlsSessionKinds = 100;
inline constexpr size_t kMaxTlsReportBytes = 16'384;
// Of all that have not been sent: with the most of each 320 MB, with what domains usually have some 6 MB.
inline constexpr int64_t kMaxTlsReports = 20'000;
// A report that could not be sent is tried again after this, so often. Receivers that are away for longer than a day get
// none (RFC 8460 section 5.5 has that as the least that is reasonable).
inline constexpr absl::Duration kTlsReportLease = absl::Hours(1);
inline constexpr int64_t kMaxTlsReportLeases = 24;

// Adds `sessions` to those of the report. What there is no room for is not counted.
void AddTlsSessions(const std::vector<engine::TlsSessions>& sessions, engine::TlsReport& report);

// When reports of a stretch of time are due: for each domain at another time (RFC 8460 section 4.1), between a twelfth and a sixth
// of the stretch after its end, when all relays have told what they had: between two and four in the morning, of days.
absl::Time TlsReportDue(const engine::TlsReportKey& key, absl::Time end);

// NotFound: it was sent, or there never was one. Aborted: another relay has it by now.
absl::Status NoTlsReport(const engine::TlsReportKey& key);
absl::Status CheckTlsReportLease(const engine::TlsReport& report, int64_t lease);

}  // namespace mailstead::rules
