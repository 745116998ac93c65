#include "common/mail/dsn/report.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/mail/dsn/fields.h"
#include "common/mail/header_reader.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/parser.h"
#include "common/mail/mime/transfer_decoder.h"
#include "common/mail/trace.h"

namespace mailstead::dsn {
namespace {

// The part's bytes without its transfer encoding.
std::string BodyOf(absl::string_view message, const mime::Part& part) {
  if (part.body_begin > message.size()) return "";
  std::string body;
  mime::TransferDecoder decoder(part.encoding);
  decoder.Feed(message.substr(part.body_begin, part.end - part.body_begin), &body);
  decoder.Finish(&body);
  return body;
}

// As a line for people, and bounded.
std::string Text(absl::string_view value) {
  return Printable(value.substr(0, kMaxReportTextBytes), /*utf8=*/true);
}

// What stands behind "type;".
std::string Typed(absl::string_view value) {
  const size_t semicolon = value.find(';');
  if (semicolon != absl::string_view::npos) value.remove_prefix(semicolon + 1);
  return Text(absl::StripAsciiWhitespace(value));
}

// "<a@b.test>" or "a@b.test".
std::string AddressOf(absl::string_view value) {
  std::string address = Typed(value);
  if (absl::StartsWith(address, "<") && absl::EndsWith(address, ">"))
    address = address.substr(1, address.size() - 2);
  return address;
}

ReportedRecipient::Action ActionOf(absl::string_view value) {
  // RFC 3464 section 2.3.3.
  if (absl::EqualsIgnoreCase(value, "failed")) return ReportedRecipient::Action::kFailed;
  if (absl::EqualsIgnoreCase(value, "delayed")) return ReportedRecipient::Action::kDelayed;
  return ReportedRecipient::Action::kOther;
}

// Takes a line with its line end off the front of `text`.
absl::string_view TakeLine(absl::string_view& text) {
  const size_t end = text.find('\n');
  absl::string_view line = text.substr(0, end);
  text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
  return absl::StripSuffix(line, "\r");
}

// The fields of message/delivery-status: a group on the message, and one on each recipient, with empty lines between.
class StatusReader {
 public:
  explicit StatusReader(Report& report) : report_(report) {}

  void Read(absl::string_view text) {
    while (!text.empty()) TakeFieldLine(TakeLine(text));
    EndGroup();
  }

 private:
  void TakeFieldLine(absl::string_view line) {
    if (line.empty()) {
      EndGroup();
    } else if (line[0] == ' ' || line[0] == '\t') {
      if (field_.size() < kMaxReportTextBytes)
        absl::StrAppend(&field_, " ", absl::StripAsciiWhitespace(line));
    } else {
      EndField();
      field_ = std::string(line);
    }
  }

  void EndField() {
    std::string taken;
    taken.swap(field_);
    const absl::string_view field = taken;
    const size_t colon = field.find(':');
    if (colon == absl::string_view::npos) return;
    const absl::string_view name = absl::StripAsciiWhitespace(field.substr(0, colon));
    const absl::string_view value = absl::StripAsciiWhitespace(field.substr(colon + 1));
    any_ = true;
    if (absl::EqualsIgnoreCase(name, "Original-Envelope-Id")) report_.envelope_id = Text(value);
    if (absl::EqualsIgnoreCase(name, "Reporting-MTA")) report_.reporting_mta = Typed(value);
    if (absl::EqualsIgnoreCase(name, "Final-Recipient")) recipient_.final_recipient = AddressOf(value);
    if (absl::EqualsIgnoreCase(name, "Original-Recipient")) recipient_.original_recipient = AddressOf(value);
    if (absl::EqualsIgnoreCase(name, "Action")) recipient_.action = ActionOf(value);
    if (absl::EqualsIgnoreCase(name, "Status")) recipient_.status = StatusOf(value);
    if (absl::EqualsIgnoreCase(name, "Diagnostic-Code")) recipient_.diagnostic = Typed(value);
  }

  // Behind it a comment may stand (RFC 3464 section 2.3.4).
  static std::string StatusOf(absl::string_view value) {
    return Text(value.substr(0, value.find_first_of(" \t(")));
  }

  void EndGroup() {
    EndField();
    if (!any_) return;
    any_ = false;
    ReportedRecipient recipient = std::exchange(recipient_, ReportedRecipient());
    if (recipient.final_recipient.empty() && recipient.original_recipient.empty()) return;
    if (report_.recipients.size() < kMaxReportedRecipients)
      report_.recipients.push_back(std::move(recipient));
  }

  Report& report_;
  // Unfolded, of which more lines may come.
  std::string field_;
  ReportedRecipient recipient_;
  // The group has a field.
  bool any_ = false;
};

// Looks for the Message-ID of a header.
class MessageIdReader final : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override {
    if (id.empty() && field.Is("Message-ID"))
      id = MessageIdOf(field.Unfolded()).substr(0, kMaxMessageIdBytes);
  }
  std::string id;
};

bool IsReturned(const mime::Part& part) {
  // RFC 3462 sections 1 and 2, RFC 6533 section 4.
  for (const absl::string_view type : {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers",
                                       "message/global", "message/global-headers"}) {
    if (part.media_type == type) return true;
  }
  return false;
}

}  // namespace

std::optional<Report> ParseReport(absl::string_view message) {
  const mime::Charsets charsets;
  mime::Parser parser(charsets);
  parser.Feed(message);
  const mime::Message parsed = parser.Finish();
  const mime::Part& whole = parsed.parts.front();
  const absl::string_view type = whole.Find("report-type");
  if (whole.media_type != "multipart/report" || !absl::EqualsIgnoreCase(type, "delivery-status"))
    return std::nullopt;
  Report report;
  bool has_status = false;
  for (const mime::Part& part : parsed.parts) {
    if (part.parent != 0) continue;
    const bool is_status =
        part.media_type == "message/delivery-status" || part.media_type == "message/global-delivery-status";
    if (is_status && !has_status) {
      has_status = true;
      StatusReader(report).Read(BodyOf(message, part));
    } else if (IsReturned(part) && report.message_id.empty()) {
      MessageIdReader reader;
      HeaderReader header({&reader});
      header.Feed(BodyOf(message, part));
      header.Finish();
      report.message_id = std::move(reader.id);
    }
  }
  if (!has_status || report.recipients.empty()) return std::nullopt;
  return report;
}

}  // namespace mailstead::dsn
