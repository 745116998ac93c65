#include "mailctl/import_file.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "mailctl/input.h"

namespace mailstead::ctl {
namespace {

constexpr absl::string_view kBlanks = " \t";

// Prefixes of crypt(5), and of argon2.
constexpr std::array<absl::string_view, 15> kCryptPrefixes = {
    "$1$", "$2a$", "$2b$", "$2x$",   "$2y$",      "$5$",       "$6$",       "$7$",
    "$y$", "$gy$", "$md5", "$sha1$", "$argon2i$", "$argon2d$", "$argon2id$"};

// Where the address ends: at the first blank outside the quotes of a local part (RFC 5321 section 4.1.2).
size_t EndOfAddress(absl::string_view line) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && absl::StrContains(kBlanks, line[i])) {
      return i;
    }
  }
  return line.size();
}

// "{SSHA}" at the front, as other mail servers write hashes; empty when there is none.
absl::string_view SchemeOf(absl::string_view secret) {
  if (!absl::StartsWith(secret, "{")) return "";
  const size_t end = secret.find('}');
  if (end == absl::string_view::npos || end == 1) return "";
  const absl::string_view name = secret.substr(1, end - 1);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '-' || c == '.';
  });
  return is_name ? secret.substr(0, end + 1) : "";
}

}  // namespace

bool LooksLikeCryptHash(absl::string_view secret) {
  return std::any_of(kCryptPrefixes.begin(), kCryptPrefixes.end(),
                     [&](absl::string_view prefix) { return absl::StartsWith(secret, prefix); });
}

absl::StatusOr<std::optional<ImportLine>> ParseImportLine(absl::string_view line) {
  absl::ConsumeSuffix(&line, "\r");
  const size_t start = line.find_first_not_of(kBlanks);
  if (start == absl::string_view::npos || line[start] == '#') return std::nullopt;
  if (line.size() > Input::kMaxLineBytes) return absl::InvalidArgumentError("the line is too long");
  if (!IsValidUtf8(line)) return absl::InvalidArgumentError("the line is not valid UTF-8");
  line.remove_prefix(start);

  const size_t end = EndOfAddress(line);
  ImportLine parsed;
  parsed.address = std::string(line.substr(0, end));
  if (!absl::StrContains(parsed.address, '@')) {
    return absl::InvalidArgumentError("the line does not begin with an address (user@domain)");
  }
  const size_t secret_start = line.find_first_not_of(kBlanks, end);
  if (secret_start == absl::string_view::npos)
    return absl::InvalidArgumentError("no password behind the address");

  absl::string_view secret = line.substr(secret_start);
  const absl::string_view scheme = SchemeOf(secret);
  if (scheme == "{CRYPT}" || scheme == "{PLAIN}") {
    secret.remove_prefix(scheme.size());
    parsed.is_hash = scheme == "{CRYPT}";
  } else if (!scheme.empty()) {
    // A hash of another kind taken as a password would be an account that nobody can log in to.
    return absl::InvalidArgumentError(
        absl::StrCat("hashes of the kind ", scheme,
                     " are not supported; write {PLAIN} in front of a password that", " begins so"));
  } else {
    parsed.is_hash = LooksLikeCryptHash(secret);
  }
  if (secret.empty()) return absl::InvalidArgumentError("no password behind the address");
  parsed.secret = std::string(secret);
  return parsed;
}

}  // namespace mailstead::ctl
