// Events of webhooks between the feed, the engine and the API.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mailstead/store/v1/webhook.pb.h"
#include "stored/engine/change.h"

namespace mailstead::stored {

// An event of the feed, by the id that it has in all its tries, as it is kept while it waits: without what is read of its
// message.
store::v1::DeadWebhookEvent WebhookEventOf(absl::string_view incarnation, engine::FeedChange change);
// One that is made for a test.
store::v1::DeadWebhookEvent TestWebhookEvent(absl::Time now);
// What WebhookEvent::event is. DataLoss.
absl::StatusOr<store::v1::DeadWebhookEvent> ReadWebhookEvent(absl::string_view kept);

}  // namespace mailstead::stored
