// Envelopes between the API's messages and plain values, for both ends.
#pragma once

#include "absl/status/statusor.h"
#include "common/mail/envelope.h"
#include "mailstead/store/v1/message.pb.h"

namespace mailstead::store {

void ToProto(const Envelope& envelope, v1::Envelope& proto);
// FieldError "envelope.…" for enums; whether addresses are addresses is the receiver's to check.
absl::StatusOr<Envelope> FromProto(const v1::Envelope& proto);

}  // namespace mailstead::store
