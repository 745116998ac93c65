#include "common/mailauth/sts_policy.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"

namespace mailstead::mailauth {
namespace {

constexpr absl::string_view kVersion = "STSv1";
constexpr absl::string_view kRecordStart = "v=STSv1;";
// Of sts-ext-name and sts-policy-ext-name.
constexpr size_t kMaxNameBytes = 32;
// 1*10(DIGIT).
constexpr size_t kMaxAgeDigits = 10;

bool IsWsp(char c) { return c == ' ' || c == '\t'; }

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

absl::string_view StripWsp(absl::string_view text) {
  while (!text.empty() && IsWsp(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsWsp(text.back())) text.remove_suffix(1);
  return text;
}

// (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
bool IsFieldName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || !IsAlnum(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return IsAlnum(c) || c == '_' || c == '-' || c == '.'; });
}

// 1*(%x21-3A / %x3C / %x3E-7E): neither ";" nor "=".
bool IsExtensionValue(absl::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(),
                                       [](char c) { return c > ' ' && c <= '~' && c != ';' && c != '='; });
}

absl::Status Invalid(absl::string_view why) { return absl::InvalidArgumentError(why); }

absl::StatusOr<std::string> IdOf(absl::string_view record) {
  record.remove_prefix(kRecordStart.size());
  std::optional<std::string> id;
  std::vector<absl::string_view> fields = absl::StrSplit(record, ';');
  // [sts-field-delim] at the end.
  if (StripWsp(fields.back()).empty()) fields.pop_back();
  for (absl::string_view field : fields) {
    field = StripWsp(field);
    const size_t equals = field.find('=');
    if (equals == absl::string_view::npos) return Invalid("a field without \"=\"");
    const absl::string_view name = field.substr(0, equals);
    const absl::string_view value = field.substr(equals + 1);
    if (name == "id") {
      if (!IsStsId(value)) return Invalid("the id is not 1 to 32 letters and digits");
      if (!id.has_value()) id = std::string(value);
    } else if (!IsFieldName(name) || !IsExtensionValue(value)) {
      return Invalid("a field that is not written as RFC 8461 section 3.1 has it");
    }
  }
  if (!id.has_value()) return Invalid("no id");
  return *std::move(id);
}

// Of the form in StsPolicy::mx.
absl::StatusOr<std::string> PatternOf(absl::string_view value) {
  absl::string_view name = value;
  const bool is_wildcard = absl::ConsumePrefix(&name, "*.");
  absl::StatusOr<std::string> host = NormalizeDomain(name);
  if (!host.ok() || host->empty() || host->front() == '[') {
    return Invalid("an mx that is neither the name of a host nor \"*.\" and one");
  }
  return is_wildcard ? absl::StrCat("*.", *host) : *std::move(host);
}

// What of the fields was read so far.
struct Fields {
  bool version = false;
  std::optional<StsPolicy::Mode> mode;
  std::optional<absl::Duration> max_age;
  std::vector<std::string> mx;
};

absl::StatusOr<StsPolicy::Mode> ModeOf(absl::string_view value) {
  for (const StsPolicy::Mode mode :
       {StsPolicy::Mode::kNone, StsPolicy::Mode::kTesting, StsPolicy::Mode::kEnforce}) {
    if (value == StsModeText(mode)) return mode;
  }
  return Invalid("a mode that is none of enforce, testing and none");
}

absl::StatusOr<absl::Duration> AgeOf(absl::string_view value) {
  uint64_t seconds = 0;
  const bool digits = !value.empty() && value.size() <= kMaxAgeDigits &&
                      std::all_of(value.begin(), value.end(),
                                  [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
  if (!digits || !absl::SimpleAtoi(value, &seconds))
    return Invalid("a max_age that is not a number of seconds");
  return std::min(absl::Seconds(seconds), kMaxStsAge);
}

absl::Status TakeField(absl::string_view name, absl::string_view value, Fields& fields) {
  if (name == "mx") {
    if (fields.mx.size() == kMaxStsPatterns)
      return Invalid(absl::StrCat("more than ", kMaxStsPatterns, " lines \"mx\""));
    ASSIGN_OR_RETURN(std::string pattern, PatternOf(value));
    fields.mx.push_back(std::move(pattern));
  } else if (name == "version" && !fields.version) {
    if (value != kVersion) return Invalid("a version that is not STSv1");
    fields.version = true;
  } else if (name == "mode" && !fields.mode.has_value()) {
    ASSIGN_OR_RETURN(fields.mode, ModeOf(value));
  } else if (name == "max_age" && !fields.max_age.has_value()) {
    ASSIGN_OR_RETURN(fields.max_age, AgeOf(value));
  }
  return absl::OkStatus();
}

absl::Status TakeLine(absl::string_view line, Fields& fields) {
  for (const char c : line) {
    if (static_cast<unsigned char>(c) < ' ' && c != '\t') return Invalid("a control character");
    if (c == '\x7f') return Invalid("a control character");
  }
  if (StripWsp(line).empty()) return absl::OkStatus();
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || !IsFieldName(line.substr(0, colon))) {
    return Invalid("a line that is not a name, a colon and a value");
  }
  const absl::string_view value = StripWsp(line.substr(colon + 1));
  if (value.empty()) return Invalid("a line without a value");
  return TakeField(line.substr(0, colon), value, fields);
}

}  // namespace

