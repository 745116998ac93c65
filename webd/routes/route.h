// The paths beside those of the methods: what is for browsers and for who has no client of the API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::web {

enum class RouteKind { kRaw, kPart, kWatch, kOpenApi, kDocs, kAutoconfig, kAutodiscover, kStsPolicy };

// The paths, with their parameters in braces, as documents name them.
inline constexpr absl::string_view kRawPath = "/v1/accounts/{account}/messages/{message_id}/raw";
inline constexpr absl::string_view kPartPath = "/v1/accounts/{account}/messages/{message_id}/parts/{part_id}";
inline constexpr absl::string_view kWatchPath = "/v1/watch";
inline constexpr absl::string_view kOpenApiPath = "/openapi.json";
inline constexpr absl::string_view kDocsPath = "/";
// For mail programs; of each kind the second is another way to write it.
inline constexpr absl::string_view kAutoconfigPath = "/mail/config-v1.1.xml";
inline constexpr absl::string_view kWellKnownAutoconfigPath = "/.well-known/autoconfig/mail/config-v1.1.xml";
inline constexpr absl::string_view kAutodiscoverPath = "/autodiscover/autodiscover.xml";
inline constexpr absl::string_view kCapitalAutodiscoverPath = "/Autodiscover/Autodiscover.xml";
struct Route {
  RouteKind kind = RouteKind::kDocs;
  // Decoded, and not looked into; the store does that. Of kRaw and kPart.
  std::string account;
  int64_t message_id = 0;
  // Of kPart.
  std::string part_id;
};

// One of the paths above; the first of its kind.
absl::string_view PathOf(RouteKind kind);
// As Allow says them.
absl::string_view AllowedVerbs(RouteKind kind);

// `path` is as it was sent, without its query. nullopt: it leads nowhere.
std::optional<Route> FindRoute(absl::string_view path);

}  // namespace mailstead::web
