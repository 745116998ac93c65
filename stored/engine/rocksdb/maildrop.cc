// Maildrops: the lock of a mailbox under a front-end's lease (RFC 1939 section 4), and the deletions of its
// UPDATE state.
#include <memory>
#include <optional>
#include <utility>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::store {
namespace {

absl::Status Fenced() {
  return WithReason(absl::AbortedError("the lock of the maildrop was lost"), kReasonFenced);
}

absl::Status InUse() {
  return WithReason(absl::AbortedError("the maildrop is in use"), kReasonMaildropInUse);
}

class CommitChange final : public Change {
 public:
  CommitChange(const LeaseTable& leases, MailboxId mailbox, LeaseToken token,
               std::vector<MessageId> deletions, DoneStatus done)
      : leases_(leases),
        mailbox_(mailbox),
        token_(token),
        deletions_(std::move(deletions)),
        done_(std::move(done)) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = MailboxKey(mailbox_);
    ASSIGN_OR_RETURN(auto record, FindRecord<MailboxRecord>(batch, Family::kMailbox, key));
    if (!record.has_value()) return Fenced();
    if (token_.value != 0 && record->last_committed_token == token_) return absl::OkStatus();
    ASSIGN_OR_RETURN(const auto lock, FindRecord<LockRecord>(batch, Family::kLock, key));
    const bool holds = lock.has_value() && lock->token == token_ &&
                       leases_.StateOf(lock->lease_id, lock->lease_number) != LeaseTable::State::kGone;
    if (!holds) return Fenced();
    ASSIGN_OR_RETURN(deleted_count_, DeleteEntries(batch, mailbox_, *record, deletions_));
    record->last_committed_token = token_;
    batch.Put(Family::kMailbox, key, Encode(*record));
    batch.Delete(Family::kLock, key);
    return absl::OkStatus();
  }

  void Finish(absl::Status status) override { std::move(done_)(std::move(status)); }

  // Where nothing was deleted nothing can be lost but the unlocking, which the end of the lease does as well.
  bool needs_sync() const override { return deleted_count_ > 0; }
  size_t size_bytes() const override { return deletions_.size() * sizeof(MessageId); }

 private:
  const LeaseTable& leases_;
  const MailboxId mailbox_;
  const LeaseToken token_;
  const std::vector<MessageId> deletions_;
  DoneStatus done_;
  uint64_t deleted_count_ = 0;
};

class ReleaseChange final : public Change {
 public:
  ReleaseChange(MailboxId mailbox, LeaseToken token, DoneStatus done)
      : mailbox_(mailbox), token_(token), done_(std::move(done)) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = MailboxKey(mailbox_);
    ASSIGN_OR_RETURN(const auto lock, FindRecord<LockRecord>(batch, Family::kLock, key));
    if (lock.has_value() && lock->token == token_) batch.Delete(Family::kLock, key);
    return absl::OkStatus();
  }
  void Finish(absl::Status status) override { std::move(done_)(std::move(status)); }
  bool needs_sync() const override { return false; }

 private:
  const MailboxId mailbox_;
  const LeaseToken token_;
  DoneStatus done_;
};

}  // namespace

class OpenChange final : public Change {
 public:
  OpenChange(RocksDbEngine& engine, MailboxId mailbox, absl::string_view lease_id,
             absl::Duration min_interval, Done<Maildrop> done)
      : engine_(engine),
        mailbox_(mailbox),
        lease_id_(lease_id),
        min_interval_(min_interval),
        done_(std::move(done)) {}

  absl::Status Apply(Batch& batch) override {
    const uint64_t lease_number = engine_.leases_.LiveNumber(lease_id_);
    if (lease_number == 0) {
      return WithReason(absl::FailedPreconditionError("the lease is not known or overdue"), kReasonNoLease);
    }
    const std::string key = MailboxKey(mailbox_);
    ASSIGN_OR_RETURN(auto record, FindRecord<MailboxRecord>(batch, Family::kMailbox, key));
    if (!record.has_value()) return absl::NotFoundError("no such mailbox");
    ASSIGN_OR_RETURN(const bool locked, IsLocked(batch, engine_.leases_, mailbox_));
    if (locked) return InUse();
    const absl::Time now = engine_.clock_.Now();
    // A date in the future is that of a clock that was wrong: nobody is locked out by it.
    if (record->last_open_time <= now && now - record->last_open_time < min_interval_) {
      return WithReason(absl::AbortedError("the maildrop was opened too short a time ago"),
                        kReasonLoginDelay);
    }
    token_ = LeaseToken{engine_.database_->NextId()};
    message_count_ = record->message_count;
    record->last_open_time = now;
    batch.Put(Family::kLock, key, Encode(LockRecord{token_, lease_id_, lease_number}));
    batch.Put(Family::kMailbox, key, Encode(*record));
    return absl::OkStatus();
  }

  void Finish(absl::Status status) override {
    if (!status.ok()) return std::move(done_)(std::move(status));
    engine_.ListMaildrop(mailbox_, token_, message_count_, std::move(done_));
  }

  bool needs_sync() const override { return false; }

 private:
  RocksDbEngine& engine_;
  const MailboxId mailbox_;
  const std::string lease_id_;
  const absl::Duration min_interval_;
  Done<Maildrop> done_;
  LeaseToken token_;
  uint64_t message_count_ = 0;
};

