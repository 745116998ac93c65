#include "stored/api/convert/watch.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "stored/api/convert/message.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using engine::ChangeKind;

v1::WatchDeleted::Cause CauseOf(engine::DeletionCause cause) {
  switch (cause) {
    case engine::DeletionCause::kApi:
      return v1::WatchDeleted::CAUSE_API;
    case engine::DeletionCause::kPop3:
      return v1::WatchDeleted::CAUSE_POP3;
    case engine::DeletionCause::kRetention:
      return v1::WatchDeleted::CAUSE_RETENTION;
  }
  return v1::WatchDeleted::CAUSE_UNSPECIFIED;
}

v1::WatchAccountChanged::Change ChangeOf(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kAccountCreated:
      return v1::WatchAccountChanged::CHANGE_CREATED;
    case ChangeKind::kAccountUpdated:
      return v1::WatchAccountChanged::CHANGE_UPDATED;
    case ChangeKind::kAccountRenamed:
      return v1::WatchAccountChanged::CHANGE_RENAMED;
    case ChangeKind::kAccountDisabled:
      return v1::WatchAccountChanged::CHANGE_DISABLED;
    case ChangeKind::kAccountEnabled:
      return v1::WatchAccountChanged::CHANGE_ENABLED;
    case ChangeKind::kAccountRemoved:
      return v1::WatchAccountChanged::CHANGE_REMOVED;
    default:
      return v1::WatchAccountChanged::CHANGE_UNSPECIFIED;
  }
}

v1::SubmissionEvent::Outcome OutcomeOf(engine::SubmissionNews::Kind kind) {
  switch (kind) {
    case engine::SubmissionNews::Kind::kDelivered:
      return v1::SubmissionEvent::OUTCOME_DELIVERED;
    case engine::SubmissionNews::Kind::kFailed:
      return v1::SubmissionEvent::OUTCOME_FAILED;
    case engine::SubmissionNews::Kind::kDeferred:
      return v1::SubmissionEvent::OUTCOME_DEFERRED;
    case engine::SubmissionNews::Kind::kCancelled:
      return v1::SubmissionEvent::OUTCOME_CANCELLED;
    case engine::SubmissionNews::Kind::kBounced:
      return v1::SubmissionEvent::OUTCOME_BOUNCED;
    case engine::SubmissionNews::Kind::kDelayed:
      return v1::SubmissionEvent::OUTCOME_DELAYED;
  }
  return v1::SubmissionEvent::OUTCOME_UNSPECIFIED;
}

void ToProto(engine::SubmissionNews outcome, v1::SubmissionEvent& event) {
  event.set_submission_id(std::move(outcome.submission_id));
  event.set_recipient(std::move(outcome.recipient));
  event.set_outcome(OutcomeOf(outcome.kind));
  event.set_reply_code(outcome.reply_code);
  event.set_reply_status(std::move(outcome.reply_status));
  event.set_reply_text(std::move(outcome.reply_text));
}

}  // namespace

void ToProto(engine::FeedChange change, v1::WatchEvent& event) {
  ToProto(change.time, *event.mutable_time());
  if (change.account.value != 0) event.set_account_id(absl::StrCat(change.account.value));
  event.set_address(std::move(change.current_address));
  switch (change.kind) {
    case ChangeKind::kDelivered: {
      v1::WatchDelivered& delivered = *event.mutable_delivered();
      delivered.set_message_id(change.message.value);
      if (change.summary.has_value())
        ToProto(*change.summary, *delivered.mutable_message()->mutable_summary());
      return;
    }
    case ChangeKind::kDeleted: {
      v1::WatchDeleted& deleted = *event.mutable_deleted();
      deleted.set_cause(CauseOf(change.cause));
      for (const MessageId message : change.deleted) deleted.add_message_ids(message.value);
      return;
    }
    case ChangeKind::kRestored:
      for (const MessageId message : change.restored) {
        event.mutable_restored()->add_message_ids(message.value);
      }
      return;
    case ChangeKind::kEmptied:
      event.mutable_deleted()->set_cause(v1::WatchDeleted::CAUSE_ACCOUNT_REMOVED);
      event.mutable_deleted()->set_all(true);
      return;
    case ChangeKind::kSubmission:
      return ToProto(std::move(change.submission), *event.mutable_submission());
    default: {
      v1::WatchAccountChanged& changed = *event.mutable_account_changed();
      changed.set_change(ChangeOf(change.kind));
      changed.set_address(std::move(change.address));
      changed.set_old_address(std::move(change.old_address));
    }
  }
}

}  // namespace mailstead::stored
