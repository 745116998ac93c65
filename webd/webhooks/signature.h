// What a webhook's receiver knows it by: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

// "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body"; `timestamp` in seconds since 1970. `secret` is "whsec_" and the
// base64 of the key. InvalidArgument: it is not.
absl::StatusOr<std::string> WebhookSignature(absl::string_view secret, absl::string_view id,
                                             int64_t timestamp, absl::string_view body);

}  // namespace mailstead::web
