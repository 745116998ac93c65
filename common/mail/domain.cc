// NormalizeDomain and IsDomainOrLiteral of address.h.
#include <arpa/inet.h>
#include <idn2.h>

#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"

namespace mailstead {
namespace {

constexpr size_t kMaxLabelBytes = 63;  // RFC 1035 section 2.3.4

template <typename Binary>
absl::StatusOr<std::string> CanonicalAddress(int family, const std::string& text) {
  Binary binary;
  // inet_pton takes the strict forms only: no octal, no short form, no zone.
  if (inet_pton(family, text.c_str(), &binary) != 1)
    return absl::InvalidArgumentError("malformed address literal");
  char canonical[INET6_ADDRSTRLEN];
  return std::string(inet_ntop(family, &binary, canonical, sizeof(canonical)));
}

absl::StatusOr<std::string> NormalizeLiteral(absl::string_view literal) {
  if (!absl::ConsumePrefix(&literal, "[") || !absl::ConsumeSuffix(&literal, "]")) {
    return absl::InvalidArgumentError("address literal without its closing bracket");
  }
  // inet_pton stops at a NUL.
  if (absl::StrContains(literal, '\0')) return absl::InvalidArgumentError("malformed address literal");
  if (absl::StartsWithIgnoreCase(literal, "ipv6:")) {
    ASSIGN_OR_RETURN(const std::string v6,
                     CanonicalAddress<in6_addr>(AF_INET6, std::string(literal.substr(5))));
    return absl::StrCat("[ipv6:", v6, "]");
  }
  ASSIGN_OR_RETURN(const std::string v4, CanonicalAddress<in_addr>(AF_INET, std::string(literal)));
  return absl::StrCat("[", v4, "]");
}

absl::Status CheckLabel(absl::string_view label) {
  if (label.empty()) return absl::InvalidArgumentError("empty label in domain");
  if (label.size() > kMaxLabelBytes)
    return absl::InvalidArgumentError("label in domain is longer than 63 bytes");
  if (label.front() == '-' || label.back() == '-') {
    return absl::InvalidArgumentError("label in domain begins or ends with a hyphen");
  }
  for (const char c : label) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') {
      return absl::InvalidArgumentError("character not allowed in domain");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ToALabels(absl::string_view domain) {
  // libidn2 takes a C string: a NUL would hide what follows it.
  if (absl::StrContains(domain, '\0')) return absl::InvalidArgumentError("character not allowed in domain");
  char* converted = nullptr;
  const int result = idn2_to_ascii_8z(std::string(domain).c_str(), &converted, IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> owned(converted, idn2_free);
  if (result != IDN2_OK) return absl::InvalidArgumentError("not a valid internationalized domain name");
  return std::string(owned.get());
}

}  // namespace

absl::StatusOr<std::string> NormalizeDomain(absl::string_view domain) {
  if (domain.size() > kMaxDomainBytes) return absl::InvalidArgumentError("domain is longer than 255 bytes");
  if (absl::StartsWith(domain, "[")) return NormalizeLiteral(domain);
  std::string name(domain);
  if (!IsAscii(domain)) {
    // Also maps other scripts' dots and letter cases, so it comes before every check.
    ASSIGN_OR_RETURN(name, ToALabels(domain));
    if (name.size() > kMaxDomainBytes) return absl::InvalidArgumentError("domain is longer than 255 bytes");
  }
  if (absl::EndsWith(name, ".")) name.pop_back();
  for (const absl::string_view label : absl::StrSplit(name, '.')) RETURN_IF_ERROR(CheckLabel(label));
  absl::AsciiStrToLower(&name);
  return name;
}

bool IsDomainOrLiteral(absl::string_view name) {
  return IsAscii(name) && !absl::EndsWith(name, ".") && NormalizeDomain(name).ok();
}

}  // namespace mailstead
