// A report on TLS to another domain (RFC 8460 section 4), as JSON, and the mail that brings it (section 5.3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/envelope.h"

namespace mailstead::mailauth {

// Of what an https URI gets (section 5.4); the mail's part has the same type.
inline constexpr absl::string_view kTlsReportMediaType = "application/tlsrpt+gzip";

// Sessions that did not come up to a policy, for one reason (section 4.4, "failure-details").
struct TlsReportFailure {
  // As FailureName gives it.
  std::string result;
  std::string mx_host;
  // Empty: none was connected to.
  std::string address;
  // Empty: there is nothing to add.
  std::string reason;
  int64_t session_count = 0;
};

// What became of one policy.
struct TlsReportPolicy {
  // As PolicyTypeName gives it.
  std::string type;
  std::string domain;
  // The TLSA records, or the lines of the MTA-STS policy; empty: none.
  std::vector<std::string> strings;
  // The patterns of an MTA-STS policy.
  std::vector<std::string> mx_hosts;
  int64_t success_count = 0;
  int64_t failure_count = 0;
  std::vector<TlsReportFailure> failures;
};

struct TlsReport {
  // Who sends it, and whom to ask.
  std::string organization;
  std::string contact;
  // The same for the same report.
  std::string id;
  // Of what it tells: from `start` until before `end`.
  absl::Time start;
  absl::Time end;
  // Whom it is for.
  std::string domain;
  std::vector<TlsReportPolicy> policies;
};

// Section 4.4. Text that is no UTF-8 must not be in it.
std::string TlsReportJson(const TlsReport& report);

// RFC 1952.
std::string Gzip(absl::string_view bytes);

struct TlsReportMail {
  // Our name.
  std::string hostname;
  absl::Time now;
  std::vector<std::string> to;
};

struct WrittenTlsReport {
  // From the contact; without a delivery id.
  Envelope envelope;
  // 7-bit, with CRLF.
  std::string content;
};

// multipart/report; report-type="tlsrpt".
WrittenTlsReport WriteTlsReportMail(const TlsReport& report, const TlsReportMail& mail);

}  // namespace mailstead::mailauth
