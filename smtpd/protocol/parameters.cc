#include "smtpd/protocol/parameters.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/protocol/xtext.h"

namespace mailstead::smtp {
namespace {

struct Parameter {
  // Upper case.
  std::string keyword;
  absl::string_view value;
  bool has_value = false;
};

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isascii(c); });
}

bool IsKeyword(absl::string_view text) {
  return !text.empty() && absl::ascii_isalnum(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
}

// esmtp-value: any character but "=", blank and controls.
bool IsValue(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return c > 0x20 && c != '=' && c != 0x7f; });
}

Parsed<std::vector<Parameter>> SplitParameters(absl::string_view text) {
  std::vector<Parameter> parameters;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    Parameter parameter;
    const size_t equals = word.find('=');
    parameter.has_value = equals != absl::string_view::npos;
    const absl::string_view keyword = word.substr(0, equals);
    if (parameter.has_value) parameter.value = word.substr(equals + 1);
    if (!IsKeyword(keyword)) return ParseError::kSyntax;
    parameter.keyword = absl::AsciiStrToUpper(keyword);
    // Some clients write AUTH= and mean AUTH=<>: no one in particular (RFC 4954 section 5).
    const bool says_nobody = parameter.keyword == "AUTH" && parameter.value.empty();
    if (parameter.has_value && !says_nobody && !IsValue(parameter.value)) return ParseError::kBadParameter;
    const bool twice = std::any_of(parameters.begin(), parameters.end(), [&](const Parameter& other) {
      return other.keyword == parameter.keyword;
    });
    if (twice || parameters.size() == kMaxParameters) return ParseError::kBadParameter;
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

// The functions Set... return whether `value` is one of their parameter.

bool SetSize(absl::string_view value, MailCommand& mail) {
  if (value.empty() || value.size() > kMaxSizeDigits ||
      !std::all_of(value.begin(), value.end(), absl::ascii_isdigit)) {
    return false;
  }
  uint64_t size = 0;
  mail.size_bytes = absl::SimpleAtoi(value, &size) ? size : std::numeric_limits<uint64_t>::max();
  return true;
}

bool SetBody(absl::string_view value, MailCommand& mail) {
  mail.eight_bit_mime = absl::EqualsIgnoreCase(value, "8BITMIME");
  return mail.eight_bit_mime || absl::EqualsIgnoreCase(value, "7BIT");
}

bool SetRet(absl::string_view value, MailCommand& mail) {
  const bool full = absl::EqualsIgnoreCase(value, "FULL");
  mail.dsn_return = full ? DsnReturn::kFull : DsnReturn::kHeaders;
  return full || absl::EqualsIgnoreCase(value, "HDRS");
}

bool SetEnvid(absl::string_view value, MailCommand& mail) {
  if (value.size() > kMaxEnvidBytes) return false;
  Parsed<std::string> envid = DecodeXtext(value);
  if (!envid.ok()) return false;
  mail.dsn_envelope_id = *std::move(envid);
  return true;
}

// NEVER, or some of SUCCESS, FAILURE and DELAY, each once (RFC 3461 section 4.1).
bool SetNotify(absl::string_view value, RcptCommand& rcpt) {
  rcpt.notify.given = true;
  if (absl::EqualsIgnoreCase(value, "NEVER")) return true;
  for (const absl::string_view item : absl::StrSplit(value, ',')) {
    bool* const wanted = absl::EqualsIgnoreCase(item, "SUCCESS")   ? &rcpt.notify.success
                         : absl::EqualsIgnoreCase(item, "FAILURE") ? &rcpt.notify.failure
                         : absl::EqualsIgnoreCase(item, "DELAY")   ? &rcpt.notify.delay
                                                                   : nullptr;
    if (wanted == nullptr || *wanted) return false;
    *wanted = true;
  }
  return true;
}

// original-recipient-address of RFC 3461 section 4.2, with the utf-8 type of RFC 6533 section 3.
bool SetOrcpt(absl::string_view value, RcptCommand& rcpt) {
  const size_t semicolon = value.find(';');
  if (semicolon == absl::string_view::npos || value.size() > kMaxOrcptBytes) return false;
  const absl::string_view type = value.substr(0, semicolon);
  const absl::string_view text = value.substr(semicolon + 1);
  if (!IsKeyword(type) || text.empty()) return false;
  const bool utf8 = absl::EqualsIgnoreCase(type, "utf-8");
  if (!utf8 && !IsAscii(text)) return false;
  Parsed<std::string> address = utf8 ? DecodeUtf8Address(text) : DecodeXtextOfUtf8(text);
  if (!address.ok()) return false;
  // Postfix (3.7) gives a recipient that needs UTF-8 the type of one that does not: "rfc822;gr+C3+BCn@example.test".
  const bool mistyped = absl::EqualsIgnoreCase(type, "rfc822") && !IsAscii(*address);
  if (!utf8 && !mistyped && !IsAscii(*address)) return false;
  rcpt.original_recipient = absl::StrCat(mistyped ? "utf-8" : type, ";", *address);
  return true;
}

}  // namespace

