#include "common/mail/dsn/writer.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/mail/address.h"
#include "common/mail/date_time.h"
#include "common/mail/dsn/fields.h"
#include "common/mail/dsn/notice_text.h"
#include "common/mail/dsn/returned.h"
#include "common/text/quoted_printable.h"
#include "common/text/utf8.h"

namespace mailstead::dsn {
namespace {

struct Part {
  std::string type;
  // For people whose mail program shows parts as files.
  absl::string_view description;
  std::string encoding;
  std::string body;
};

// status-code of RFC 3463 section 2.
bool IsStatus(absl::string_view status) {
  if (status.size() < 5 || status[1] != '.' || !absl::StrContains("245", status.substr(0, 1))) return false;
  const absl::string_view rest = status.substr(2);
  const size_t dot = rest.find('.');
  if (dot == absl::string_view::npos) return false;
  const auto is_number = [](absl::string_view text) {
    return !text.empty() && text.size() <= 3 && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  };
  return is_number(rest.substr(0, dot)) && is_number(rest.substr(dot + 1));
}

// What is given up may have failed for a reason that was temporary each time (RFC 3464 section 2.3.4).
std::string FittingStatus(const NoticeRecipient& recipient, NoticeKind kind) {
  const absl::string_view classes = kind == NoticeKind::kFailed    ? "54"
                                    : kind == NoticeKind::kDelayed ? "4"
                                                                   : "2";
  const std::string& status = recipient.status;
  if (IsStatus(status) && absl::StrContains(classes, absl::string_view(status).substr(0, 1))) return status;
  return absl::StrCat(classes.substr(0, 1), ".0.0");
}

void AppendRecipient(const NoticeRecipient& recipient, NoticeKind kind, bool utf8, std::string& body) {
  if (!recipient.original_recipient.empty()) {
    AppendField("Original-Recipient", TypedOriginalRecipient(recipient.original_recipient, utf8), body);
  }
  AppendField("Final-Recipient", TypedAddress(recipient.address, utf8), body);
  AppendField("Action", NoticeKindName(kind), body);
  AppendField("Status", FittingStatus(recipient, kind), body);
  const std::string remote_mta = Printable(Utf8Prefix(recipient.remote_mta, kMaxDomainBytes), false);
  if (!remote_mta.empty()) AppendField("Remote-MTA", absl::StrCat("dns; ", remote_mta), body);
  std::vector<std::string> said = PrintableLines(recipient.diagnostic, utf8, kMaxDiagnosticBytes);
  const std::string explanation = Printable(Utf8Prefix(recipient.explanation, kMaxExplanationBytes), utf8);
  if (!said.empty()) {
    // Each line of a reply begins one of the field (RFC 3461 section 9.2).
    said.front() = absl::StrCat("smtp; ", said.front());
    AppendField("Diagnostic-Code", said, body);
  } else if (!explanation.empty()) {
    AppendField("Diagnostic-Code", absl::StrCat("x-mailstead; ", explanation), body);
  }
  if (recipient.last_attempt.has_value())
    AppendField("Last-Attempt-Date", DateTime(*recipient.last_attempt), body);
  if (kind == NoticeKind::kDelayed && recipient.will_retry_until.has_value()) {
    AppendField("Will-Retry-Until", DateTime(*recipient.will_retry_until), body);
  }
}

Part TextPart(const Notice& notice, const Returned& returned) {
  std::string text = NoticeText(notice, returned);
  if (IsAscii(text) && !HasBadLine(text))
    return {"text/plain; charset=us-ascii", "Notification", "7bit", std::move(text)};
  return {"text/plain; charset=utf-8", "Notification", "quoted-printable", EncodeQuotedPrintable(text)};
}

Part StatusPart(const Notice& notice, bool utf8) {
  std::string body;
  const std::string envelope_id = Printable(notice.envelope.dsn_envelope_id, false);
  if (!envelope_id.empty()) AppendField("Original-Envelope-Id", envelope_id, body);
  const std::string hostname = Printable(notice.reporting_mta, false);
  const bool in_dns = absl::StrContains(hostname, ".");
  AppendField("Reporting-MTA", absl::StrCat(in_dns ? "dns; " : "x-local-hostname; ", hostname), body);
  AppendField("Arrival-Date", DateTime(notice.arrival), body);
  for (const NoticeRecipient& recipient : notice.recipients) {
    body += "\r\n";
    AppendRecipient(recipient, notice.kind, utf8, body);
  }
  return {utf8 ? "message/global-delivery-status" : "message/delivery-status", "Delivery report",
          IsAscii(body) ? "7bit" : "8bit", std::move(body)};
}

std::vector<Part> PartsOf(const Notice& notice, Returned returned, bool utf8) {
  std::vector<Part> parts = {TextPart(notice, returned), StatusPart(notice, utf8)};
  if (returned.part.has_value()) {
    ReturnedPart& part = *returned.part;
    parts.push_back({std::move(part.type), part.whole ? "Your message" : "Header of your message",
                     std::move(part.encoding), std::move(part.body)});
  }
  return parts;
}

// SECURITY: no line of a part begins with it, whatever others wrote, so that none ends its part (RFC 2046 section
// 5.1.1).
std::string Boundary(const std::string& id, const std::vector<Part>& parts) {
  const auto is_in = [&parts](absl::string_view boundary) {
    return std::any_of(parts.begin(), parts.end(),
                       [boundary](const Part& part) { return absl::StrContains(part.body, boundary); });
  };
  // A boundary has at most 70 characters. Some number is not in the parts: they have not so many bytes.
  const std::string stem = absl::StrCat("=_", id.substr(0, 40));
  std::string boundary = stem;
  for (int i = 1; is_in(boundary); ++i) boundary = absl::StrCat(stem, ".", i);
  return boundary;
}

std::string MailboxInField(const std::string& address) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  // SECURITY: an address that parses has no CR or LF; another one becomes printable text.
  return parsed.ok() ? parsed->ToString() : Printable(address, true);
}

void AppendHeader(const Notice& notice, const OriginalFields& original, absl::string_view boundary,
                  bool eight_bit, std::string& out) {
  const std::string hostname = Printable(notice.reporting_mta, false);
  AppendField("Date", DateTime(notice.now), out);
  AppendField("From", absl::StrCat("Mail delivery <", MailboxInField(notice.from), ">"), out);
  AppendField("To", absl::StrCat("<", MailboxInField(notice.envelope.reverse_path), ">"), out);
  AppendField("Subject", NoticeSubject(notice.kind), out);
  AppendField("Message-ID", absl::StrCat("<", notice.id, "@", hostname, ">"), out);
  if (!original.message_id.empty()) {
    AppendField("In-Reply-To", original.message_id, out);
    AppendField("References", original.message_id, out);
  }
  // RFC 3834 section 5.
  AppendField("Auto-Submitted", "auto-replied", out);
  AppendField("MIME-Version", "1.0", out);
  AppendField("Content-Type",
              absl::StrCat("multipart/report; report-type=delivery-status; boundary=\"", boundary, "\""),
              out);
  if (eight_bit) AppendField("Content-Transfer-Encoding", "8bit", out);
}

void AppendParts(const std::vector<Part>& parts, absl::string_view boundary, std::string& out) {
  for (const Part& part : parts) {
    absl::StrAppend(&out, "\r\n--", boundary, "\r\n");
    AppendField("Content-Type", part.type, out);
    AppendField("Content-Description", part.description, out);
    AppendField("Content-Transfer-Encoding", part.encoding, out);
    absl::StrAppend(&out, "\r\n", part.body);
  }
  absl::StrAppend(&out, "\r\n--", boundary, "--\r\n");
}

bool IsId(absl::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace

absl::string_view NoticeKindName(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::kFailed:
      return "failed";
    case NoticeKind::kDelayed:
      return "delayed";
    case NoticeKind::kDelivered:
      return "delivered";
    case NoticeKind::kRelayed:
      return "relayed";
    case NoticeKind::kExpanded:
      return "expanded";
  }
  CHECK(false);
}

WrittenNotice Write(const Notice& notice) {
  const Envelope& about = notice.envelope;
  CHECK(!about.reverse_path.empty() && IsId(notice.id));
  CHECK(!notice.recipients.empty() && notice.recipients.size() <= kMaxNoticeRecipients);
  const bool utf8 = !IsAscii(about.reverse_path) || !IsAscii(notice.from);
  Returned returned = Return(notice, utf8);
  const OriginalFields original = returned.fields;
  const std::vector<Part> parts = PartsOf(notice, std::move(returned), utf8);
  const bool eight_bit =
      std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.encoding == "8bit"; });
  const std::string boundary = Boundary(notice.id, parts);

  WrittenNotice written;
  AppendHeader(notice, original, boundary, eight_bit, written.content);
  AppendParts(parts, boundary, written.content);
  EnvelopeRecipient sender;
  sender.address = about.reverse_path;
  sender.notify.given = true;
  written.envelope.recipients.push_back(std::move(sender));
  written.envelope.eight_bit_mime = !IsAscii(written.content);
  written.envelope.smtputf8 = utf8;
  written.envelope.require_tls = about.require_tls;
  return written;
}

}  // namespace mailstead::dsn
