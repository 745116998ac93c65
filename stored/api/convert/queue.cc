#include "stored/api/convert/queue.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/store/envelope_convert.h"
#include "common/store/limits.h"
#include "common/text/utf8.h"
#include "stored/api/convert/values.h"
#include "stored/core/names.h"
#include "stored/rules/queue.h"

namespace mailstead::stored {
namespace {

namespace fv1 = frontend::v1;
namespace v1 = store::v1;

v1::QueuedRecipient::State StateOf(const engine::QueuedRecipient& recipient) {
  if (recipient.in_flight) return v1::QueuedRecipient::STATE_IN_FLIGHT;
  return recipient.held ? v1::QueuedRecipient::STATE_HELD : v1::QueuedRecipient::STATE_WAITING;
}

void FillRecipient(const engine::QueuedRecipient& recipient, v1::QueuedRecipient& proto) {
  proto.set_number(recipient.number);
  proto.set_address(recipient.address);
  proto.set_destination(recipient.destination);
  proto.set_state(StateOf(recipient));
  proto.set_attempt_count(recipient.attempt_count);
  if (recipient.next_attempt_time != absl::InfinitePast()) {
    ToProto(recipient.next_attempt_time, *proto.mutable_next_attempt_time());
  }
  const engine::QueueReply& reply = recipient.last_reply;
  proto.set_reply_code(reply.code);
  proto.set_reply_status(reply.status);
  proto.set_reply_text(reply.text);
  proto.set_reply_host(reply.host);
  if (reply.time != absl::InfinitePast()) ToProto(reply.time, *proto.mutable_reply_time());
  proto.set_forwarded_for(recipient.forwarded_for);
}

absl::StatusOr<engine::QueueOutcome::Kind> KindOf(fv1::RecipientOutcome::Kind kind) {
  switch (kind) {
    case fv1::RecipientOutcome::KIND_DELIVERED:
      return engine::QueueOutcome::Kind::kDelivered;
    case fv1::RecipientOutcome::KIND_FAILED:
      return engine::QueueOutcome::Kind::kFailed;
    case fv1::RecipientOutcome::KIND_DEFERRED:
      return engine::QueueOutcome::Kind::kDeferred;
    default:
      return FieldError("outcomes.kind", "must be KIND_DELIVERED, KIND_FAILED or KIND_DEFERRED");
  }
}

engine::QueueReport::Sign SignOf(fv1::AttemptReport::Sign sign) {
  switch (sign) {
    case fv1::AttemptReport::SIGN_ANSWERED:
      return engine::QueueReport::Sign::kAnswered;
    case fv1::AttemptReport::SIGN_UNREACHABLE:
      return engine::QueueReport::Sign::kUnreachable;
    default:
      return engine::QueueReport::Sign::kNone;
  }
}

engine::QueueReport::Tls TlsOf(fv1::AttemptReport::Tls tls) {
  switch (tls) {
    case fv1::AttemptReport::TLS_USED:
      return engine::QueueReport::Tls::kUsed;
    case fv1::AttemptReport::TLS_BROKEN:
      return engine::QueueReport::Tls::kBroken;
    default:
      return engine::QueueReport::Tls::kNone;
  }
}

// What goes to people, into the log and into notices.
absl::Status CheckText(absl::string_view field, absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes && IsValidUtf8(text) && !HasControlCharacter(text)) return absl::OkStatus();
  return FieldError(field, absl::StrCat("must be at most ", max_bytes, " bytes of UTF-8 without control characters"));
}

absl::StatusOr<engine::QueueOutcome> OutcomeOf(const fv1::RecipientOutcome& proto, absl::Time now) {
  engine::QueueOutcome outcome;
  outcome.number = proto.number();
  ASSIGN_OR_RETURN(outcome.kind, KindOf(proto.kind()));
  if (proto.reply_code() < 0 || proto.reply_code() > 999) return FieldError("outcomes.reply_code", "must be 0 to 999");
  RETURN_IF_ERROR(CheckText("outcomes.reply_status", proto.reply_status(), store::kMaxReplyStatusBytes));
  RETURN_IF_ERROR(CheckText("outcomes.reply_text", proto.reply_text(), store::kMaxReplyTextBytes));
  RETURN_IF_ERROR(CheckText("outcomes.reply_host", proto.reply_host(), kMaxDomainBytes));
  outcome.reply = {proto.reply_code(), proto.reply_status(), proto.reply_text(), proto.reply_host(), now};
  if (outcome.kind == engine::QueueOutcome::Kind::kDeferred && proto.has_retry_after()) {
    ASSIGN_OR_RETURN(const absl::Duration asked, FromProto("outcomes.retry_after", proto.retry_after()));
    outcome.next_attempt_time = now + std::clamp(asked, rules::kShortestAskedWait, rules::kLongestAskedWait);
  }
  return outcome;
}

}  // namespace

