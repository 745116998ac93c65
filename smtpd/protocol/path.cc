#include "smtpd/protocol/path.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace mailstead::smtp {
namespace {

// Where the '>' that closes the path is; a quoted local part may hold one that does not.
size_t FindPathEnd(absl::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return i;
    }
  }
  return absl::string_view::npos;
}

// Takes "@one,@two:" off the front. False when it begins like a route and is none.
bool StripSourceRoute(absl::string_view& path) {
  if (!absl::StartsWith(path, "@")) return true;
  while (absl::ConsumePrefix(&path, "@")) {
    size_t end = 0;
    bool literal = false;
    while (end < path.size() && (literal || (path[end] != ',' && path[end] != ':'))) {
      if (path[end] == '[') literal = true;
      if (path[end] == ']') literal = false;
      ++end;
    }
    // The domain must be one: ParseAddress knows how domains look.
    if (end == path.size() || !ParseAddress("x@" + std::string(path.substr(0, end))).ok()) return false;
    const char mark = path[end];
    path.remove_prefix(end + 1);
    if (mark == ':') return true;
  }
  return false;
}

}  // namespace

std::string Path::ToString() const {
  switch (kind) {
    case Kind::kNull:
      return "";
    case Kind::kPostmaster:
      return address.local_part;
    case Kind::kMailbox:
      return address.ToString();
  }
  return "";
}

Parsed<PathAndRest> ParsePath(absl::string_view keyword, absl::string_view argument, size_t max_path_bytes) {
  if (!absl::StartsWithIgnoreCase(argument, keyword)) return ParseError::kSyntax;
  argument.remove_prefix(keyword.size());
  while (absl::ConsumePrefix(&argument, " ")) {
  }
  if (!absl::ConsumePrefix(&argument, "<")) return ParseError::kSyntax;
  const size_t end = FindPathEnd(argument);
  if (end == absl::string_view::npos) return ParseError::kSyntax;
  absl::string_view inside = argument.substr(0, end);
  absl::string_view rest = argument.substr(end + 1);
  if (!rest.empty() && !absl::ConsumePrefix(&rest, " ")) return ParseError::kSyntax;

  PathAndRest result;
  result.rest = rest;
  if (inside.empty()) return result;
  if (inside.size() + 2 > max_path_bytes || !StripSourceRoute(inside)) return ParseError::kBadAddress;
  result.path.given = std::string(inside);
  if (absl::EqualsIgnoreCase(inside, "postmaster")) {
    result.path.kind = Path::Kind::kPostmaster;
    result.path.address.local_part = std::string(inside);
    return result;
  }
  absl::StatusOr<Address> address = ParseAddress(inside);
  if (!address.ok()) return ParseError::kBadAddress;
  result.path.kind = Path::Kind::kMailbox;
  result.path.address = *std::move(address);
  return result;
}

}  // namespace mailstead::smtp
