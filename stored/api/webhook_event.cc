#include "stored/api/webhook_event.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "stored/api/convert/values.h"
#include "stored/api/convert/watch.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// Enough of an incarnation to tell it from those before.
constexpr size_t kIncarnationCharacters = 8;

const char* TypeOf(const v1::WatchEvent& event) {
  switch (event.event_case()) {
    case v1::WatchEvent::kDelivered:
      return "message.delivered";
    case v1::WatchEvent::kDeleted:
      return "message.deleted";
    case v1::WatchEvent::kRestored:
      return "message.restored";
    case v1::WatchEvent::kAccountChanged:
      return "account.changed";
    case v1::WatchEvent::kSubmission:
      return "submission.changed";
    default:
      return "webhook.test";
  }
}

}  // namespace

v1::DeadWebhookEvent WebhookEventOf(absl::string_view incarnation, engine::FeedChange change) {
  v1::DeadWebhookEvent kept;
  // No dot: what is signed has them between its parts.
  kept.set_event_id(absl::StrCat("evt_", incarnation.substr(0, kIncarnationCharacters), "_",
                                 change.end.position, "_", change.end.message.value));
  ToProto(std::move(change), *kept.mutable_event());
  kept.set_type(TypeOf(kept.event()));
  return kept;
}

v1::DeadWebhookEvent TestWebhookEvent(absl::Time now) {
  v1::DeadWebhookEvent kept;
  kept.set_event_id(absl::StrCat("evt_test_", RandomId(16)));
  ToProto(now, *kept.mutable_event()->mutable_time());
  kept.set_type(TypeOf(kept.event()));
  return kept;
}

absl::StatusOr<v1::DeadWebhookEvent> ReadWebhookEvent(absl::string_view kept) {
  v1::DeadWebhookEvent event;
  if (event.ParseFromArray(kept.data(), static_cast<int>(kept.size()))) return event;
  return absl::DataLossError("an event of a webhook cannot be read");
}

}  // namespace mailstead::stored
