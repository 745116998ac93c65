#include "webd/routes/route.h"

#include <iterator>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/mailauth/sts_policy.h"
#include "common/text/utf8.h"
#include "webd/http/percent.h"

namespace mailstead::web {
namespace {

struct Row {
  RouteKind kind;
  absl::string_view path;
  absl::string_view verbs;
};
constexpr Row kRows[] = {{RouteKind::kRaw, kRawPath, "GET, HEAD"},
                         {RouteKind::kPart, kPartPath, "GET, HEAD"},
                         // It has no end that HEAD could tell of.
                         {RouteKind::kWatch, kWatchPath, "GET"},
                         {RouteKind::kOpenApi, kOpenApiPath, "GET, HEAD"},
                         {RouteKind::kDocs, kDocsPath, "GET, HEAD"},
                         {RouteKind::kAutoconfig, kAutoconfigPath, "GET, HEAD"},
                         {RouteKind::kAutoconfig, kWellKnownAutoconfigPath, "GET, HEAD"},
                         {RouteKind::kAutodiscover, kAutodiscoverPath, "POST"},
                         {RouteKind::kAutodiscover, kCapitalAutodiscoverPath, "POST"},
                         {RouteKind::kStsPolicy, mailauth::kStsPolicyPath, "GET, HEAD"}};

const Row& RowOf(RouteKind kind) {
  const Row* const row = absl::c_find_if(kRows, [kind](const Row& each) { return each.kind == kind; });
  CHECK(row != std::end(kRows));
  return *row;
}

bool SetMessageId(const std::string& text, Route& route) {
  return absl::c_all_of(text, absl::ascii_isdigit) && absl::SimpleAtoi(text, &route.message_id);
}

bool Set(absl::string_view name, std::string value, Route& route) {
  // What is no text names nothing; a message of the store cannot have it.
  if (value.empty() || !IsValidUtf8(value)) return false;
  if (name == "{message_id}") return SetMessageId(value, route);
  (name == "{account}" ? route.account : route.part_id) = std::move(value);
  return true;
}

// A slash that is written as %2F is one of the account's: segments are decoded one by one.
bool Matches(absl::string_view pattern, absl::string_view path, Route& route) {
  const std::vector<absl::string_view> wanted = absl::StrSplit(pattern, '/');
  const std::vector<absl::string_view> given = absl::StrSplit(path, '/');
  if (wanted.size() != given.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!absl::StartsWith(wanted[i], "{")) {
      if (wanted[i] != given[i]) return false;
      continue;
    }
    std::optional<std::string> value = PercentDecoded(given[i], PlusSign::kItself);
    if (!value.has_value() || !Set(wanted[i], *std::move(value), route)) return false;
  }
  return true;
}

}  // namespace

absl::string_view PathOf(RouteKind kind) { return RowOf(kind).path; }
absl::string_view AllowedVerbs(RouteKind kind) { return RowOf(kind).verbs; }

std::optional<Route> FindRoute(absl::string_view path) {
  for (const Row& row : kRows) {
    Route route{.kind = row.kind};
    if (Matches(row.path, path, route)) return route;
  }
  return std::nullopt;
}

}  // namespace mailstead::web