void ToProto(const engine::QueuedMessage& message, v1::QueuedMessage& proto) {
  proto.set_queue_id(message.id.value);
  store::ToProto(message.envelope, *proto.mutable_envelope());
  ToProto(message.queue_time, *proto.mutable_queue_time());
  ToProto(message.expire_time, *proto.mutable_expire_time());
  proto.set_size_bytes(message.size_bytes);
  proto.set_recipient_count(message.recipient_count);
  for (const engine::QueuedRecipient& recipient : message.recipients) FillRecipient(recipient, *proto.add_recipients());
}

void ToProto(const engine::QueueDestination& destination, v1::Destination& proto) {
  proto.set_name(destination.name);
  proto.set_recipient_count(destination.recipient_count);
  proto.set_in_flight_count(destination.in_flight_count);
  proto.set_window(destination.window);
  proto.set_site(destination.site);
  proto.set_site_in_flight_count(destination.site_in_flight_count);
  proto.set_site_destination_count(destination.site_destination_count);
  if (destination.paused_until != absl::InfinitePast()) {
    ToProto(destination.paused_until, *proto.mutable_paused_until());
  }
  if (destination.paced_until != absl::InfinitePast())
    ToProto(destination.paced_until, *proto.mutable_paced_until());
  if (destination.tls_broken_until != absl::InfinitePast()) {
    ToProto(destination.tls_broken_until, *proto.mutable_tls_broken_until());
  }
}

void ToProto(const engine::QueueStatus& status, v1::GetQueueStatusResponse& proto) {
  proto.set_message_count(status.message_count);
  proto.set_recipient_count(status.recipient_count);
  proto.set_in_flight_count(status.in_flight_count);
  proto.set_held_count(status.held_count);
  if (status.oldest_time != absl::InfiniteFuture()) ToProto(status.oldest_time, *proto.mutable_oldest_time());
}

absl::StatusOr<QueueFilter> FromProto(const v1::QueueFilter& proto) {
  QueueFilter filter{QueueId{proto.queue_id()}, proto.sender(), proto.recipient(), proto.destination()};
  RETURN_IF_ERROR(filter.Normalize());
  return filter;
}

absl::StatusOr<QueueAction> FromProto(v1::ChangeQueuedMessagesRequest::Action action) {
  switch (action) {
    case v1::ChangeQueuedMessagesRequest::ACTION_HOLD:
      return QueueAction::kHold;
    case v1::ChangeQueuedMessagesRequest::ACTION_RELEASE:
      return QueueAction::kRelease;
    case v1::ChangeQueuedMessagesRequest::ACTION_RETRY:
      return QueueAction::kRetry;
    case v1::ChangeQueuedMessagesRequest::ACTION_CANCEL:
      return QueueAction::kCancel;
    case v1::ChangeQueuedMessagesRequest::ACTION_BOUNCE:
      return QueueAction::kBounce;
    default:
      return FieldError("action", "must be HOLD, RELEASE, RETRY, CANCEL or BOUNCE");
  }
}

void ToProto(const engine::QueueAttempt& attempt, fv1::Attempt& proto) {
  const engine::QueuedMessage& message = attempt.message;
  proto.set_queue_id(message.id.value);
  proto.set_grant(attempt.grant.value);
  proto.set_destination(attempt.destination);
  proto.set_probe(attempt.probe);
  Envelope envelope = message.envelope;
  int32_t attempt_count = 0;
  for (const engine::QueuedRecipient& recipient : message.recipients) {
    EnvelopeRecipient& to = envelope.recipients.emplace_back();
    to.address = recipient.address;
    to.notify = recipient.notify;
    to.original_recipient = recipient.original_recipient;
    proto.add_recipient_numbers(recipient.number);
    attempt_count = std::max(attempt_count, recipient.attempt_count - 1);
  }
  store::ToProto(envelope, *proto.mutable_envelope());
  proto.set_size_bytes(message.size_bytes);
  ToProto(message.queue_time, *proto.mutable_queue_time());
  ToProto(message.expire_time, *proto.mutable_expire_time());
  proto.set_attempt_count(attempt_count);
  proto.set_tls_broken(attempt.tls_broken);
}

absl::StatusOr<engine::QueueReport> FromProto(const fv1::AttemptReport& request, absl::Time now) {
  engine::QueueReport report;
  if (request.queue_id() < 1) return FieldError("queue_id", "must be set");
  if (request.grant() < 1) return FieldError("grant", "must be set");
  report.message = QueueId{request.queue_id()};
  report.grant = engine::QueueGrant{request.grant()};
  report.sign = SignOf(request.sign());
  report.site = request.site();
  report.tls = TlsOf(request.tls());
  if (static_cast<size_t>(request.outcomes_size()) > store::kMaxAttemptRecipients) {
    return FieldError("outcomes", absl::StrCat("must be at most ", store::kMaxAttemptRecipients));
  }
  for (const fv1::RecipientOutcome& proto : request.outcomes()) {
    ASSIGN_OR_RETURN(engine::QueueOutcome outcome, OutcomeOf(proto, now));
    report.outcomes.push_back(std::move(outcome));
  }
  return report;
}

}  // namespace mailstead::stored