std::string StsRecordName(absl::string_view domain) { return absl::StrCat("_mta-sts.", domain); }

std::string StsPolicyHost(absl::string_view domain) { return absl::StrCat("mta-sts.", domain); }

bool IsStsId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxStsIdBytes && std::all_of(id.begin(), id.end(), IsAlnum);
}

absl::StatusOr<std::string> FindStsId(absl::Span<const std::string> texts) {
  const std::string* record = nullptr;
  for (const std::string& text : texts) {
    // Section 3.1: those that do not begin so are discarded first.
    if (!absl::StartsWith(text, kRecordStart)) continue;
    if (record != nullptr) return Invalid("several records that begin with \"v=STSv1;\"");
    record = &text;
  }
  if (record == nullptr) return absl::NotFoundError("no record that begins with \"v=STSv1;\"");
  return IdOf(*record);
}

absl::string_view StsModeText(StsPolicy::Mode mode) {
  switch (mode) {
    case StsPolicy::Mode::kEnforce:
      return "enforce";
    case StsPolicy::Mode::kTesting:
      return "testing";
    case StsPolicy::Mode::kNone:
      break;
  }
  return "none";
}

absl::StatusOr<StsPolicy> ParseStsPolicy(absl::string_view file) {
  if (file.size() > kMaxStsPolicyBytes)
    return Invalid(absl::StrCat("more than ", kMaxStsPolicyBytes, " octets"));
  if (!IsValidUtf8(file)) return Invalid("not in UTF-8");
  Fields fields;
  while (!file.empty()) {
    const size_t end = file.find('\n');
    absl::string_view line = file.substr(0, end);
    file.remove_prefix(end == absl::string_view::npos ? file.size() : end + 1);
    if (end != absl::string_view::npos) absl::ConsumeSuffix(&line, "\r");
    RETURN_IF_ERROR(TakeLine(line, fields));
  }
  if (!fields.version) return Invalid("no version");
  if (!fields.mode.has_value()) return Invalid("no mode");
  if (!fields.max_age.has_value()) return Invalid("no max_age");
  if (fields.mx.empty() && *fields.mode != StsPolicy::Mode::kNone) return Invalid("no mx");
  return StsPolicy{*fields.mode, *fields.max_age, std::move(fields.mx)};
}

std::string StsPolicyFile(const StsPolicy& policy) {
  std::string file = absl::StrCat("version: ", kVersion, "\r\nmode: ", StsModeText(policy.mode), "\r\n");
  for (const std::string& pattern : policy.mx) absl::StrAppend(&file, "mx: ", pattern, "\r\n");
  absl::StrAppend(&file, "max_age: ", absl::ToInt64Seconds(policy.max_age), "\r\n");
  return file;
}

std::string StsIdOf(const StsPolicy& policy) {
  // FNV-1a: it tells policies apart, and nobody gains by two that have one id.
  uint64_t hash = 14695981039346656037u;
  for (const char c : StsPolicyFile(policy)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

absl::Duration UsualStsAge(StsPolicy::Mode mode) {
  return mode == StsPolicy::Mode::kEnforce ? absl::Hours(14 * 24) : absl::Hours(24);
}

bool StsAllows(const StsPolicy& policy, absl::string_view host) {
  std::string name = absl::AsciiStrToLower(host);
  if (!name.empty() && name.back() == '.') name.pop_back();
  if (name.empty()) return false;
  const size_t dot = name.find('.');
  for (const absl::string_view pattern : policy.mx) {
    if (!absl::StartsWith(pattern, "*.")) {
      if (name == std::string(pattern)) return true;
      continue;
    }
    // Section 4.1: the left-most label only, and the whole of it.
    if (dot == std::string::npos || dot == 0) continue;
    if (absl::string_view(name).substr(dot) == pattern.substr(1)) return true;
  }
  return false;
}

bool IsStsMediaType(absl::string_view content_type) {
  return absl::EqualsIgnoreCase(StripWsp(content_type.substr(0, content_type.find(';'))), "text/plain");
}

}  // namespace mailstead::mailauth
