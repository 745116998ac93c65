#include "stored/api/convert/submission.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/reason.h"
#include "common/store/envelope_convert.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

using State = engine::SubmissionTarget::State;

// RFC 3339: the years that google.protobuf.Timestamp has.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

v1::RecipientState StateOf(State state) {
  switch (state) {
    case State::kScheduled:
      return v1::RECIPIENT_STATE_SCHEDULED;
    case State::kQueued:
      return v1::RECIPIENT_STATE_QUEUED;
    case State::kInFlight:
      return v1::RECIPIENT_STATE_IN_FLIGHT;
    case State::kDelivered:
      return v1::RECIPIENT_STATE_DELIVERED;
    case State::kRelayed:
      return v1::RECIPIENT_STATE_RELAYED;
    case State::kFailed:
      return v1::RECIPIENT_STATE_FAILED;
    case State::kBounced:
      return v1::RECIPIENT_STATE_BOUNCED;
    case State::kCancelled:
      return v1::RECIPIENT_STATE_CANCELLED;
    case State::kRefused:
      return v1::RECIPIENT_STATE_REFUSED;
  }
  return v1::RECIPIENT_STATE_UNSPECIFIED;
}

void FillBounce(const engine::SubmissionBounce& bounce, v1::SubmissionBounce& proto) {
  proto.set_action(bounce.action == engine::SubmissionBounce::Action::kFailed
                       ? v1::SubmissionBounce::ACTION_FAILED
                       : v1::SubmissionBounce::ACTION_DELAYED);
  proto.set_status(bounce.status);
  proto.set_text(bounce.text);
  proto.set_reporting_host(bounce.reporting_host);
  ToProto(bounce.time, *proto.mutable_time());
}

void FillRecipient(const engine::Submission& submission, const engine::SubmissionTarget& target,
                   v1::SubmissionRecipient& proto) {
  const std::string& named = submission.envelope.recipients[static_cast<size_t>(target.recipient)].address;
  proto.set_address(target.address.empty() ? named : target.address);
  if (!target.address.empty()) proto.set_forwarded_for(named);
  proto.set_state(StateOf(target.state));
  proto.set_attempt_count(target.attempt_count);
  if (target.next_attempt_time != absl::InfinitePast()) {
    ToProto(target.next_attempt_time, *proto.mutable_next_attempt_time());
  }
  proto.set_reply_code(target.reply.code);
  proto.set_reply_status(target.reply.status);
  proto.set_reply_text(target.reply.text);
  proto.set_reply_host(target.reply.host);
  if (target.reply.time != absl::InfinitePast()) ToProto(target.reply.time, *proto.mutable_reply_time());
  proto.set_reason(target.reason);
  if (target.bounce.has_value()) FillBounce(*target.bounce, *proto.mutable_bounce());
}

}  // namespace

void ToProto(const engine::Submission& submission, size_t recipient_limit, v1::Submission& proto) {
  proto.set_submission_id(submission.id);
  proto.set_account_id(submission.account.value);
  proto.set_request_id(submission.request_id);
  store::ToProto(submission.envelope, *proto.mutable_envelope());
  proto.set_message_id(submission.message_id);
  ToProto(submission.submit_time, *proto.mutable_submit_time());
  if (submission.send_time != absl::InfinitePast()) ToProto(submission.send_time, *proto.mutable_send_time());
  proto.set_queue_id(submission.queue_id.value);
  proto.set_recipient_count(static_cast<int64_t>(submission.targets.size()));
  for (size_t i = 0; i < std::min(recipient_limit, submission.targets.size()); ++i) {
    FillRecipient(submission, submission.targets[i], *proto.add_recipients());
  }
}

void ToProto(const Submitted& submitted, v1::SubmitMessageResponse& proto) {
  const engine::Submission& submission = submitted.submission;
  proto.set_submission_id(submission.id);
  proto.set_outcome(submitted.already_taken ? v1::SUBMIT_OUTCOME_ALREADY_TAKEN : v1::SUBMIT_OUTCOME_TAKEN);
  proto.set_message_id(submission.message_id);
  ToProto(submission.submit_time, *proto.mutable_submit_time());
  if (submission.send_time != absl::InfinitePast()) ToProto(submission.send_time, *proto.mutable_send_time());
  for (const EnvelopeRecipient& recipient : submission.envelope.recipients) {
    proto.add_results()->set_address(recipient.address);
  }
  for (size_t i = 0; i < submission.targets.size(); ++i) {
    const engine::SubmissionTarget& target = submission.targets[i];
    v1::RecipientResult& result = *proto.mutable_results(target.recipient);
    if (target.state == State::kRefused) {
      result.set_result(v1::RecipientResult::RESULT_REFUSED);
      result.set_reason(target.reason);
      result.set_message(target.reply.text);
    } else if (target.was_queued) {
      result.set_result(v1::RecipientResult::RESULT_QUEUED);
    } else if (result.result() == v1::RecipientResult::RESULT_UNSPECIFIED) {
      result.set_result(v1::RecipientResult::RESULT_DELIVERED);
    }
  }
}

bool HasState(const engine::Submission& submission, v1::RecipientState state) {
  return std::any_of(submission.targets.begin(), submission.targets.end(),
                     [&](const engine::SubmissionTarget& target) { return StateOf(target.state) == state; });
}

absl::StatusOr<absl::Time> TimeFromProto(absl::string_view field, const google::protobuf::Timestamp& proto) {
  if (proto.seconds() < kFirstSecond || proto.seconds() > kLastSecond || proto.nanos() < 0 ||
      proto.nanos() > 999'999'999) {
    return FieldError(field, "must be a time from year 1 to 9999");
  }
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace mailstead::stored
