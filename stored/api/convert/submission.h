// Submissions between the API and core.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "mailstead/store/v1/submission.pb.h"
#include "stored/core/submissions.h"
#include "stored/engine/submission.h"

namespace mailstead::stored {

// At most so many of its recipients.
void ToProto(const engine::Submission& submission, size_t recipient_limit, store::v1::Submission& proto);
// The answer to who submitted it: the same for a repeat, but for the outcome.
void ToProto(const Submitted& submitted, store::v1::SubmitMessageResponse& proto);
// Whether one of its recipients is in a state.
bool HasState(const engine::Submission& submission, store::v1::RecipientState state);

// FieldError: it is no time of this calendar.
absl::StatusOr<absl::Time> TimeFromProto(absl::string_view field, const google::protobuf::Timestamp& proto);

}  // namespace mailstead::stored
