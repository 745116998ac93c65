// Messages and envelopes between the API and core.
#pragma once

#include "mailstead/store/v1/message.pb.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::MessageSummary& message, store::v1::MessageSummary& proto);
void ToProto(const engine::MessageDeletion& deletion, store::v1::MessageDeletion& proto);
store::v1::DeliverOutcome OutcomeOf(const engine::Receipt& receipt);

}  // namespace mailstead::stored
