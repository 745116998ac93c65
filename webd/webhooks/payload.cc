#include "webd/webhooks/payload.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "mailstead/store/v1/webhook.pb.h"

namespace mailstead::web {

absl::StatusOr<std::string> WebhookBody(const frontend::v1::WebhookEvent& event,
                                        absl::string_view public_url) {
  store::v1::WebhookPayload payload;
  payload.set_type(event.type());
  *payload.mutable_timestamp() = event.event().time();
  store::v1::WebhookData& data = *payload.mutable_data();
  *data.mutable_event() = event.event();
  const store::v1::WatchDelivered& delivered = event.event().delivered();
  if (!public_url.empty() && event.event().has_delivered()) {
    const std::string message = absl::StrCat(public_url, "/v1/accounts/", event.event().account_id(),
                                             "/messages/", delivered.message_id());
    data.set_raw_url(absl::StrCat(message, "/raw"));
    for (const store::v1::Part& part : delivered.message().parsed().parts()) {
      store::v1::WebhookPart& link = *data.add_parts();
      link.set_part_id(part.part_id());
      link.set_url(absl::StrCat(message, "/parts/", part.part_id()));
    }
  }
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(payload, &text);
  if (status.ok()) return text;
  return absl::InternalError("the store sent an event that is no JSON");
}

}  // namespace mailstead::web
