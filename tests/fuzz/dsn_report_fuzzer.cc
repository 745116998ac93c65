// Reports of other hosts: whatever comes, what is read of it is bounded, and each text of it one line.
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "common/mail/dsn/report.h"
#include "common/mail/trace.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

void CheckText(absl::string_view text, size_t max_bytes) {
  CHECK(text.size() <= max_bytes);
  for (const char c : text) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

}  // namespace

void Run(absl::string_view input) {
  const std::optional<dsn::Report> report = dsn::ParseReport(input);
  if (!report.has_value()) return;
  CHECK(!report->recipients.empty() && report->recipients.size() <= dsn::kMaxReportedRecipients);
  // A character that is none takes three bytes.
  constexpr size_t kMost = 3 * dsn::kMaxReportTextBytes;
  CheckText(report->envelope_id, kMost);
  CheckText(report->reporting_mta, kMost);
  CHECK(report->message_id.size() <= kMaxMessageIdBytes);
  for (const dsn::ReportedRecipient& recipient : report->recipients) {
    CHECK(!recipient.final_recipient.empty() || !recipient.original_recipient.empty());
    CheckText(recipient.final_recipient, kMost);
    CheckText(recipient.original_recipient, kMost);
    CheckText(recipient.status, kMost);
    CheckText(recipient.diagnostic, kMost);
  }
}

}  // namespace mailstead::fuzz
