// CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): which pages of other origins may call from a browser. No credentials
// in its sense, as cookies are, are ever allowed: a key is shown by the page itself.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

class CorsPolicy {
 public:
  // Of origins that pass CheckOrigin; none: there is no CORS.
  CorsPolicy() = default;
  explicit CorsPolicy(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  // A request that only asks whether another one may come, of an origin that may call.
  bool IsPreflight(const RequestHead& head) const;
  // What its answer says.
  std::vector<HeaderField> PreflightFields(const RequestHead& head) const;
  // What every other answer has.
  std::vector<HeaderField> FieldsFor(const RequestHead& head) const;

 private:
  // "Origin" of the request; empty: it may not call.
  absl::string_view AllowedOrigin(const RequestHead& head) const;

  std::vector<std::string> origins_;
};

// As browsers write it: scheme://host or scheme://host:port in lower case, without a path and without the scheme's own port.
// InvalidArgument says why it is none.
absl::Status CheckOrigin(absl::string_view origin);

}  // namespace mailstead::web
