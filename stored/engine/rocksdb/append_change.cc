#include "stored/engine/rocksdb/append_change.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/expiry.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/queue_step.h"
#include "stored/engine/rocksdb/submission_records.h"
#include "stored/rules/new_message.h"
#include "stored/rules/submission.h"

namespace mailstead::engine {
namespace {

// 100 bits: two of a mailbox's messages do not meet by chance.
constexpr size_t kUniqueIdChars = 20;
// Receipts of a store before schema version 3 have no scope: they may have been either's.
constexpr absl::string_view kScopesOfOldReceipts[] = {"smtp", "operator"};
// What a recipient in the queue costs: its record, its place in an index, its destination and that one's place; or what the
// mailbox keeps that it waits for.
constexpr size_t kRecordsOfQueued = 5;

}  // namespace

absl::StatusOr<std::optional<rules::KeptReceipt>> FindReceipt(RocksDbShared& shared, const Batch& batch,
                                                              const std::string& scope,
                                                              const std::string& delivery_id) {
  ASSIGN_OR_RETURN(auto receipt,
                   FindRecord<rules::KeptReceipt>(batch, Family::kDelivery, ReceiptKey(scope, delivery_id)));
  if (receipt.has_value() || !shared.database().has_old_receipts()) return receipt;
  for (const absl::string_view old_scope : kScopesOfOldReceipts) {
    if (scope != old_scope) continue;
    return FindRecord<rules::KeptReceipt>(batch, Family::kDelivery, OldReceiptKey(delivery_id));
  }
  return receipt;
}

void PutReceipt(RocksDbShared& shared, Batch& batch, const std::string& scope, const std::string& delivery_id,
                const rules::KeptReceipt& receipt) {
  batch.Put(Family::kDelivery, ReceiptKey(scope, delivery_id), Encode(receipt));
  batch.Put(Family::kDelivery, ReceiptTimeKey(shared.clock().Now(), scope, delivery_id), "");
}

AppendChange::AppendChange(RocksDbShared& shared, NewMessage message)
    : shared_(shared), message_(std::move(message)) {
  unique_ids_.reserve(message_.copies.size());
  for (const NewCopy& copy : message_.copies) {
    unique_ids_.push_back(RandomId(kUniqueIdChars));
    copies_bytes_ += copy.prefix.size() + copy.recipients.size() * sizeof(int32_t);
  }
  for (const NewQueuedRecipient& queued : message_.queued.recipients) {
    copies_bytes_ += sizeof(queued) + queued.address.size() + queued.destination.size();
  }
}

void AppendChange::SetStaged(std::unique_ptr<StagedBody> body, int64_t content_bytes) {
  staged_ = std::move(body);
  content_bytes_ = content_bytes;
}

void AppendChange::SetWhole(std::string content) {
  content_bytes_ = static_cast<int64_t>(content.size());
  content += message_.trace;
  whole_.emplace(shared_.database().NextId(), content);
}

void AppendChange::AddNotice(NewNotice notice) {
  Notice& added = notices_.emplace_back();
  if (rules::Check(notice.message).ok()) {
    added.change = std::make_unique<AppendChange>(shared_, std::move(notice.message));
    added.change->SetWhole(std::move(notice.content));
  }
  added.copies = std::move(notice.copies);
}

// For each mailbox its record is read and written, an entry, and a change; and the end of the message's own retention.
size_t AppendChange::record_count() const {
  const size_t of_mailbox = message_.retention > absl::ZeroDuration() ? 5 : 4;
  size_t count =
      9 + of_mailbox * message_.copies.size() + kRecordsOfQueued * message_.queued.recipients.size();
  for (const Notice& notice : notices_) {
    if (notice.change != nullptr) count += notice.change->record_count();
  }
  if (message_.submission != nullptr) count += kRecordsOfSubmission;
  return count;
}

size_t AppendChange::size_bytes() const {
  size_t bytes = (staged_ != nullptr ? staged_->memory_bytes() : whole_->memory_bytes()) +
                 message_.copies.size() * (sizeof(NewCopy) + 64) + copies_bytes_;
  for (const Notice& notice : notices_) {
    if (notice.change != nullptr) bytes += notice.change->size_bytes();
  }
  return bytes;
}

absl::Status AppendChange::Apply(Batch& batch) {
  const std::string& scope = message_.delivery_scope;
  const std::string& delivery_id = message_.envelope.delivery_id;
  ASSIGN_OR_RETURN(const auto before, FindReceipt(shared_, batch, scope, delivery_id));
  ASSIGN_OR_RETURN(const auto repeated, rules::DecideRepeat(before, message_));
  if (repeated.has_value()) {
    receipt_ = *repeated;
    return absl::OkStatus();
  }
  if (message_.submission != nullptr) {
    ASSIGN_OR_RETURN(const auto kept,
                     FindRecord<Submission>(batch, Family::kQueue, SubmissionKey(delivery_id)));
    if (kept.has_value()) {
      ASSIGN_OR_RETURN(receipt_, rules::DecideRepeat(*kept, message_));
      return absl::OkStatus();
    }
  }
  RETURN_IF_ERROR(message_.refusal);
  waiting_.clear();
  std::vector<std::optional<rules::Mailbox>> mailboxes;
  std::vector<MessageId> ids;
  RETURN_IF_ERROR(FindMailboxes(batch, mailboxes, ids));
  if (message_.submission != nullptr) RETURN_IF_ERROR(PutSubmitted(batch));
  ASSIGN_OR_RETURN(const int64_t body, PutBody(batch));
  PutEntries(batch, body, mailboxes, ids);
  RETURN_IF_ERROR(PutQueued(batch, body));
  const rules::KeptReceipt receipt = rules::ReceiptOf(message_);
  PutReceipt(shared_, batch, scope, delivery_id, receipt);
  receipt_ = {false, receipt.sha256, receipt.deliver_time, {}, {}};
  for (const rules::Waiting& waits : waiting_) receipt_.waiting.push_back(waits.copy);
  return PutNotices(batch);
}

Receipt AppendChange::TakeReceipt() {
  if (staged_ != nullptr && !receipt_.already_stored) staged_->Committed();
  return std::move(receipt_);
}

absl::Status AppendChange::FindMailboxes(const Batch& batch,
                                         std::vector<std::optional<rules::Mailbox>>& mailboxes,
                                         std::vector<MessageId>& ids) {
  mailboxes.reserve(message_.copies.size());
  ids.resize(message_.copies.size());
  for (size_t i = 0; i < message_.copies.size(); ++i) {
    const NewCopy& copy = message_.copies[i];
    ASSIGN_OR_RETURN(auto mailbox,
                     FindRecord<rules::Mailbox>(batch, Family::kMailbox, MailboxKey(copy.account)));
    const std::optional<Obstacle> obstacle =
        rules::ObstacleOf(message_, copy, mailbox.has_value() ? &*mailbox : nullptr, content_bytes_);
    if (obstacle.has_value()) {
      waiting_.push_back({i, *obstacle});
    } else {
      ASSIGN_OR_RETURN(ids[i], rules::ChooseMessageId(*mailbox, copy.id));
    }
    mailboxes.push_back(std::move(mailbox));
  }
  return rules::CheckWaiting(message_, waiting_);
}

absl::StatusOr<int64_t> AppendChange::PutBody(Batch& batch) {
  const bool is_queued = !message_.queued.recipients.empty() || !waiting_.empty();
  const int64_t mailbox_count =
      static_cast<int64_t>(message_.copies.size() - waiting_.size()) + (is_queued ? 1 : 0);
  if (staged_ != nullptr) {
    RETURN_IF_ERROR(staged_->Commit(batch, mailbox_count));
    return staged_->id();
  }
  whole_->Commit(batch, mailbox_count);
  return whole_->id();
}

void AppendChange::PutEntries(Batch& batch, int64_t body,
                              std::vector<std::optional<rules::Mailbox>>& mailboxes,
                              const std::vector<MessageId>& ids) {
  auto next_waiting = waiting_.begin();
  for (size_t i = 0; i < mailboxes.size(); ++i) {
    if (next_waiting != waiting_.end() && next_waiting->copy == i) {
      ++next_waiting;
      continue;
    }
    const NewCopy& copy = message_.copies[i];
    const MessageRecord record{body, rules::EntryOf(message_, copy, content_bytes_, unique_ids_[i])};
    const int64_t size_bytes = record.entry.size_bytes();
    rules::Add(*mailboxes[i], ids[i], size_bytes);
    batch.Put(Family::kMessage, MessageKey(copy.account, ids[i]), Encode(record));
    batch.Put(Family::kMailbox, MailboxKey(copy.account), Encode(*mailboxes[i]));
    NoteRetention(batch, copy.account, ids[i], record.entry);
    batch.Note({.kind = ChangeKind::kDelivered,
                .account = copy.account,
                .time = shared_.clock().Now(),
                .message = ids[i]});
    ++batch.counters().message_count;
    batch.counters().message_bytes += size_bytes;
  }
}

absl::Status AppendChange::PutSubmitted(Batch& batch) {
  const bool is_queued = !message_.queued.recipients.empty() || !waiting_.empty();
  // The next one is its own.
  const QueueId queue_id{is_queued ? batch.counters().next_queued : 0};
  ASSIGN_OR_RETURN(const Submission submission,
                   rules::SubmissionOf(message_, waiting_, queue_id, shared_.clock().Now()));
  return PutSubmission(batch, submission, message_.submission->most_kept);
}

absl::Status AppendChange::PutQueued(Batch& batch, int64_t body) {
  if (message_.queued.recipients.empty() && waiting_.empty()) return absl::OkStatus();
  std::vector<QueueStep::WaitingCopy> copies;
  for (const rules::Waiting& waits : waiting_) {
    copies.push_back({waits, rules::EntryOf(message_, message_.copies[waits.copy], content_bytes_,
                                            unique_ids_[waits.copy])});
  }
  QueueStep step(shared_, batch);
  RETURN_IF_ERROR(step.Enqueue(message_, body, content_bytes_, copies));
  return step.Finish();
}

absl::Status AppendChange::PutNotices(Batch& batch) {
  for (size_t i = 0; i < notices_.size(); ++i) {
    const Notice& notice = notices_[i];
    if (notice.change != nullptr && !rules::SaysTooMuch(notice.copies, receipt_.waiting)) {
      const absl::Status stored = notice.change->Apply(batch);
      if (stored.ok()) continue;
      // What nobody takes does not keep the message out; what cannot be written does.
      if (!rules::IsRefusal(stored)) return stored;
    }
    receipt_.notices_left_out.push_back(i);
  }
  return absl::OkStatus();
}

}  // namespace mailstead::engine
