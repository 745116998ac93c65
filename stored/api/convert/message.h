// Messages and envelopes between the API and core.
#pragma once

#include "absl/status/statusor.h"
#include "common/mail/envelope.h"
#include "mailstead/store/v1/message.pb.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::MessageSummary& message, store::v1::MessageSummary& proto);
store::v1::DeliverOutcome OutcomeOf(const engine::Receipt& receipt);

// FieldError "envelope.…" for enums; the rest is CheckEnvelope's.
absl::StatusOr<Envelope> FromProto(const store::v1::Envelope& envelope);

}  // namespace mailstead::stored
