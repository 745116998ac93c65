#include "common/store/envelope_convert.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::store {
namespace {

void FillNotify(const DsnNotify& notify, v1::EnvelopeRecipient& to) {
  if (!notify.given) return;
  if (notify.success) to.add_dsn_notify(v1::DSN_NOTIFY_SUCCESS);
  if (notify.failure) to.add_dsn_notify(v1::DSN_NOTIFY_FAILURE);
  if (notify.delay) to.add_dsn_notify(v1::DSN_NOTIFY_DELAY);
  // NEVER stands alone (RFC 3461 section 4.1).
  if (to.dsn_notify().empty()) to.add_dsn_notify(v1::DSN_NOTIFY_NEVER);
}

v1::DsnReturn ToProto(DsnReturn dsn_return) {
  switch (dsn_return) {
    case DsnReturn::kFull:
      return v1::DSN_RETURN_FULL;
    case DsnReturn::kHeaders:
      return v1::DSN_RETURN_HEADERS;
    case DsnReturn::kUnspecified:
      break;
  }
  return v1::DSN_RETURN_UNSPECIFIED;
}

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

void ToProto(const Envelope& envelope, v1::Envelope& to) {
  to.set_delivery_id(envelope.delivery_id);
  to.set_reverse_path(envelope.reverse_path);
  to.mutable_recipients()->Reserve(static_cast<int>(envelope.recipients.size()));
  for (const EnvelopeRecipient& recipient : envelope.recipients) {
    v1::EnvelopeRecipient& message = *to.add_recipients();
    message.set_address(recipient.address);
    FillNotify(recipient.notify, message);
    message.set_dsn_original_recipient(recipient.original_recipient);
  }
  to.set_dsn_return(ToProto(envelope.dsn_return));
  to.set_dsn_envelope_id(envelope.dsn_envelope_id);
  to.set_eight_bit_mime(envelope.eight_bit_mime);
  to.set_smtputf8(envelope.smtputf8);
  to.set_require_tls(envelope.require_tls);
}

absl::StatusOr<Envelope> FromProto(const v1::Envelope& envelope) {
  Envelope result;
  Violations wrong;
  result.delivery_id = envelope.delivery_id();
  result.reverse_path = envelope.reverse_path();
  result.recipients.reserve(envelope.recipients_size());
  for (const v1::EnvelopeRecipient& recipient : envelope.recipients()) {
    EnvelopeRecipient& entry = result.recipients.emplace_back();
    entry.address = recipient.address();
    entry.original_recipient = recipient.dsn_original_recipient();
    if (recipient.dsn_notify().empty()) continue;
    entry.notify = wrong.Take(NotifyOf(
        recipient, absl::StrCat("envelope.recipients[", result.recipients.size() - 1, "].dsn_notify")));
  }
  result.dsn_return = wrong.Take(FromProto(envelope.dsn_return()));
  RETURN_IF_ERROR(wrong.Result());
  result.dsn_envelope_id = envelope.dsn_envelope_id();
  result.eight_bit_mime = envelope.eight_bit_mime();
  result.smtputf8 = envelope.smtputf8();
  result.require_tls = envelope.require_tls();
  return result;
}

}  // namespace mailstead::store
