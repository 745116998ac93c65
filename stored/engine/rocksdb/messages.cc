// Mail coming in, and messages on their way out.
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/deletions.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"
#include "stored/rules/directory.h"
#include "stored/rules/new_message.h"
#include "stored/rules/receipt.h"

namespace mailstead::engine {
namespace {

// 100 bits: two of a mailbox's messages do not meet by chance.
constexpr size_t kUniqueIdChars = 20;
// A body up to here is packed on the caller's thread: to change threads would cost more.
constexpr size_t kPackedAtOnceBytes = 16 << 10;
// Entries listed at once on the caller's thread, when they are in memory.
constexpr size_t kFewEntries = 32;
// Receipts of a store before schema version 3 have no scope: they may have been either's.
constexpr absl::string_view kScopesOfOldReceipts[] = {"smtp", "operator"};

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

class AppendChange final : public Change {
 public:
  AppendChange(RocksDbShared& shared, NewMessage message) : shared_(shared), message_(std::move(message)) {
    unique_ids_.reserve(message_.copies.size());
    for (const NewCopy& copy : message_.copies) {
      unique_ids_.push_back(RandomId(kUniqueIdChars));
      copies_bytes_ += copy.prefix.size() + copy.recipients.size() * sizeof(int32_t);
    }
  }

  const NewMessage& message() const { return message_; }
  void SetStaged(std::unique_ptr<StagedBody> body, int64_t content_bytes) {
    staged_ = std::move(body);
    content_bytes_ = content_bytes;
  }
  void SetWhole(std::string content) {
    content_bytes_ = static_cast<int64_t>(content.size());
    content += message_.trace;
    whole_.emplace(shared_.database().NextId(), content);
  }

  // For each mailbox its record is read and written, and an entry.
  size_t record_count() const override { return 8 + 3 * message_.copies.size(); }
  size_t size_bytes() const override {
    return (staged_ != nullptr ? staged_->memory_bytes() : whole_->memory_bytes()) +
           message_.copies.size() * (sizeof(NewCopy) + 64) + copies_bytes_;
  }

  absl::Status Apply(Batch& batch) override {
    const std::string& scope = message_.delivery_scope;
    const std::string& delivery_id = message_.envelope.delivery_id;
    ASSIGN_OR_RETURN(const auto before, FindReceipt(shared_, batch, scope, delivery_id));
    ASSIGN_OR_RETURN(const auto repeated, rules::DecideRepeat(before, message_));
    if (repeated.has_value()) {
      receipt_ = *repeated;
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(message_.refusal);
    left_out_.clear();
    std::vector<rules::Mailbox> mailboxes;
    std::vector<MessageId> ids;
    RETURN_IF_ERROR(FindMailboxes(batch, mailboxes, ids));
    ASSIGN_OR_RETURN(const int64_t body, PutBody(batch));
    PutEntries(batch, body, mailboxes, ids);
    const rules::KeptReceipt receipt = rules::ReceiptOf(message_);
    PutReceipt(shared_, batch, scope, delivery_id, receipt);
    receipt_ = {false, receipt.sha256, receipt.deliver_time, left_out_};
    return absl::OkStatus();
  }

  // Behind done().
  Receipt TakeReceipt() {
    if (staged_ != nullptr && !receipt_.already_stored) staged_->Committed();
    return std::move(receipt_);
  }

 private:
  // All of them, before anything is written.
  absl::Status FindMailboxes(const Batch& batch, std::vector<rules::Mailbox>& mailboxes,
                             std::vector<MessageId>& ids) {
    mailboxes.reserve(message_.copies.size());
    ids.resize(message_.copies.size());
    for (size_t i = 0; i < message_.copies.size(); ++i) {
      const NewCopy& copy = message_.copies[i];
      ASSIGN_OR_RETURN(auto mailbox,
                       FindRecord<rules::Mailbox>(batch, Family::kMailbox, MailboxKey(copy.account)));
      const std::string& address = rules::AddressOf(message_, copy);
      if (!mailbox.has_value()) return rules::NoMailbox(address);
      if (rules::NeverTakes(mailbox->quota_bytes, content_bytes_)) {
        left_out_.push_back(i);
      } else {
        if (!message_.room_promised) RETURN_IF_ERROR(rules::CheckRoom(*mailbox, address));
        ASSIGN_OR_RETURN(ids[i], rules::ChooseMessageId(*mailbox, copy.id));
      }
      mailboxes.push_back(*std::move(mailbox));
    }
    return rules::CheckLeftOut(message_, left_out_);
  }

  absl::StatusOr<int64_t> PutBody(Batch& batch) {
    const int64_t mailbox_count = static_cast<int64_t>(message_.copies.size() - left_out_.size());
    if (staged_ != nullptr) {
      RETURN_IF_ERROR(staged_->Commit(batch, mailbox_count));
      return staged_->id();
    }
    whole_->Commit(batch, mailbox_count);
    return whole_->id();
  }

  void PutEntries(Batch& batch, int64_t body, std::vector<rules::Mailbox>& mailboxes,
                  const std::vector<MessageId>& ids) {
    auto next_left_out = left_out_.begin();
    for (size_t i = 0; i < mailboxes.size(); ++i) {
      if (next_left_out != left_out_.end() && *next_left_out == i) {
        ++next_left_out;
        continue;
      }
      const NewCopy& copy = message_.copies[i];
      const MessageRecord record{body, rules::EntryOf(message_, copy, content_bytes_, unique_ids_[i])};
      const int64_t size_bytes = record.entry.size_bytes();
      rules::Add(mailboxes[i], ids[i], size_bytes);
      batch.Put(Family::kMessage, MessageKey(copy.account, ids[i]), Encode(record));
      batch.Put(Family::kMailbox, MailboxKey(copy.account), Encode(mailboxes[i]));
      ++batch.counters().message_count;
      batch.counters().message_bytes += size_bytes;
    }
  }

  RocksDbShared& shared_;
  const NewMessage message_;
  std::vector<std::string> unique_ids_;
  // What the copies hold beside the message.
  size_t copies_bytes_ = 0;
  int64_t content_bytes_ = 0;
  // Copies that are not stored (rules::NeverTakes).
  std::vector<size_t> left_out_;
  // One of the two.
  std::unique_ptr<StagedBody> staged_;
  std::optional<WholeBody> whole_;
  Receipt receipt_;
};

// By the operator, of a maildrop that nobody holds.
class DeleteChange final : public DeletingChange {
 public:
  using DeletingChange::DeletingChange;

