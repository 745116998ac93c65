// What is posted of an event: a WebhookPayload as JSON.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mailstead/frontend/v1/webhook.pb.h"

namespace mailstead::web {

// `public_url`: where clients reach webd, without a slash at its end; empty: nothing has a link.
absl::StatusOr<std::string> WebhookBody(const frontend::v1::WebhookEvent& event,
                                        absl::string_view public_url);

}  // namespace mailstead::web
