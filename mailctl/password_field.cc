#include "mailctl/password_field.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"

namespace mailstead::ctl {
namespace {

constexpr absl::string_view kWritePlain = "write {PLAIN} in front of a password that looks so";

// What crypt(5) and Argon2 begin their hashes with, and which of Dovecot's schemes each goes with.
struct HashMethod {
  absl::string_view prefix;
  absl::string_view scheme;
};
constexpr HashMethod kHashMethods[] = {
    {"$1$", "MD5-CRYPT"},
    {"$2a$", "BLF-CRYPT"},
    {"$2b$", "BLF-CRYPT"},
    {"$2x$", "BLF-CRYPT"},
    {"$2y$", "BLF-CRYPT"},
    {"$5$", "SHA256-CRYPT"},
    {"$6$", "SHA512-CRYPT"},
    {"$7$", ""},
    {"$y$", ""},
    {"$gy$", ""},
    {"$md5", ""},
    {"$sha1$", ""},
    {"$argon2id$", "ARGON2ID"},
    {"$argon2i$", "ARGON2I"},
    {"$argon2d$", ""},
};
constexpr absl::string_view kPlainSchemes[] = {"PLAIN", "CLEAR", "CLEARTEXT"};
constexpr absl::string_view kLocks[] = {"*", "!", "!!", "!*", "*!", "x", "*LK*", "*NP*", "NP"};

// Lengths of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512 in hex.
constexpr size_t kHexDigests[] = {32, 40, 56, 64, 96, 128};

const HashMethod* MethodOf(absl::string_view text) {
  const auto* const found =
      std::find_if(std::begin(kHashMethods), std::end(kHashMethods),
                   [text](const HashMethod& method) { return absl::StartsWith(text, method.prefix); });
  return found == std::end(kHashMethods) ? nullptr : found;
}

template <typename Predicate>
bool All(absl::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_'; }
bool IsCryptCharacter(char c) { return absl::ascii_isalnum(c) || c == '.' || c == '/'; }

// The name in "{SSHA}..."; empty when there is none.
absl::string_view SchemeOf(absl::string_view field) {
  if (field.empty() || field.front() != '{') return "";
  const size_t end = field.find('}');
  if (end == absl::string_view::npos) return "";
  const absl::string_view name = field.substr(1, end - 1);
  return All(name, IsNameCharacter) ? name : "";
}

// DES of crypt(3): two characters of salt and 64 bits, so that the last one of 13 stands for four bits; or BSD's long form.
bool LooksLikeDes(absl::string_view text) {
  constexpr absl::string_view kLastOf64Bits = ".26AEIMQUYcgkosw";
  if (text.size() == 13) return All(text, IsCryptCharacter) && absl::StrContains(kLastOf64Bits, text.back());
  return text.size() == 20 && text.front() == '_' && All(text.substr(1), IsCryptCharacter);
}

bool LooksLikeHexDigest(absl::string_view text) {
  // PostgreSQL writes "md5", MySQL "*", in front.
  if (!absl::ConsumePrefix(&text, "md5")) absl::ConsumePrefix(&text, "*");
  return std::find(std::begin(kHexDigests), std::end(kHexDigests), text.size()) != std::end(kHexDigests) &&
         All(text, [](char c) { return absl::ascii_isxdigit(c); });
}

// "$apr1$salt$hash", "$P$B12345678...": a name between two '$', and something behind it that has no blank.
bool LooksModular(absl::string_view text) {
  if (text.empty() || text.front() != '$') return false;
  const size_t end = text.find('$', 1);
  if (end == absl::string_view::npos || end == 1 || end + 1 == text.size()) return false;
  return All(text.substr(1, end - 1), [](char c) { return IsNameCharacter(c) || c == '=' || c == ','; }) &&
         !absl::StrContains(text, ' ');
}

// "pbkdf2_sha256$600000$salt$hash" of Django, "scrypt:32768:8:1$salt$hash" of Werkzeug, "SCRAM-SHA-256$4096:salt$key:key" of
// PostgreSQL: a name and its parameters, '$', a salt, '$', and no blank.
bool LooksLikeFramework(absl::string_view text) {
  const size_t end = text.find('$');
  if (end == absl::string_view::npos || end < 3 || absl::StrContains(text, ' ')) return false;
  const size_t next = text.find('$', end + 1);
  if (next == absl::string_view::npos || next + 1 == text.size()) return false;
  return All(text.substr(0, end), [](char c) { return IsNameCharacter(c) || c == ':'; }) && text.size() >= 24;
}

bool LooksLikeHash(absl::string_view text) {
  return MethodOf(text) != nullptr || LooksLikeDes(text) || LooksLikeHexDigest(text) || LooksModular(text) ||
         LooksLikeFramework(text);
}

// Marks of passwd(5) and shadow(5), alone or in front of the hash that they keep from working.
bool IsLock(absl::string_view field) {
  if (std::find(std::begin(kLocks), std::end(kLocks), field) != std::end(kLocks)) return true;
  if (field.empty() || (field.front() != '!' && field.front() != '*')) return false;
  absl::string_view behind = field;
  while (!behind.empty() && (behind.front() == '!' || behind.front() == '*')) behind.remove_prefix(1);
  if (absl::ConsumePrefix(&behind, "LK*")) return true;
  // "*" and 40 hex digits is a hash of MySQL's.
  return LooksLikeHash(behind) && !(field.front() == '*' && LooksLikeHexDigest(field));
}

absl::Status NotSupported(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, " cannot be used here: import the account with \"*\" (no login) and set a password later; or ",
      kWritePlain));
}

// Whether hashes behind this scheme, in capital letters, are those that can be used.
bool IsHashScheme(absl::string_view name) {
  return name == "CRYPT" ||
         (!name.empty() && std::any_of(std::begin(kHashMethods), std::end(kHashMethods),
                                       [name](const HashMethod& known) { return known.scheme == name; }));
}

// `name`: the scheme in capital letters.
absl::StatusOr<std::string> HashOfScheme(absl::string_view name, absl::string_view text) {
  if (!IsHashScheme(name)) return NotSupported(absl::StrCat("a hash of the scheme {", name, "}"));
  const HashMethod* method = MethodOf(text);
  if (method == nullptr) {
    if (LooksLikeDes(text)) return NotSupported("a hash of traditional DES");
    return absl::InvalidArgumentError(absl::StrCat("what is behind {", name, "} is no such hash"));
  }
  if (name != "CRYPT" && method->scheme != name) {
    return absl::InvalidArgumentError(
        absl::StrCat("the hash behind {", name, "} begins with ", method->prefix, ", which is another kind"));
  }
  return std::string(text);
}

}  // namespace