namespace {

absl::StatusOr<Maildrop> ReadMaildrop(Database& database, const Database::Snapshot& view, MailboxId mailbox,
                                      LeaseToken token) {
  Maildrop maildrop;
  maildrop.token = token;
  const Database::Use use(database);
  RETURN_IF_ERROR(use.status());
  const std::string prefix = MailboxKey(mailbox);
  RETURN_IF_ERROR(Scan(use, view.Get(use), Family::kMessage, prefix, PrefixEnd(prefix),
                       [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                         MessageRecord record;
                         RETURN_IF_ERROR(Decode(value, record));
                         MessageSummary& summary = maildrop.messages.emplace_back();
                         summary.id = MessageOfKey(key);
                         summary.unique_id = std::move(record.unique_id);
                         summary.size_bytes = record.size_bytes;
                         return true;
                       }));
  return maildrop;
}

}  // namespace

// Runs on the writer right after the commit of the lock, before any further one: the snapshot is the maildrop
// at the moment it was locked. Reading it is left to another thread.
void RocksDbEngine::ListMaildrop(MailboxId mailbox, LeaseToken token, uint64_t message_count,
                                 Done<Maildrop> done) {
  if (message_count == 0) return std::move(done)(Maildrop{token, {}});
  std::unique_ptr<Database::Snapshot> view;
  {
    const Database::Use use(*database_);
    if (use.status().ok()) view = std::make_unique<Database::Snapshot>(use);
  }
  // Shared with the task, which the pool may refuse and then destroys.
  auto shared_done = std::make_shared<Done<Maildrop>>(std::move(done));
  const auto give_up = [this, mailbox, token, shared_done](absl::Status status) {
    // The caller never learns the token: the lock would stay until the lease ends.
    ReleaseMaildrop(mailbox, token,
                    [shared_done, status](absl::Status) { std::move (*shared_done)(status); });
  };
  if (view == nullptr) return give_up(absl::UnavailableError("the database is closed after a failure"));
  const bool taken =
      listers_->Submit([this, mailbox, token, shared_done, give_up, view = std::move(view)]() mutable {
        absl::StatusOr<Maildrop> maildrop = ReadMaildrop(*database_, *view, mailbox, token);
        view.reset();
        if (!maildrop.ok()) return give_up(maildrop.status());
        std::move (*shared_done)(std::move(maildrop));
      });
  if (!taken) give_up(absl::ResourceExhaustedError("too many maildrops are being opened"));
}

absl::StatusOr<bool> IsLocked(const Source& source, const LeaseTable& leases, MailboxId mailbox) {
  ASSIGN_OR_RETURN(const auto lock, FindRecord<LockRecord>(source, Family::kLock, MailboxKey(mailbox)));
  return lock.has_value() && leases.StateOf(lock->lease_id, lock->lease_number) == LeaseTable::State::kLive;
}

absl::StatusOr<uint64_t> DeleteEntries(Batch& batch, MailboxId mailbox, MailboxRecord& record,
                                       const std::vector<MessageId>& messages) {
  uint64_t count = 0;
  for (const MessageId message : messages) {
    const std::string key = MessageKey(mailbox, message);
    ASSIGN_OR_RETURN(const auto entry, FindRecord<MessageRecord>(batch, Family::kMessage, key));
    if (!entry.has_value()) continue;
    RETURN_IF_ERROR(UnrefBody(batch, entry->body));
    batch.Delete(Family::kMessage, key);
    ++count;
    --record.message_count;
    record.message_bytes -= entry->size_bytes;
    --batch.counters().message_count;
    batch.counters().message_bytes -= entry->size_bytes;
  }
  return count;
}

void RocksDbEngine::OpenMaildrop(MailboxId mailbox, absl::string_view lease_id, absl::Duration min_interval,
                                 Done<Maildrop> done) {
  writer_->Submit(std::make_unique<OpenChange>(*this, mailbox, lease_id, min_interval, std::move(done)));
}

void RocksDbEngine::CommitMaildrop(MailboxId mailbox, LeaseToken token, std::vector<MessageId> deletions,
                                   DoneStatus done) {
  writer_->Submit(
      std::make_unique<CommitChange>(leases_, mailbox, token, std::move(deletions), std::move(done)));
}

void RocksDbEngine::ReleaseMaildrop(MailboxId mailbox, LeaseToken token, DoneStatus done) {
  writer_->Submit(std::make_unique<ReleaseChange>(mailbox, token, std::move(done)));
}

absl::StatusOr<uint64_t> RocksDbEngine::DeleteMessages(MailboxId mailbox,
                                                       const std::vector<MessageId>& messages) {
  uint64_t count = 0;
  RETURN_IF_ERROR(writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = MailboxKey(mailbox);
    ASSIGN_OR_RETURN(auto record, FindRecord<MailboxRecord>(batch, Family::kMailbox, key));
    if (!record.has_value()) return absl::NotFoundError("no such mailbox");
    ASSIGN_OR_RETURN(const bool locked, IsLocked(batch, leases_, mailbox));
    if (locked) return InUse();
    ASSIGN_OR_RETURN(count, DeleteEntries(batch, mailbox, *record, messages));
    if (count > 0) batch.Put(Family::kMailbox, key, Encode(*record));
    return absl::OkStatus();
  }));
  return count;
}

}  // namespace mailstead::store
