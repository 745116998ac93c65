#include "common/mail/trace.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mail/address.h"
#include "common/mail/date_time.h"
#include "common/text/utf8.h"

namespace mailstead {
namespace {

// RFC 5321 section 4.1.3.
std::string AddressLiteral(absl::string_view address) {
  return absl::StrCat(absl::StrContains(address, ':') ? "[IPv6:" : "[", address, "]");
}

// The inside of a comment (RFC 5322 section 3.2.2) that shows `text`.
// SECURITY: parentheses in it neither end the comment nor begin another one.
std::string Comment(absl::string_view text) {
  const bool is_utf8 = IsValidUtf8(text);
  std::string comment;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '(' || c == ')' || c == '\\') {
      absl::StrAppend(&comment, "\\", absl::string_view(&c, 1));
    } else if (byte < 0x80) {
      comment.push_back(c);
    } else if (!is_utf8 || (byte & 0xc0) != 0x80) {
      comment.push_back('?');
    }
  }
  return comment;
}

// Extended-Domain of RFC 5321 section 4.4, and behind it the comment for what has no place in one.
std::string From(const TraceInfo& info) {
  const std::string literal = AddressLiteral(info.client_address);
  if (IsDomainOrLiteral(info.helo)) return absl::StrCat(info.helo, " (", literal, ")");
  return absl::StrCat(literal, " (", literal, ")\r\n\t(", info.esmtp ? "EHLO " : "HELO ", Comment(info.helo),
                      ")");
}

// `address` with the A-labels of its domain; empty where its local part is not ASCII.
std::string InAscii(absl::string_view address) {
  if (IsAscii(address)) return std::string(address);
  absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok() || !IsAscii(parsed->local_part)) return "";
  absl::StatusOr<std::string> domain = NormalizeDomain(parsed->domain);
  if (!domain.ok()) return "";
  parsed->domain = *std::move(domain);
  return parsed->ToString();
}

}  // namespace

std::string WithProtocol(const TraceInfo& info) {
  // There are no names for plain SMTP under TLS; HELO with SMTPUTF8 does not exist.
  if (!info.esmtp) return "SMTP";
  return absl::StrCat(info.smtputf8 ? "UTF8SMTP" : "ESMTP", info.tls_version.empty() ? "" : "S",
                      info.authenticated ? "A" : "");
}

std::string ReceivedField(const TraceInfo& info) {
  if (info.by_call) {
    // Extended-Domain: a literal comes with the address in parentheses, too.
    const std::string literal = AddressLiteral(info.client_address);
    const std::string from =
        info.client_address.empty() ? info.hostname : absl::StrCat(literal, " (", literal, ")");
    return absl::StrCat("Received: from ", from, "\r\n\tby ", info.hostname, "\r\n\tid ", info.delivery_id,
                        " (by a call); ", DateTime(info.time), "\r\n");
  }
  std::string field =
      absl::StrCat("Received: from ", From(info), "\r\n\tby ", info.hostname, " with ", WithProtocol(info));
  if (!info.tls_version.empty())
    absl::StrAppend(&field, "\r\n\t(", info.tls_version, " ", info.tls_cipher, ")");
  absl::StrAppend(&field, "\r\n\tid ", info.delivery_id);
  const std::string recipient = InAscii(info.recipient);
  if (!recipient.empty()) absl::StrAppend(&field, "\r\n\tfor <", recipient, ">");
  absl::StrAppend(&field, "; ", DateTime(info.time), "\r\n");
  return field;
}

void SubmissionFields::OnField(const HeaderField& field) {
  if (field.Is("Date")) has_date_ = true;
  if (field.Is("Message-ID") && !std::exchange(has_message_id_, true)) {
    message_id_ = MessageIdOf(field.Unfolded()).substr(0, kMaxMessageIdBytes);
  }
}

std::string MessageIdOf(absl::string_view value) {
  const size_t open = value.find('<');
  const size_t close = open == absl::string_view::npos ? open : value.find('>', open);
  if (close != absl::string_view::npos) value = value.substr(open + 1, close - open - 1);
  return std::string(absl::StripAsciiWhitespace(value));
}

std::string SubmissionFields::MessageId(const TraceInfo& info) const {
  return has_message_id_ ? message_id_ : absl::StrCat(info.delivery_id, "@", info.hostname);
}

void SubmissionFields::AppendMissing(const TraceInfo& info, std::string& trace) const {
  if (!has_date_) absl::StrAppend(&trace, "Date: ", DateTime(info.time), "\r\n");
  if (!has_message_id_) {
    absl::StrAppend(&trace, "Message-ID: <", MessageId(info), ">\r\n");
  }
}

void EndTrace(const HeaderReader& header, std::string& trace) {
  if (header.begins_with_text() && !absl::EndsWith(trace, "\r\n\r\n")) trace.append("\r\n");
}

}  // namespace mailstead
