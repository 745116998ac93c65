#include "stored/api/convert/message.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// RFC 3461 section 4.1: NEVER alone, or a list of the others.
absl::StatusOr<DsnNotify> NotifyOf(const v1::EnvelopeRecipient& recipient, const std::string& field) {
  DsnNotify notify;
  bool never = false;
  for (const int wish : recipient.dsn_notify()) {
    notify.given = true;
    switch (wish) {
      case v1::DSN_NOTIFY_NEVER:
        never = true;
        break;
      case v1::DSN_NOTIFY_SUCCESS:
        notify.success = true;
        break;
      case v1::DSN_NOTIFY_FAILURE:
        notify.failure = true;
        break;
      case v1::DSN_NOTIFY_DELAY:
        notify.delay = true;
        break;
      default:
        return FieldError(field, "must have NEVER, SUCCESS, FAILURE or DELAY");
    }
  }
  if (never && (notify.success || notify.failure || notify.delay)) {
    return FieldError(field, "must be NEVER alone or a list of SUCCESS, FAILURE, DELAY");
  }
  return notify;
}

absl::StatusOr<DsnReturn> FromProto(v1::DsnReturn dsn_return) {
  switch (dsn_return) {
    case v1::DSN_RETURN_UNSPECIFIED:
      return DsnReturn::kUnspecified;
    case v1::DSN_RETURN_FULL:
      return DsnReturn::kFull;
    case v1::DSN_RETURN_HEADERS:
      return DsnReturn::kHeaders;
    default:
      return FieldError("envelope.dsn_return", "must be DSN_RETURN_FULL or DSN_RETURN_HEADERS");
  }
}

}  // namespace

void ToProto(const engine::MessageSummary& message, v1::MessageSummary& proto) {
  proto.set_message_id(message.id.value);
  proto.set_unique_id(message.unique_id);
  proto.set_size_bytes(message.size_bytes);
  ToProto(message.deliver_time, *proto.mutable_deliver_time());
  proto.set_delivery_id(message.delivery_id);
  proto.set_reverse_path(message.reverse_path);
  for (const EnvelopeRecipient& recipient : message.recipients) proto.add_recipients(recipient.address);
  proto.set_sha256(message.sha256);
  proto.set_content_size_bytes(message.content_bytes);
}

v1::DeliverOutcome OutcomeOf(const engine::Receipt& receipt) {
  return receipt.already_stored ? v1::DELIVER_OUTCOME_ALREADY_STORED : v1::DELIVER_OUTCOME_STORED;
}

absl::StatusOr<Envelope> FromProto(const v1::Envelope& envelope) {
  Envelope result;
  result.delivery_id = envelope.delivery_id();
  result.reverse_path = envelope.reverse_path();
  result.recipients.reserve(envelope.recipients_size());
  for (const v1::EnvelopeRecipient& recipient : envelope.recipients()) {
    EnvelopeRecipient& entry = result.recipients.emplace_back();
    entry.address = recipient.address();
    entry.original_recipient = recipient.dsn_original_recipient();
    if (recipient.dsn_notify().empty()) continue;
    ASSIGN_OR_RETURN(entry.notify,
                     NotifyOf(recipient, absl::StrCat("envelope.recipients[", result.recipients.size() - 1,
                                                      "].dsn_notify")));
  }
  ASSIGN_OR_RETURN(result.dsn_return, FromProto(envelope.dsn_return()));
  result.dsn_envelope_id = envelope.dsn_envelope_id();
  result.eight_bit_mime = envelope.eight_bit_mime();
  result.smtputf8 = envelope.smtputf8();
  result.require_tls = envelope.require_tls();
  return result;
}

}  // namespace mailstead::stored
