#include "common/mail/address.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/text/utf8.h"

namespace mailstead {
namespace {

constexpr size_t kMaxAddressBytes = kMaxPathBytes - 2;  // the angle brackets

// atext (RFC 5322 section 3.2.3), with the bytes of UTF-8 (RFC 6531 section 3.3).
bool IsAtomCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || absl::ascii_isalnum(byte) ||
         (c != '\0' && absl::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != absl::string_view::npos);
}

// May stand in a quoted string, by itself or after a backslash (RFC 5321 section 4.1.2).
bool IsQuotable(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte != 0x7f;
}

// Dot-string of RFC 5321 section 4.1.2.
bool IsDotString(absl::string_view text) {
  bool in_atom = false;
  for (const char c : text) {
    if (c == '.' ? !in_atom : !IsAtomCharacter(c)) return false;
    in_atom = c != '.';
  }
  return in_atom;
}

// `text` begins with the opening quote. Sets `local_part` and takes the quoted string off `text`.
absl::Status TakeQuoted(absl::string_view& text, std::string& local_part) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return absl::OkStatus();
    }
    if (text[i] == '\\' && ++i == text.size()) break;
    if (!IsQuotable(text[i])) return absl::InvalidArgumentError("control character in quoted local part");
    local_part.push_back(text[i]);
  }
  return absl::InvalidArgumentError("quoted local part without its closing quote");
}

absl::Status TakeLocalPart(absl::string_view& text, std::string& local_part) {
  if (!text.empty() && text.front() == '"') return TakeQuoted(text, local_part);
  const absl::string_view atoms = text.substr(0, text.find('@'));
  const auto may_stand = [](char c) { return c == '.' || IsAtomCharacter(c); };
  if (!std::all_of(atoms.begin(), atoms.end(), may_stand)) {
    return absl::InvalidArgumentError("malformed local part");
  }
  local_part.assign(atoms.data(), atoms.size());
  text.remove_prefix(atoms.size());
  return absl::OkStatus();
}

std::string Quoted(absl::string_view local_part) {
  std::string quoted = "\"";
  for (const char c : local_part) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace

bool Address::is_ascii() const { return IsAscii(local_part) && IsAscii(domain); }

std::string Address::ToString() const {
  return absl::StrCat(IsDotString(local_part) ? local_part : Quoted(local_part), "@", domain);
}

absl::StatusOr<std::string> Address::Normalized() const {
  Address normal;
  normal.local_part = absl::AsciiStrToLower(local_part);
  ASSIGN_OR_RETURN(normal.domain, NormalizeDomain(domain));
  return normal.ToString();
}

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  if (text.size() > kMaxAddressBytes) return absl::InvalidArgumentError("address is longer than 254 bytes");
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("address is not valid UTF-8");
  Address address;
  RETURN_IF_ERROR(TakeLocalPart(text, address.local_part));
  if (address.local_part.empty()) return absl::InvalidArgumentError("empty local part");
  if (address.local_part.size() > kMaxLocalPartBytes) {
    return absl::InvalidArgumentError("local part is longer than 64 bytes");
  }
  if (text.empty() || text.front() != '@') return absl::InvalidArgumentError("address without a domain");
  text.remove_prefix(1);
  address.domain = std::string(text);
  if (address.ToString().size() > kMaxAddressBytes) {
    return absl::InvalidArgumentError("address is longer than 254 bytes with its quotes");
  }
  // A-labels can be longer than the UTF-8 they stand for; both forms must fit.
  ASSIGN_OR_RETURN(const std::string normalized, address.Normalized());
  if (normalized.size() > kMaxAddressBytes) {
    return absl::InvalidArgumentError("address is longer than 254 bytes in A-labels");
  }
  return address;
}

}  // namespace mailstead
