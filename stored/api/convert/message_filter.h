// Which messages are wanted, between the API and the engine.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mailstead/store/v1/message.pb.h"
#include "stored/engine/search.h"

namespace mailstead::stored {

// Without after_message_id, which says where a search begins. FieldError "filter....".
absl::StatusOr<engine::MessageFilter> FromProto(const store::v1::MessageFilter& proto);

}  // namespace mailstead::stored