absl::StatusOr<PasswordField> ParsePasswordField(absl::string_view field) {
  using Kind = PasswordField::Kind;
  if (field.empty()) return absl::InvalidArgumentError("no password");
  const absl::string_view scheme = SchemeOf(field);
  if (!scheme.empty()) {
    const absl::string_view text = field.substr(scheme.size() + 2);
    if (text.empty()) return absl::InvalidArgumentError("no password");
    const std::string name = absl::AsciiStrToUpper(scheme);
    if (std::find(std::begin(kPlainSchemes), std::end(kPlainSchemes), name) != std::end(kPlainSchemes)) {
      return PasswordField{Kind::kPlain, std::string(text)};
    }
    if (IsHashScheme(name) && IsLock(text)) return PasswordField{Kind::kNone, ""};
    ASSIGN_OR_RETURN(std::string hash, HashOfScheme(name, text));
    return PasswordField{Kind::kHash, std::move(hash)};
  }
  if (MethodOf(field) != nullptr) return PasswordField{Kind::kHash, std::string(field)};
  if (IsLock(field)) return PasswordField{Kind::kNone, ""};
  if (LooksLikeDes(field)) return NotSupported("what looks like a hash of traditional DES");
  if (LooksLikeHash(field)) return NotSupported("what looks like a hash that crypt(5) does not know");
  return PasswordField{Kind::kPlain, std::string(field)};
}

absl::StatusOr<std::string> ParseHashField(absl::string_view field) {
  const absl::string_view scheme = SchemeOf(field);
  if (!scheme.empty()) return HashOfScheme(absl::AsciiStrToUpper(scheme), field.substr(scheme.size() + 2));
  if (MethodOf(field) == nullptr) {
    return absl::InvalidArgumentError(
        "this is no hash of a kind that can be used: $2y$, $6$, $y$, $argon2id$ and others");
  }
  return std::string(field);
}

}  // namespace mailstead::ctl
