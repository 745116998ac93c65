// Reads what other hosts say of mail that they could not deliver, or not yet: multipart/report with
// report-type=delivery-status (RFC 3462, RFC 3464). Pure; takes any bytes.
//
// SECURITY: anybody can send such a message, and say in it what they like.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::dsn {

// The beginning of a report that is looked at. What it says of recipients stands in front of the mail that it returns; of
// that only the header is needed, which few make longer.
inline constexpr size_t kMaxReportBytes = 64 << 10;
// Of one report.
inline constexpr size_t kMaxReportedRecipients = 20;
// Of each text in it.
inline constexpr size_t kMaxReportTextBytes = 512;

struct ReportedRecipient {
  // Without their types; either may be empty.
  std::string final_recipient;
  std::string original_recipient;
  enum class Action { kFailed, kDelayed, kOther };
  Action action = Action::kOther;
  // RFC 3463, or empty.
  std::string status;
  // Without its type: "550 5.1.1 no such user".
  std::string diagnostic;
};

struct Report {
  std::string envelope_id;
  // Without its type.
  std::string reporting_mta;
  // Of the mail that it returns, without angle brackets.
  std::string message_id;
  std::vector<ReportedRecipient> recipients;
};

// The message with its header, or the beginning of it. Absent: it is none.
std::optional<Report> ParseReport(absl::string_view message);

}  // namespace mailstead::dsn
