// Mail coming in.
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::store {
namespace {

// 100 bits: two of a mailbox's messages do not meet by chance.
constexpr size_t kUniqueIdChars = 20;
constexpr size_t kSha256Bytes = 32;

absl::Status CheckDelivery(const Delivery& delivery, absl::string_view sha256) {
  if (delivery.delivery_id.empty()) return FieldError("delivery_id", "must not be empty");
  if (sha256.size() != kSha256Bytes) return FieldError("sha256", "must have 32 bytes");
  if (delivery.recipients.empty()) return FieldError("recipients", "must not be empty");
  absl::flat_hash_set<MailboxId> mailboxes;
  for (const Recipient& recipient : delivery.recipients) {
    if (!mailboxes.insert(recipient.mailbox).second) {
      return FieldError("recipients", "must name each mailbox once");
    }
  }
  return absl::OkStatus();
}

class AppendChange final : public Change {
 public:
  AppendChange(const Clock& clock, Delivery delivery, std::string sha256, Done<Receipt> done)
      : clock_(clock), delivery_(std::move(delivery)), sha256_(std::move(sha256)), done_(std::move(done)) {
    // What is kept has whole microseconds, and a repeat is answered with what is kept.
    delivery_.deliver_time = absl::FromUnixMicros(absl::ToUnixMicros(delivery_.deliver_time));
    unique_ids_.reserve(delivery_.recipients.size());
    for (size_t i = 0; i < delivery_.recipients.size(); ++i) unique_ids_.push_back(RandomId(kUniqueIdChars));
  }

  void SetStaged(std::unique_ptr<StagedBody> body) { staged_ = std::move(body); }
  void SetWhole(uint64_t id, absl::string_view content) { whole_.emplace(id, content); }

  size_t size_bytes() const override {
    return (staged_ != nullptr ? staged_->memory_bytes() : whole_->memory_bytes()) +
           delivery_.recipients.size() * (sizeof(Recipient) + 64);
  }

  absl::Status Apply(Batch& batch) override {
    const std::string receipt_key = ReceiptKey(delivery_.delivery_id);
    ASSIGN_OR_RETURN(const auto before, FindRecord<ReceiptRecord>(batch, Family::kDelivery, receipt_key));
    if (before.has_value()) {
      receipt_ = {delivery_.delivery_id, true, before->sha256, before->deliver_time};
      return absl::OkStatus();
    }
    std::vector<MailboxRecord> mailboxes;
    RETURN_IF_ERROR(FindMailboxes(batch, mailboxes));
    ASSIGN_OR_RETURN(const uint64_t body, PutBody(batch));
    PutEntries(batch, body, mailboxes);
    batch.Put(Family::kDelivery, receipt_key, Encode(ReceiptRecord{sha256_, delivery_.deliver_time}));
    batch.Put(Family::kDelivery, ReceiptTimeKey(clock_.Now(), delivery_.delivery_id), "");
    receipt_ = {delivery_.delivery_id, false, sha256_, delivery_.deliver_time};
    return absl::OkStatus();
  }

  void Finish(absl::Status status) override {
    if (!status.ok()) {
      // Discarded before the caller hears of it: then its bytes are gone when it looks.
      staged_.reset();
      return std::move(done_)(std::move(status));
    }
    if (staged_ != nullptr && !receipt_.already_stored) staged_->Committed();
    staged_.reset();
    std::move(done_)(std::move(receipt_));
  }

 private:
  // All of them, before anything is written.
  absl::Status FindMailboxes(const Batch& batch, std::vector<MailboxRecord>& mailboxes) const {
    mailboxes.reserve(delivery_.recipients.size());
    for (const Recipient& recipient : delivery_.recipients) {
      ASSIGN_OR_RETURN(auto mailbox,
                       FindRecord<MailboxRecord>(batch, Family::kMailbox, MailboxKey(recipient.mailbox)));
      if (!mailbox.has_value()) {
        return absl::NotFoundError(absl::StrCat("the mailbox of ", recipient.address, " is gone"));
      }
      const bool full = (mailbox->quota_bytes > 0 && mailbox->message_bytes >= mailbox->quota_bytes) ||
                        (mailbox->quota_messages > 0 && mailbox->message_count >= mailbox->quota_messages);
      if (full) {
        return WithReason(
            absl::ResourceExhaustedError(absl::StrCat("the mailbox of ", recipient.address, " is full")),
            kReasonOverQuota);
      }
      mailboxes.push_back(*std::move(mailbox));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> PutBody(Batch& batch) {
    const uint64_t mailbox_count = delivery_.recipients.size();
    if (staged_ != nullptr) {
      RETURN_IF_ERROR(staged_->Commit(batch, mailbox_count));
      return staged_->id();
    }
    whole_->Commit(batch, mailbox_count);
    return whole_->id();
  }

  void PutEntries(Batch& batch, uint64_t body, std::vector<MailboxRecord>& mailboxes) {
    MessageRecord entry;
    entry.body = body;
    entry.size_bytes =
        delivery_.prefix.size() + (staged_ != nullptr ? staged_->size_bytes() : whole_->size_bytes());
    entry.deliver_time = delivery_.deliver_time;
    entry.delivery_id = delivery_.delivery_id;
    entry.reverse_path = delivery_.reverse_path;
    entry.sha256 = sha256_;
    entry.prefix = delivery_.prefix;
    entry.dsn_ret = delivery_.dsn_ret;
    entry.dsn_envid = delivery_.dsn_envid;
    for (size_t i = 0; i < mailboxes.size(); ++i) {
      const Recipient& recipient = delivery_.recipients[i];
      MailboxRecord& mailbox = mailboxes[i];
      entry.unique_id = unique_ids_[i];
      entry.recipient = recipient.address;
      const MessageId id{mailbox.next_message++};
      batch.Put(Family::kMessage, MessageKey(recipient.mailbox, id), Encode(entry));
      ++mailbox.message_count;
      mailbox.message_bytes += entry.size_bytes;
      batch.Put(Family::kMailbox, MailboxKey(recipient.mailbox), Encode(mailbox));
      ++batch.counters().message_count;
      batch.counters().message_bytes += entry.size_bytes;
    }
  }

  const Clock& clock_;
  Delivery delivery_;
  const std::string sha256_;
  Done<Receipt> done_;
  std::vector<std::string> unique_ids_;
  // One of the two.
  std::unique_ptr<StagedBody> staged_;
  std::optional<WholeBody> whole_;
  Receipt receipt_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BodyWriter>> RocksDbEngine::NewBody() {
  RETURN_IF_ERROR(health_.CheckSpace());
  return std::make_unique<StagedBody>(*database_, health_);
}

void RocksDbEngine::AppendDelivery(Delivery delivery, std::unique_ptr<BodyWriter> body, std::string sha256,
                                   Done<Receipt> done) {
  absl::Status status = CheckDelivery(delivery, sha256);
  if (status.ok()) status = health_.CheckSpace();
  if (!status.ok()) {
    body.reset();
    return std::move(done)(std::move(status));
  }
  auto change =
      std::make_unique<AppendChange>(clock_, std::move(delivery), std::move(sha256), std::move(done));
  // Every body writer of this engine was made by NewBody.
  std::unique_ptr<StagedBody> staged(static_cast<StagedBody*>(body.release()));
  staged->Seal();
  change->SetStaged(std::move(staged));
  writer_->Submit(std::move(change));
}

void RocksDbEngine::AppendDelivery(Delivery delivery, std::string content, std::string sha256,
                                   Done<Receipt> done) {
  absl::Status status = CheckDelivery(delivery, sha256);
  if (status.ok()) status = health_.CheckSpace();
  if (!status.ok()) return std::move(done)(std::move(status));
  auto change =
      std::make_unique<AppendChange>(clock_, std::move(delivery), std::move(sha256), std::move(done));
  change->SetWhole(database_->NextId(), content);
  writer_->Submit(std::move(change));
}

}  // namespace mailstead::store
