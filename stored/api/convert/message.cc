#include "stored/api/convert/message.h"

#include "stored/api/convert/parsed_message.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace v1 = store::v1;

namespace {

v1::DeletionCause CauseOf(engine::DeletionCause cause) {
  switch (cause) {
    case engine::DeletionCause::kApi:
      return v1::DELETION_CAUSE_API;
    case engine::DeletionCause::kPop3:
      return v1::DELETION_CAUSE_POP3;
    case engine::DeletionCause::kRetention:
      return v1::DELETION_CAUSE_RETENTION;
  }
  return v1::DELETION_CAUSE_UNSPECIFIED;
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
  const engine::SearchedFields& searched = message.searched;
  if (!searched.known) return;
  proto.set_subject(searched.subject);
  for (const engine::SearchedAddress& from : searched.from) {
    v1::MailAddress& added = *proto.add_from_addresses();
    added.set_display_name(from.name);
    added.set_address(from.address);
  }
  proto.set_header_message_id(searched.message_id);
  if (searched.date.has_value() && IsTimestamp(*searched.date))
    ToProto(*searched.date, *proto.mutable_date());
  proto.mutable_has_attachment()->set_value(searched.has_attachment);
}

void ToProto(const engine::MessageDeletion& deletion, v1::MessageDeletion& proto) {
  ToProto(deletion.time, *proto.mutable_delete_time());
  proto.set_cause(CauseOf(deletion.cause));
  ToProto(deletion.restorable_until, *proto.mutable_restorable_until_time());
}

v1::DeliverOutcome OutcomeOf(const engine::Receipt& receipt) {
  return receipt.already_stored ? v1::DELIVER_OUTCOME_ALREADY_STORED : v1::DELIVER_OUTCOME_STORED;
}

}  // namespace mailstead::stored
