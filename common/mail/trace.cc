#include "common/mail/trace.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mailstead {
namespace {

// date-time of RFC 5322 section 3.3.
std::string DateTime(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", time, absl::UTCTimeZone());
}

// RFC 5321 section 4.1.3.
std::string AddressLiteral(absl::string_view address) {
  return absl::StrCat(absl::StrContains(address, ':') ? "[IPv6:" : "[", address, "]");
}

}  // namespace

std::string WithProtocol(const TraceInfo& info) {
  // There are no names for plain SMTP under TLS; HELO with SMTPUTF8 does not exist.
  if (!info.esmtp) return "SMTP";
  return absl::StrCat(info.smtputf8 ? "UTF8SMTP" : "ESMTP", info.tls_version.empty() ? "" : "S",
                      info.authenticated ? "A" : "");
}

std::string ReceivedField(const TraceInfo& info) {
  std::string field = absl::StrCat("Received: from ", info.helo, " (", AddressLiteral(info.client_address),
                                   ")\r\n\tby ", info.hostname, " with ", WithProtocol(info));
  if (!info.tls_version.empty())
    absl::StrAppend(&field, "\r\n\t(", info.tls_version, " ", info.tls_cipher, ")");
  absl::StrAppend(&field, "\r\n\tid ", info.delivery_id);
  if (!info.recipient.empty()) absl::StrAppend(&field, "\r\n\tfor <", info.recipient, ">");
  absl::StrAppend(&field, "; ", DateTime(info.time), "\r\n");
  return field;
}

void SubmissionFields::OnField(const HeaderField& field) {
  if (field.Is("Date")) has_date_ = true;
  if (field.Is("Message-ID")) has_message_id_ = true;
}

void SubmissionFields::AppendMissing(const TraceInfo& info, std::string& trace) const {
  if (!has_date_) absl::StrAppend(&trace, "Date: ", DateTime(info.time), "\r\n");
  if (!has_message_id_) {
    absl::StrAppend(&trace, "Message-ID: <", info.delivery_id, "@", info.hostname, ">\r\n");
  }
}

void EndTrace(const HeaderReader& header, std::string& trace) {
  if (header.begins_with_text() && !absl::EndsWith(trace, "\r\n\r\n")) trace.append("\r\n");
}

}  // namespace mailstead
