#include "common/mailauth/spf_record.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/mail/address.h"

namespace mailstead::mailauth {
namespace {

using Kind = SpfTerm::Kind;

constexpr absl::string_view kVersion = "v=spf1";

struct Mechanism {
  absl::string_view name;
  Kind kind;
  // What may and what must follow ":".
  bool takes_value;
  bool needs_value;
  // "/24//64" may follow.
  bool takes_prefixes;
};
constexpr Mechanism kMechanisms[] = {
    {"all", Kind::kAll, false, false, false}, {"include", Kind::kInclude, true, true, false},
    {"a", Kind::kA, true, false, true},       {"mx", Kind::kMx, true, false, true},
    {"ptr", Kind::kPtr, true, false, false},  {"ip4", Kind::kIp4, true, true, true},
    {"ip6", Kind::kIp6, true, true, true},    {"exists", Kind::kExists, true, true, false},
};

absl::Status Wrong(absl::string_view term, absl::string_view why) {
  // A stranger's record: what of it is shown has an end.
  return absl::InvalidArgumentError(absl::StrCat("\"", term.substr(0, 100), "\" ", why));
}

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// Section 7.1: "%%", "%_", "%-", or "%{" a letter, digits, "r" and delimiters "}".
bool TakeMacro(absl::string_view& text) {
  if (text.size() < 2) return false;
  if (text[1] == '%' || text[1] == '_' || text[1] == '-') {
    text.remove_prefix(2);
    return true;
  }
  const size_t end = text.find('}');
  if (text[1] != '{' || end == absl::string_view::npos || end < 3) return false;
  absl::string_view inside = text.substr(2, end - 2);
  text.remove_prefix(end + 1);
  if (!absl::StrContains("slodiphcrtvSLODIPHCRTV", inside.front())) return false;
  inside.remove_prefix(1);
  while (!inside.empty() && absl::ascii_isdigit(static_cast<unsigned char>(inside.front())))
    inside.remove_prefix(1);
  if (!inside.empty() && (inside.front() == 'r' || inside.front() == 'R')) inside.remove_prefix(1);
  return inside.find_first_not_of(".-+,/_=") == absl::string_view::npos;
}

// macro-string: visible characters and macros.
bool IsMacroString(absl::string_view text) {
  while (!text.empty()) {
    if (text.front() == '%') {
      if (!TakeMacro(text)) return false;
      continue;
    }
    if (text.front() <= ' ' || text.front() > '~') return false;
    text.remove_prefix(1);
  }
  return true;
}

// domain-end: a macro, or a label at the end that is one of a top-level domain.
bool IsDomainSpec(absl::string_view text) {
  if (!IsMacroString(text)) return false;
  if (absl::EndsWith(text, "}")) return true;
  absl::ConsumeSuffix(&text, ".");
  const size_t dot = text.rfind('.');
  if (dot == absl::string_view::npos) return false;
  const absl::string_view top = text.substr(dot + 1);
  if (top.empty() || !IsAlnum(top.front()) || !IsAlnum(top.back())) return false;
  return std::any_of(top.begin(), top.end(),
                     [](char c) { return !absl::ascii_isdigit(static_cast<unsigned char>(c)); }) &&
         std::all_of(top.begin(), top.end(), [](char c) { return IsAlnum(c) || c == '-'; });
}

bool IsPrefix(absl::string_view text, int most) {
  int bits = 0;
  const bool digits = !text.empty() && text.size() <= 3 && (text == "0" || text.front() != '0') &&
                      text.find_first_not_of("0123456789") == absl::string_view::npos;
  return digits && absl::SimpleAtoi(text, &bits) && bits <= most;
}

// Takes "/24", "//64" or "/24//64" off its end.
bool TakePrefixes(Kind kind, absl::string_view& text) {
  const size_t both = text.find("//");
  if (both != absl::string_view::npos) {
    if (kind == Kind::kIp4 || kind == Kind::kIp6 || !IsPrefix(text.substr(both + 2), 128)) return false;
    text = text.substr(0, both);
  }
  // A macro has slashes of its own ("%{d2/}").
  const size_t slash = text.rfind('/');
  if (slash == absl::string_view::npos || text.find('}', slash) != absl::string_view::npos) return true;
  if (!IsPrefix(text.substr(slash + 1), kind == Kind::kIp6 ? 128 : 32)) return false;
  text = text.substr(0, slash);
  return true;
}

bool IsAddress(Kind kind, absl::string_view text) {
  if (text.find_first_of("[]") != absl::string_view::npos) return false;
  return NormalizeDomain(kind == Kind::kIp4 ? absl::StrCat("[", text, "]")
                                            : absl::StrCat("[IPv6:", text, "]"))
             .ok() &&
         (kind == Kind::kIp6 || text.find(':') == absl::string_view::npos);
}

absl::StatusOr<SpfTerm> ModifierOf(absl::string_view term, absl::string_view name, absl::string_view value) {
  SpfTerm modifier;
  modifier.value = std::string(value);
  if (absl::EqualsIgnoreCase(name, "redirect")) modifier.kind = Kind::kRedirect;
  if (absl::EqualsIgnoreCase(name, "exp")) modifier.kind = Kind::kExp;
  const bool known = modifier.kind != Kind::kOther;
  if (known ? !IsDomainSpec(value) : !IsMacroString(value)) return Wrong(term, "has a value that is none");
  return modifier;
}

absl::StatusOr<SpfTerm> MechanismOf(absl::string_view term) {
  SpfTerm mechanism;
  absl::string_view rest = term;
  if (absl::StrContains("+-~?", rest.front())) {
    mechanism.qualifier = rest.front();
    rest.remove_prefix(1);
  }
  const size_t name_end = std::min(rest.find_first_of(":/"), rest.size());
  const absl::string_view name = rest.substr(0, name_end);
  absl::string_view value = rest.substr(name_end);
  for (const Mechanism& row : kMechanisms) {
    if (!absl::EqualsIgnoreCase(name, row.name)) continue;
    mechanism.kind = row.kind;
    if (row.takes_prefixes && !TakePrefixes(row.kind, value))
      return Wrong(term, "has a length of a prefix that is none");
    const bool has_value = absl::ConsumePrefix(&value, ":");
    if (!has_value && !value.empty()) return Wrong(term, "has something behind its name that is none of its");
    if (has_value != !value.empty() || (has_value && !row.takes_value))
      return Wrong(term, "has a value that is none");
    if (!has_value && row.needs_value) return Wrong(term, "has no value");
    if (has_value) {
      const bool is_network = row.kind == Kind::kIp4 || row.kind == Kind::kIp6;
      if (is_network ? !IsAddress(row.kind, value) : !IsDomainSpec(value))
        return Wrong(term, "has a value that is none");
      mechanism.value = std::string(value);
    }
    return mechanism;
  }
  return Wrong(term, "is no mechanism");
}

}  // namespace

bool SpfTerm::is_lookup() const {
  switch (kind) {
    case Kind::kInclude:
    case Kind::kA:
    case Kind::kMx:
    case Kind::kPtr:
    case Kind::kExists:
    case Kind::kRedirect:
      return true;
    case Kind::kAll:
    case Kind::kIp4:
    case Kind::kIp6:
    case Kind::kExp:
    case Kind::kOther:
      break;
  }
  return false;
}

int SpfRecord::lookup_count() const {
  return static_cast<int>(
      std::count_if(terms.begin(), terms.end(), [](const SpfTerm& term) { return term.is_lookup(); }));
}

const SpfTerm* SpfRecord::Find(Kind kind) const {
  for (const SpfTerm& term : terms) {
    if (term.kind == kind) return &term;
  }
  return nullptr;
}

bool IsSpfRecord(absl::string_view text) {
  return absl::StartsWithIgnoreCase(text, kVersion) &&
         (text.size() == kVersion.size() || text[kVersion.size()] == ' ');
}

absl::StatusOr<SpfRecord> ParseSpfRecord(absl::string_view text) {
  if (!IsSpfRecord(text)) return absl::InvalidArgumentError("it does not begin with v=spf1");
  SpfRecord record;
  for (const absl::string_view term : absl::StrSplit(text.substr(kVersion.size()), ' ', absl::SkipEmpty())) {
    // A modifier has "=" behind its name, a mechanism ":", "/" or nothing.
    const size_t mark = term.find_first_of("=:/");
    const bool is_modifier = mark != absl::string_view::npos && term[mark] == '=' &&
                             absl::ascii_isalpha(static_cast<unsigned char>(term.front()));
    absl::StatusOr<SpfTerm> parsed =
        is_modifier ? ModifierOf(term, term.substr(0, mark), term.substr(mark + 1)) : MechanismOf(term);
    if (!parsed.ok()) return std::move(parsed).status();
    const bool once = parsed->kind == Kind::kRedirect || parsed->kind == Kind::kExp;
    if (once && record.Find(parsed->kind) != nullptr) return Wrong(term, "stands there twice");
    record.terms.push_back(*std::move(parsed));
  }
  return record;
}

}  // namespace mailstead::mailauth