 private:
  absl::StatusOr<bool> Decide(const Batch& batch, const rules::Mailbox* mailbox) override {
    if (mailbox == nullptr) return rules::NoAccount(absl::StrCat(account().value));
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(batch, shared().leases(), account()));
    if (rules::IsHeld(lock)) return rules::InUse();
    return true;
  }
  bool Finish(Batch&, rules::Mailbox&) override { return false; }
};

}  // namespace

Task<absl::StatusOr<std::unique_ptr<BodyWriter>>> RocksDbMessages::NewBody() {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  co_return std::make_unique<StagedBody>(shared_.database(), shared_.health(), shared_.readers());
}

Task<absl::StatusOr<Receipt>> RocksDbMessages::Append(NewMessage message, Content content) {
  CO_RETURN_IF_ERROR(rules::Check(message));
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  AppendChange change(shared_, std::move(message));
  const bool at_once = content.staged == nullptr && content.whole.size() <= kPackedAtOnceBytes;
  if (!at_once && !co_await shared_.readers().Enter()) co_return Readers::TooMany();
  absl::Status sealed;
  if (content.staged != nullptr) {
    // Every body writer of this engine was made by NewBody.
    std::unique_ptr<StagedBody> staged(static_cast<StagedBody*>(content.staged.release()));
    const int64_t content_bytes = staged->size_bytes();
    sealed = staged->Seal(change.message().trace);
    change.SetStaged(std::move(staged), content_bytes);
  } else {
    change.SetWhole(std::move(content.whole));
  }
  if (!sealed.ok()) {
    co_await shared_.readers().Leave();
    co_return sealed;
  }
  absl::Status committed = co_await shared_.writer().Commit(change);
  // A refusal comes at once, on whatever thread this is; a commit on the executor.
  if (!at_once && !committed.ok()) co_await shared_.readers().Leave();
  CO_RETURN_IF_ERROR(committed);
  co_return change.TakeReceipt();
}

Task<absl::StatusOr<Settlement>> RocksDbMessages::Settle(std::string delivery_scope,
                                                         std::string delivery_id) {
  Settlement settlement;
  // Behind every Append that waits already: the writer takes changes in order.
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const auto before, FindReceipt(shared_, batch, delivery_scope, delivery_id));
    settlement = rules::DecideSettlement(before);
    if (!before.has_value()) {
      PutReceipt(shared_, batch, delivery_scope, delivery_id, rules::VoidReceipt(shared_.clock().Now()));
    }
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return settlement;
}

Task<absl::StatusOr<std::vector<MessageSummary>>> RocksDbMessages::List(AccountId account, MessageId after,
                                                                        size_t limit) {
  const auto read = [=](const Database::Use& use) -> absl::StatusOr<std::vector<MessageSummary>> {
    std::vector<MessageSummary> messages;
    std::string bytes;
    ASSIGN_OR_RETURN(const bool exists, use.Find(Family::kMailbox, MailboxKey(account), bytes));
    if (!exists) return rules::NoAccount(absl::StrCat(account.value));
    if (limit == 0 || after.value == std::numeric_limits<int64_t>::max()) return messages;
    RETURN_IF_ERROR(ScanMessages(use, account, MessageId{after.value + 1}, 0,
                                 [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
                                   MessageRecord record;
                                   RETURN_IF_ERROR(Decode(value, record));
                                   messages.push_back(rules::SummaryOf(message, record.entry));
                                   return messages.size() < limit;
                                 }));
    return messages;
  };
  if (limit <= kFewEntries) co_return co_await shared_.InMemoryFirst(read);
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::unique_ptr<MessageReader>>> RocksDbMessages::Open(AccountId account,
                                                                           MessageId message) {
  const auto read = [=, this](const Database::Use& use) -> absl::StatusOr<std::unique_ptr<MessageReader>> {
    ASSIGN_OR_RETURN(OpenedMessage opened,
                     OpenMessage(use, shared_.database(), shared_.readers(), account, message));
    return std::move(opened.reader);
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<DeletedMessages>> RocksDbMessages::Delete(AccountId account,
                                                              std::vector<MessageId> messages) {
  DeleteChange change(shared_, account, std::move(messages));
  CO_RETURN_IF_ERROR(co_await change.Run());
  co_return DeletedMessages{change.deleted_count(), change.TakeMissing()};
}

}  // namespace mailstead::engine