Parsed<MailCommand> ParseMail(absl::string_view argument, MailOffers offers, size_t max_path_bytes) {
  Parsed<PathAndRest> path = ParsePath("FROM:", argument, max_path_bytes);
  if (!path.ok()) return path.error();
  MailCommand mail;
  mail.reverse_path = path->path;
  Parsed<std::vector<Parameter>> parameters = SplitParameters(path->rest);
  if (!parameters.ok()) return parameters.error();
  for (const Parameter& parameter : *parameters) {
    bool good = parameter.has_value;
    if (parameter.keyword == "SIZE") {
      good = good && SetSize(parameter.value, mail);
    } else if (parameter.keyword == "BODY") {
      good = good && SetBody(parameter.value, mail);
    } else if (parameter.keyword == "SMTPUTF8") {
      mail.smtputf8 = true;
      good = !parameter.has_value;
    } else if (parameter.keyword == "RET") {
      good = good && SetRet(parameter.value, mail);
    } else if (parameter.keyword == "ENVID") {
      good = good && SetEnvid(parameter.value, mail);
    } else if (parameter.keyword == "REQUIRETLS" && offers.require_tls) {
      mail.require_tls = true;
      good = !parameter.has_value;
    } else if (parameter.keyword == "AUTH" && offers.auth) {
      good = good && DecodeXtext(parameter.value).ok();
    } else {
      return ParseError::kUnknownParameter;
    }
    if (!good) return ParseError::kBadParameter;
  }
  // RFC 5321 section 4.1.1.2: there is no mailbox "postmaster" of nowhere to answer to.
  if (mail.reverse_path.kind == Path::Kind::kPostmaster) return ParseError::kBadAddress;
  if (!mail.smtputf8 && !IsAscii(argument)) return ParseError::kNeedsSmtpUtf8;
  return mail;
}

Parsed<RcptCommand> ParseRcpt(absl::string_view argument, bool smtputf8, size_t max_path_bytes) {
  Parsed<PathAndRest> path = ParsePath("TO:", argument, max_path_bytes);
  if (!path.ok()) return path.error();
  RcptCommand rcpt;
  rcpt.forward_path = path->path;
  if (rcpt.forward_path.is_null()) return ParseError::kBadAddress;
  Parsed<std::vector<Parameter>> parameters = SplitParameters(path->rest);
  if (!parameters.ok()) return parameters.error();
  for (const Parameter& parameter : *parameters) {
    bool good = parameter.has_value;
    if (parameter.keyword == "NOTIFY") {
      good = good && SetNotify(parameter.value, rcpt);
    } else if (parameter.keyword == "ORCPT") {
      good = good && SetOrcpt(parameter.value, rcpt);
    } else {
      return ParseError::kUnknownParameter;
    }
    if (!good) return ParseError::kBadParameter;
  }
  if (!smtputf8 && !IsAscii(argument)) return ParseError::kNeedsSmtpUtf8;
  return rcpt;
}

}  // namespace mailstead::smtp
