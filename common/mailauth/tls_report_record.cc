#include "common/mailauth/tls_report_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"

namespace mailstead::mailauth {
namespace {

constexpr absl::string_view kVersion = "v=TLSRPTv1";

absl::string_view Trimmed(absl::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "v=TLSRPTv1" and a semicolon behind it; another version may begin with the same letters.
bool IsOfThisVersion(absl::string_view text) {
  return absl::ConsumePrefix(&text, kVersion) && absl::StartsWith(Trimmed(text), ";");
}

// RFC 3986 section 2.1; absent when a % is not the beginning of an octet.
std::optional<std::string> PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    uint32_t octet = 0;
    const absl::string_view digits = text.substr(i + 1, 2);
    const bool are_digits = digits.size() == 2 &&
                            absl::ascii_isxdigit(static_cast<unsigned char>(digits[0])) &&
                            absl::ascii_isxdigit(static_cast<unsigned char>(digits[1]));
    if (!are_digits || !absl::SimpleHexAtoi(digits, &octet)) return std::nullopt;
    decoded.push_back(static_cast<char>(octet));
    i += 2;
  }
  return decoded;
}

void TakeUri(absl::string_view uri, TlsReportRecord& record) {
  const bool printable = std::all_of(uri.begin(), uri.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable || record.mail_to.size() + record.post_to.size() >= kMaxReportUris) return;
  if (absl::StartsWithIgnoreCase(uri, "https://")) {
    record.post_to.emplace_back(uri);
    return;
  }
  if (!absl::StartsWithIgnoreCase(uri, "mailto:")) return;
  uri.remove_prefix(sizeof("mailto:") - 1);
  // RFC 6068: header fields that the mail should have are not ours to write.
  uri = uri.substr(0, uri.find('?'));
  std::optional<std::string> address = PercentDecoded(uri);
  // SECURITY: it becomes a recipient of ours, and a header field.
  if (!address.has_value() || !IsAscii(*address) || !ParseAddress(*address).ok()) return;
  record.mail_to.push_back(*std::move(address));
}

}  // namespace

std::string TlsReportRecordName(absl::string_view domain) { return absl::StrCat("_smtp._tls.", domain); }

std::optional<TlsReportRecord> ParseTlsReportRecord(const std::vector<std::string>& texts) {
  const std::string* only = nullptr;
  for (const std::string& text : texts) {
    if (!IsOfThisVersion(text)) continue;
    if (only != nullptr) return std::nullopt;
    only = &text;
  }
  if (only == nullptr || only->size() > kMaxReportRecordBytes) return std::nullopt;
  TlsReportRecord record;
  bool has_rua = false;
  for (absl::string_view field : absl::StrSplit(*only, ';')) {
    field = Trimmed(field);
    // Other fields may come; of two of this one the first counts.
    if (!absl::ConsumePrefix(&field, "rua=") || std::exchange(has_rua, true)) continue;
    for (const absl::string_view uri : absl::StrSplit(field, ',')) TakeUri(Trimmed(uri), record);
  }
  if (record.mail_to.empty() && record.post_to.empty()) return std::nullopt;
  return record;
}

}  // namespace mailstead::mailauth
