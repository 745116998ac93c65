#include "smtpd/protocol/command_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/protocol/xtext.h"

namespace mailstead::smtp {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }

// The last look at a line before it goes: the functions below write nothing that it would refuse.
absl::Status AppendLine(absl::string_view line, std::string& out) {
  if (std::any_of(line.begin(), line.end(), IsControl)) {
    return absl::InvalidArgumentError("control character in a command");
  }
  absl::StrAppend(&out, line, "\r\n");
  return absl::OkStatus();
}

bool IsAddressType(absl::string_view type) {
  return !type.empty() &&
         std::all_of(type.begin(), type.end(), [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
}

std::string NotifyText(const DsnNotify& notify) {
  std::vector<absl::string_view> wanted;
  if (notify.success) wanted.push_back("SUCCESS");
  if (notify.failure) wanted.push_back("FAILURE");
  if (notify.delay) wanted.push_back("DELAY");
  return wanted.empty() ? "NEVER" : absl::StrJoin(wanted, ",");
}

absl::StatusOr<std::string> OrcptText(absl::string_view original_recipient) {
  const size_t semicolon = original_recipient.find(';');
  if (semicolon == absl::string_view::npos || !IsAddressType(original_recipient.substr(0, semicolon))) {
    return absl::InvalidArgumentError("ORCPT without the type of its address");
  }
  const absl::string_view type = original_recipient.substr(0, semicolon);
  const absl::string_view address = original_recipient.substr(semicolon + 1);
  // SECURITY: encoded, a control would pass as text here, and start a header line in the peer's bounce.
  if (address.empty() || std::any_of(address.begin(), address.end(), IsControl) || !IsValidUtf8(address)) {
    return absl::InvalidArgumentError("ORCPT with an impossible address");
  }
  const bool utf8 = absl::EqualsIgnoreCase(type, "utf-8");
  if (!utf8 && !IsAscii(address)) return absl::InvalidArgumentError("ORCPT of this type must be ASCII");
  std::string text = absl::StrCat(type, ";", utf8 ? EncodeUtf8Address(address) : EncodeXtext(address));
  if (text.size() > kMaxOrcptBytes) return absl::InvalidArgumentError("ORCPT is too long");
  return text;
}

absl::StatusOr<std::string> EnvidText(absl::string_view id) {
  if (std::any_of(id.begin(), id.end(), IsControl) || !IsAscii(id)) {
    return absl::InvalidArgumentError("ENVID with an impossible character");
  }
  std::string text = EncodeXtext(id);
  if (text.size() > kMaxEnvidBytes) return absl::InvalidArgumentError("ENVID is too long");
  return text;
}

absl::StatusOr<std::string> AuthText(absl::string_view mailbox, bool smtputf8) {
  if (mailbox == "<>") return std::string(mailbox);
  ASSIGN_OR_RETURN(const std::string path, WirePath(mailbox, smtputf8));
  return IsAscii(path) ? EncodeXtext(path) : EncodeUtf8Address(path);
}

}  // namespace

absl::Status AppendHello(absl::string_view verb, absl::string_view name, std::string& out) {
  if (!IsDomainOrLiteral(name)) return absl::InvalidArgumentError("EHLO with a name that is none");
  return AppendLine(absl::StrCat(verb, " ", name), out);
}

absl::StatusOr<std::string> WirePath(absl::string_view text, bool smtputf8) {
  ASSIGN_OR_RETURN(Address address, ParseAddress(text));
  if (smtputf8 || address.is_ascii()) return address.ToString();
  if (!IsAscii(address.local_part)) {
    return absl::InvalidArgumentError("a local part of other than ASCII needs SMTPUTF8");
  }
  ASSIGN_OR_RETURN(address.domain, NormalizeDomain(address.domain));
  return address.ToString();
}

absl::Status AppendMail(const MailLine& mail, std::string& out) {
  std::string path;
  if (!mail.reverse_path.empty()) {
    ASSIGN_OR_RETURN(path, WirePath(mail.reverse_path, mail.smtputf8));
  }
  std::string line = absl::StrCat("MAIL FROM:<", path, ">");
  if (mail.size_bytes.has_value()) absl::StrAppend(&line, " SIZE=", *mail.size_bytes);
  if (mail.eight_bit_mime) absl::StrAppend(&line, " BODY=8BITMIME");
  if (mail.smtputf8) absl::StrAppend(&line, " SMTPUTF8");
  if (mail.dsn_return == DsnReturn::kFull) absl::StrAppend(&line, " RET=FULL");
  if (mail.dsn_return == DsnReturn::kHeaders) absl::StrAppend(&line, " RET=HDRS");
  if (!mail.dsn_envelope_id.empty()) {
    ASSIGN_OR_RETURN(const std::string envid, EnvidText(mail.dsn_envelope_id));
    absl::StrAppend(&line, " ENVID=", envid);
  }
  if (mail.require_tls) absl::StrAppend(&line, " REQUIRETLS");
  if (mail.auth.has_value()) {
    ASSIGN_OR_RETURN(const std::string auth, AuthText(*mail.auth, mail.smtputf8));
    absl::StrAppend(&line, " AUTH=", auth);
  }
  return AppendLine(line, out);
}

absl::Status AppendRcpt(const RcptLine& rcpt, std::string& out) {
  ASSIGN_OR_RETURN(const std::string path, WirePath(rcpt.forward_path, rcpt.smtputf8));
  std::string line = absl::StrCat("RCPT TO:<", path, ">");
  if (rcpt.notify.given) absl::StrAppend(&line, " NOTIFY=", NotifyText(rcpt.notify));
  if (!rcpt.original_recipient.empty()) {
    ASSIGN_OR_RETURN(const std::string orcpt, OrcptText(rcpt.original_recipient));
    absl::StrAppend(&line, " ORCPT=", orcpt);
  }
  return AppendLine(line, out);
}

absl::Status AppendAuth(absl::string_view mechanism, const std::optional<std::string>& initial_response,
                        std::string& out) {
  const auto is_of_name = [](char c) {
    return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '-' || c == '_';
  };
  if (mechanism.empty() || mechanism.size() > kMaxMechanismBytes ||
      !std::all_of(mechanism.begin(), mechanism.end(), is_of_name)) {
    return absl::InvalidArgumentError("AUTH with a mechanism that is none");
  }
  std::string line = absl::StrCat("AUTH ", mechanism);
  if (initial_response.has_value()) {
    absl::StrAppend(&line, " ", initial_response->empty() ? "=" : absl::Base64Escape(*initial_response));
  }
  return AppendLine(line, out);
}

void AppendAuthResponse(absl::string_view response, std::string& out) {
  absl::StrAppend(&out, absl::Base64Escape(response), "\r\n");
}

void AppendBdat(uint64_t size_bytes, bool last, std::string& out) {
  absl::StrAppend(&out, "BDAT ", size_bytes, last ? " LAST" : "", "\r\n");
}

}  // namespace mailstead::smtp
