#include "webd/discovery/settings.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"
#include "webd/http/percent.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&apos;"}});
}
std::string Unescaped(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}});
}

std::string Element(absl::string_view name, absl::string_view text) {
  return absl::StrCat("<", name, ">", Escaped(text), "</", name, ">");
}

// Of a query, as it is written; nullopt: it is not there.
std::optional<absl::string_view> Parameter(absl::string_view target, absl::string_view wanted) {
  const size_t mark = target.find('?');
  if (mark == absl::string_view::npos) return std::nullopt;
  for (const absl::string_view part : absl::StrSplit(target.substr(mark + 1), '&')) {
    absl::string_view value = part;
    if (absl::ConsumePrefix(&value, wanted) && absl::ConsumePrefix(&value, "=")) return value;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> DomainOf(absl::string_view address) {
  if (!IsValidUtf8(address)) return absl::InvalidArgumentError("the address is no text");
  ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
  if (parsed.is_literal()) return absl::InvalidArgumentError("the address has no domain");
  return parsed.domain;
}

std::string ServerOf(absl::string_view element, absl::string_view type, const Host& host,
                     absl::string_view socket) {
  return absl::StrCat(
      "    <", element, " type=\"", type, "\">", Element("hostname", host.name),
      Element("port", absl::StrCat(host.port)), Element("socketType", socket),
      "<username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></", element,
      ">\n");
}

std::string ProtocolOf(absl::string_view type, const Host& host, absl::string_view encryption,
                       absl::string_view address) {
  return absl::StrCat("      <Protocol>", Element("Type", type), Element("Server", host.name),
                      Element("Port", absl::StrCat(host.port)), Element("LoginName", address),
                      "<DomainRequired>off</DomainRequired><SPA>off</SPA>",
                      Element("SSL", encryption == "SSL" ? "on" : "off"), Element("Encryption", encryption),
                      "<AuthRequired>on</AuthRequired></Protocol>\n");
}

}  // namespace

absl::StatusOr<Host> ParseHost(absl::string_view text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 ||
      port > 65'535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" must be host:port"));
  }
  const absl::string_view name = text.substr(0, colon);
  if (!IsDomainOrLiteral(name) || absl::StartsWith(name, "[")) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no name of a host"));
  }
  return Host{std::string(name), static_cast<uint16_t>(port)};
}

absl::StatusOr<std::string> DomainOfRequest(const RequestHead& head) {
  if (const std::optional<absl::string_view> written = Parameter(head.target, "emailaddress")) {
    // An address has "+" more often than a blank, and what asks does not always encode it.
    const std::optional<std::string> address = PercentDecoded(*written, PlusSign::kItself);
    if (!address.has_value())
      return absl::InvalidArgumentError("the parameter emailaddress cannot be decoded");
    return DomainOf(*address);
  }
  const std::string host = absl::AsciiStrToLower(head.Value("host"));
  absl::string_view name = absl::string_view(host).substr(0, host.find(':'));
  absl::ConsumePrefix(&name, "autoconfig.");
  if (!IsDomainOrLiteral(name) || absl::StartsWith(name, "[")) {
    return absl::InvalidArgumentError("the parameter emailaddress is missing");
  }
  return std::string(name);
}

std::string ConfigFor(absl::string_view domain, const MailSettings& settings) {
  std::string xml =
      absl::StrCat(kDeclaration, "<clientConfig version=\"1.1\">\n  <emailProvider id=\"", Escaped(domain),
                   "\">\n    ", Element("domain", domain), "\n    ", Element("displayName", domain), "\n",
                   ServerOf("incomingServer", "pop3", settings.pop3s, "SSL"));
  if (!settings.submissions.name.empty()) {
    absl::StrAppend(&xml, ServerOf("outgoingServer", "smtp", settings.submissions, "SSL"));
  }
  if (!settings.submission.name.empty()) {
    absl::StrAppend(&xml, ServerOf("outgoingServer", "smtp", settings.submission, "STARTTLS"));
  }
  absl::StrAppend(&xml, "  </emailProvider>\n</clientConfig>\n");
  return xml;
}

// The one element that counts; no parser of XML, whose entities and document types are what strangers attack.
absl::StatusOr<std::string> AddressOfAutodiscover(absl::string_view body) {
  constexpr absl::string_view kOpen = "<EMailAddress>";
  constexpr absl::string_view kClose = "</EMailAddress>";
  const size_t open = body.find(kOpen);
  const size_t close = open == absl::string_view::npos ? open : body.find(kClose, open);
  if (close == absl::string_view::npos) return absl::InvalidArgumentError("the request has no EMailAddress");
  const size_t begin = open + kOpen.size();
  const std::string text = Unescaped(absl::StripAsciiWhitespace(body.substr(begin, close - begin)));
  RETURN_IF_ERROR(DomainOf(text).status());
  return text;
}

std::string AutodiscoverFor(absl::string_view address, const MailSettings& settings) {
  std::string xml = absl::StrCat(
      kDeclaration,
      "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
      "  <Response "
      "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n"
      "    <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n",
      ProtocolOf("POP3", settings.pop3s, "SSL", address));
  // Outlook takes the first of a type.
  if (!settings.submissions.name.empty()) {
    absl::StrAppend(&xml, ProtocolOf("SMTP", settings.submissions, "SSL", address));
  } else {
    absl::StrAppend(&xml, ProtocolOf("SMTP", settings.submission, "TLS", address));
  }
  absl::StrAppend(&xml, "    </Account>\n  </Response>\n</Autodiscover>\n");
  return xml;
}

}  // namespace mailstead::web
