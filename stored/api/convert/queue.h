// The queue between the API and core.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "mailstead/frontend/v1/relay.pb.h"
#include "mailstead/store/v1/queue.pb.h"
#include "stored/core/queue.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::QueuedMessage& message, store::v1::QueuedMessage& proto);
void ToProto(const engine::QueueDestination& destination, store::v1::Destination& proto);
// Without the count of front-ends.
void ToProto(const engine::QueueStatus& status, store::v1::GetQueueStatusResponse& proto);
// Normalized. FieldError "filter.…".
absl::StatusOr<QueueFilter> FromProto(const store::v1::QueueFilter& filter);
absl::StatusOr<QueueAction> FromProto(store::v1::ChangeQueuedMessagesRequest::Action action);

// Without its route.
void ToProto(const engine::QueueAttempt& attempt, frontend::v1::Attempt& proto);
// FieldError. `now`: when the reply came, and what a wait counts from.
absl::StatusOr<engine::QueueReport> FromProto(const frontend::v1::AttemptReport& request, absl::Time now);

}  // namespace mailstead::stored
