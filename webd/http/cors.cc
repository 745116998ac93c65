#include "webd/http/cors.h"

#include <cstdint>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kAllowedHeaders =
    "Authorization, Content-Type, Content-Encoding, Connect-Protocol-Version, Connect-Timeout-Ms, "
    "Connect-Content-Encoding, Connect-Accept-Encoding, Last-Event-ID, Range, If-Range, If-Match, "
    "If-None-Match, "
    "X-User-Agent";
// Those that the protocol does not let a page see by itself.
constexpr absl::string_view kExposedHeaders =
    "Content-Disposition, Content-Encoding, Content-Length, Content-Range, Connect-Content-Encoding, "
    "Accept-Ranges, "
    "ETag, WWW-Authenticate";
// Browsers keep an answer for two hours at most.
constexpr absl::string_view kMaxAge = "7200";

bool IsHost(absl::string_view host) {
  if (absl::StartsWith(host, "[")) {
    return host.size() > 2 && absl::EndsWith(host, "]") &&
           host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdef:.") == absl::string_view::npos;
  }
  return !host.empty() &&
         host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == absl::string_view::npos;
}

}  // namespace

absl::string_view CorsPolicy::AllowedOrigin(const RequestHead& head) const {
  if (head.Count("origin") != 1) return "";
  const absl::string_view origin = head.Value("origin");
  return absl::c_linear_search(origins_, origin) ? origin : "";
}

bool CorsPolicy::IsPreflight(const RequestHead& head) const {
  return head.method == "OPTIONS" && head.Count("access-control-request-method") > 0 &&
         !AllowedOrigin(head).empty();
}

std::vector<HeaderField> CorsPolicy::PreflightFields(const RequestHead& head) const {
  return {{"Access-Control-Allow-Origin", std::string(AllowedOrigin(head))},
          {"Access-Control-Allow-Methods", "GET, HEAD, POST"},
          {"Access-Control-Allow-Headers", std::string(kAllowedHeaders)},
          {"Access-Control-Max-Age", std::string(kMaxAge)},
          {"Vary", "Origin"}};
}

std::vector<HeaderField> CorsPolicy::FieldsFor(const RequestHead& head) const {
  if (origins_.empty()) return {};
  // Whatever the origin: the answer depends on it.
  std::vector<HeaderField> fields = {{"Vary", "Origin"}};
  if (const absl::string_view origin = AllowedOrigin(head); !origin.empty()) {
    fields.push_back({"Access-Control-Allow-Origin", std::string(origin)});
    fields.push_back({"Access-Control-Expose-Headers", std::string(kExposedHeaders)});
  }
  return fields;
}

absl::Status CheckOrigin(absl::string_view origin) {
  absl::string_view rest = origin;
  const bool https = absl::ConsumePrefix(&rest, "https://");
  if (!https && !absl::ConsumePrefix(&rest, "http://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", origin, "\" must begin with http:// or https://; there is no origin for all"));
  }
  const size_t colon = rest.find(':', rest.find(']') == absl::string_view::npos ? 0 : rest.find(']'));
  if (!IsHost(rest.substr(0, colon))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", origin, "\" must be scheme://host or scheme://host:port in lower case, and no more"));
  }
  if (colon == absl::string_view::npos) return absl::OkStatus();
  const absl::string_view text = rest.substr(colon + 1);
  uint32_t port = 0;
  const bool is_port = !text.empty() && text.front() != '0' && absl::c_all_of(text, absl::ascii_isdigit) &&
                       absl::SimpleAtoi(text, &port) && port <= 65'535;
  if (!is_port)
    return absl::InvalidArgumentError(absl::StrCat("\"", origin, "\" has no port behind its colon"));
  if (port == (https ? 443 : 80)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", origin, "\": browsers leave that port out"));
  }
  return absl::OkStatus();
}

}  // namespace mailstead::web
