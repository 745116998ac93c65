#include "stored/core/names.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "stored/core/limits.h"

namespace mailstead::stored {

bool HasControlCharacter(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

absl::StatusOr<std::string> CheckDomainName(absl::string_view field, absl::string_view text) {
  if (text.empty()) return FieldError(field, "must not be empty");
  if (text.front() == '[') return FieldError(field, "must be a domain name, not an address literal");
  absl::StatusOr<std::string> name = NormalizeDomain(text);
  if (!name.ok()) return FieldError(field, name.status().message());
  return name;
}

absl::StatusOr<DirectoryAddress> CheckAddress(absl::string_view field, absl::string_view text) {
  absl::StatusOr<Address> parsed = ParseAddress(text);
  if (!parsed.ok()) return FieldError(field, parsed.status().message());
  DirectoryAddress result;
  ASSIGN_OR_RETURN(result.domain, CheckDomainName(field, parsed->domain));
  parsed->domain = result.domain;
  result.address = parsed->ToString();
  absl::StatusOr<std::string> key = parsed->Normalized();
  if (!key.ok()) return FieldError(field, key.status().message());
  result.key = *std::move(key);
  return result;
}

absl::StatusOr<DirectoryAddress> CheckAliasAddress(absl::string_view field, absl::string_view text) {
  if (text.empty() || text.front() != '@') return CheckAddress(field, text);
  DirectoryAddress result;
  ASSIGN_OR_RETURN(result.domain, CheckDomainName(field, text.substr(1)));
  result.address = result.key = absl::StrCat("@", result.domain);
  return result;
}

absl::StatusOr<AccountName> CheckAccountName(absl::string_view field, absl::string_view text) {
  if (text.empty()) return FieldError(field, "must be set");
  AccountName name;
  if (absl::c_all_of(text, [](unsigned char c) { return absl::ascii_isdigit(c); })) {
    if (!absl::SimpleAtoi(text, &name.id.value) || name.id.value == 0)
      return FieldError(field, "is no account's id");
    return name;
  }
  ASSIGN_OR_RETURN(DirectoryAddress address, CheckAddress(field, text));
  name.key = std::move(address.key);
  return name;
}

absl::Status CheckIdentifier(absl::string_view field, absl::string_view text) {
  if (text.size() < kMinIdentifierBytes || text.size() > kMaxIdentifierBytes) {
    return FieldError(field, "must have 16 to 64 characters");
  }
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
  if (!plain) return FieldError(field, "must consist of letters, digits, '_' and '-'");
  return absl::OkStatus();
}

absl::Status CheckLogText(absl::string_view field, absl::string_view text) {
  if (text.size() > kMaxLogTextBytes) return FieldError(field, "must have at most 128 bytes");
  if (HasControlCharacter(text)) return FieldError(field, "must not have control characters");
  if (!IsValidUtf8(text)) return FieldError(field, "must be UTF-8");
  return absl::OkStatus();
}

}  // namespace mailstead::stored
