// Maildrops: the lock of a mailbox under a front-end's lease (RFC 1939 section 4), its listing, and the deletions of its
// UPDATE state.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/deletions.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/listing.h"

namespace mailstead::engine {
namespace {

// A listing of up to so many entries is read on the caller's thread, when it is in memory.
constexpr int64_t kFewEntries = 64;

// What of a maildrop is to be listed, as the commit of its lock has found it. What comes in has greater ids, and what
// others delete meanwhile is missed by nobody: who builds on the listing's version is told that it has gone. So it is read
// afterwards, without a snapshot.
struct ListingQuestion {
  AccountId account;
  rules::ListingVersion version;
  std::optional<rules::ListingVersion> known;
  int64_t message_count = 0;
  size_t page_limit = 0;

  // About how many entries are behind the known version.
  int64_t expected_count() const {
    if (!known.has_value()) return message_count;
    return std::min(message_count, version.end - known->end) + (version.removal_count - known->removal_count);
  }
};

rules::ListingVersion VersionOf(const RocksDbShared& shared, AccountId account, const rules::Mailbox& mailbox,
                                const rules::Lock& lock) {
  return {absl::StrCat(shared.listing_counter(), mailbox.number, "/", account.value), lock.listing_end,
          mailbox.removal_count};
}

class OpenChange final : public Change {
 public:
  OpenChange(RocksDbShared& shared, const OpenRequest& request) : shared_(shared), request_(request) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = MailboxKey(request_.account);
    ASSIGN_OR_RETURN(auto mailbox, FindRecord<rules::Mailbox>(batch, Family::kMailbox, key));
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(batch, shared_.leases(), request_.account));
    ASSIGN_OR_RETURN(const rules::OpenDecision decision,
                     rules::DecideOpen({request_, mailbox.has_value() ? &*mailbox : nullptr, lock,
                                        shared_.leases().LiveNumber(request_.lease_id), shared_.clock().Now(),
                                        LockToken{shared_.database().NextId()}}));
    if (lock.lock != decision.lock) batch.Put(Family::kLock, key, Encode(decision.lock));
    if (!decision.again) {
      rules::MarkOpened(*mailbox, decision.lock);
      batch.Put(Family::kMailbox, key, Encode(*mailbox));
    }
    token_ = decision.lock.token;
    again_ = decision.again;
    question_.account = request_.account;
    question_.version = VersionOf(shared_, request_.account, *mailbox, decision.lock);
    question_.known = rules::Usable(request_.known_version, question_.version);
    question_.message_count = mailbox->message_count;
    question_.page_limit = request_.page_limit;
    return absl::OkStatus();
  }
  bool is_small() const override { return true; }
  bool needs_sync() const override { return false; }

  LockToken token() const { return token_; }
  // The session had the lock before.
  bool again() const { return again_; }
  const ListingQuestion& question() const { return question_; }

 private:
  RocksDbShared& shared_;
  const OpenRequest& request_;
  LockToken token_;
  bool again_ = false;
  ListingQuestion question_;
};

class CommitChange final : public DeletingChange {
 public:
  CommitChange(RocksDbShared& shared, CommitRequest request)
      : DeletingChange(shared, request.account, std::move(request.deletions), DeletionCause::kPop3),
        request_(std::move(request)) {}

  const std::string& version() const { return version_; }

 private:
  absl::StatusOr<bool> Decide(const Batch& batch, const rules::Mailbox* mailbox) override {
    ASSIGN_OR_RETURN(lock_, FindLockState(batch, shared().leases(), account()));
    ASSIGN_OR_RETURN(const rules::CommitDecision decision, rules::DecideCommit(mailbox, lock_, request_));
    if (decision == rules::CommitDecision::kRepeated) return false;
    is_as_locked_ = rules::IsAsLocked(*mailbox, *lock_.lock);
    return true;
  }

  // Where nothing was deleted nothing can be lost but the unlocking, which the end of the lease does as well: so that is
  // not synced.
  bool Finish(Batch& batch, rules::Mailbox& mailbox) override {
    rules::MarkCommitted(mailbox, request_.token);
    batch.Delete(Family::kLock, MailboxKey(account()));
    version_ = is_as_locked_ ? rules::Format(VersionOf(shared(), account(), mailbox, *lock_.lock)) : "";
    return true;
  }

  // Its deletions are the base's.
  const CommitRequest request_;
  rules::LockState lock_;
  // As the last Decide found it.
  bool is_as_locked_ = false;
  std::string version_;
};

// Entries behind `after` and before `end`, at most `limit`.
absl::StatusOr<std::vector<MaildropEntry>> ReadEntries(const Database::Use& use, AccountId account,
                                                       MessageId after, int64_t end, size_t limit,
                                                       ScanSize size) {
  std::vector<MaildropEntry> entries;
  if (limit == 0 || after.value >= end - 1) return entries;
  if (size == ScanSize::kVeryMuch) entries.reserve(limit);
  RETURN_IF_ERROR(ScanMessages(
      use, account, MessageId{after.value + 1}, end,
      [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
        MaildropEntry& entry = entries.emplace_back();
        entry.id = message;
        RETURN_IF_ERROR(DecodeListed(value, entry));
        return entries.size() < limit;
      },
      size));
  return entries;
}

// The last message before `end`; 0 when there is none.
absl::StatusOr<MessageId> ReadLast(const Database::Use& use, AccountId account, int64_t end) {
  MailboxView view(use, account);
  RETURN_IF_ERROR(view.Begin());
  return view.Last(end);
}

// What the commits behind `from` deleted, up to `to`. Absent: not all of it is remembered.
absl::StatusOr<std::optional<std::vector<MessageId>>> ReadRemoved(const Database::Use& use, AccountId account,
                                                                  int64_t from, int64_t to) {
  std::vector<MessageId> all;
  for (int64_t number = from + 1; number <= to; ++number) {
    ASSIGN_OR_RETURN(const auto removal,
                     FindRecord<Removal>(use, Family::kMailbox, RemovalKey(account, number)));
    if (!removal.has_value()) return std::optional<std::vector<MessageId>>();
    all.insert(all.end(), removal->messages.begin(), removal->messages.end());
  }
  return std::optional<std::vector<MessageId>>(std::move(all));
}

absl::StatusOr<OpenedMaildrop> ReadListing(const Database::Use& use, const ListingQuestion& question) {
  OpenedMaildrop opened;
  opened.version = rules::Format(question.version);
  opened.message_count = question.message_count;
  MessageId after;
  if (question.known.has_value()) {
    ASSIGN_OR_RETURN(auto removed, ReadRemoved(use, question.account, question.known->removal_count,
                                               question.version.removal_count));
    if (removed.has_value()) {
      opened.since_known_version = true;
      opened.removed = rules::RemovedFrom(*question.known, *std::move(removed));
      after.value = question.known->end - 1;
    }
  }
  if (question.message_count == 0) return opened;
  const bool one_page = question.expected_count() <= static_cast<int64_t>(question.page_limit);
  ASSIGN_OR_RETURN(opened.entries,
                   ReadEntries(use, question.account, after, question.version.end, question.page_limit,
                               one_page ? ScanSize::kUsual : ScanSize::kVeryMuch));
  if (!opened.entries.empty() && opened.entries.size() < question.page_limit) {
    opened.last = opened.entries.back().id;
    return opened;
  }
  ASSIGN_OR_RETURN(opened.last, ReadLast(use, question.account, question.version.end));
  opened.more = (opened.entries.empty() ? after : opened.entries.back().id) < opened.last;
  return opened;
}

class ReleaseChange final : public Change {
 public:
  ReleaseChange(AccountId account, const std::string& session_id)
      : account_(account), session_id_(session_id) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = MailboxKey(account_);
    ASSIGN_OR_RETURN(const auto lock, FindRecord<rules::Lock>(batch, Family::kLock, key));
    if (lock.has_value() && lock->session_id == session_id_) batch.Delete(Family::kLock, key);
    return absl::OkStatus();
  }
  bool is_small() const override { return true; }
  bool needs_sync() const override { return false; }

 private:
  const AccountId account_;
  const std::string& session_id_;
};

}  // namespace

absl::StatusOr<rules::LockState> FindLockState(const Source& source, const LeaseTable& leases,
                                               AccountId account) {
  rules::LockState state;
  ASSIGN_OR_RETURN(state.lock, FindRecord<rules::Lock>(source, Family::kLock, MailboxKey(account)));
  if (state.lock.has_value()) state.lease = leases.StateOf(state.lock->lease_id, state.lock->lease_number);
  return state;
}

Task<absl::StatusOr<OpenedMaildrop>> RocksDbMaildrops::Open(OpenRequest request) {
  OpenChange change(shared_, request);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  const auto read = [&change](const Database::Use& use) { return ReadListing(use, change.question()); };
  absl::StatusOr<OpenedMaildrop> opened;
  if (change.question().expected_count() <= kFewEntries) {
    opened = co_await shared_.InMemoryFirst(read);
  } else {
    opened = co_await shared_.OnDisk(read);
  }
  if (opened.ok()) {
    opened->token = change.token();
  } else if (!change.again()) {
    // A verb that reports an error has done nothing.
    (co_await Release(request.account, request.session_id)).IgnoreError();
  }
  co_return opened;
}

Task<absl::StatusOr<std::vector<MaildropEntry>>> RocksDbMaildrops::List(AccountId account,
                                                                        std::string session_id,
                                                                        MessageId after, MessageId last,
                                                                        size_t limit) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<MaildropEntry>> {
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(use, shared_.leases(), account));
    if (!rules::HoldsIt(lock, session_id)) return rules::Fenced();
    const int64_t end = last.value < lock.lock->listing_end ? last.value + 1 : lock.lock->listing_end;
    return ReadEntries(use, account, after, end, limit, ScanSize::kVeryMuch);
  };
  if (limit <= static_cast<size_t>(kFewEntries)) co_return co_await shared_.InMemoryFirst(read);
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<CommittedMaildrop>> RocksDbMaildrops::Commit(CommitRequest request) {
  CommitChange change(shared_, std::move(request));
  CO_RETURN_IF_ERROR(co_await change.Run());
  co_return CommittedMaildrop{change.deleted_count(), change.version()};
}

Task<absl::Status> RocksDbMaildrops::Release(AccountId account, std::string session_id) {
  ReleaseChange change(account, session_id);
  co_return co_await shared_.writer().Commit(change);
}

Task<absl::StatusOr<LockInfo>> RocksDbMaildrops::FindLock(AccountId account) {
  const auto read = [this, account](const Database::Use& use) -> absl::StatusOr<LockInfo> {
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(use, shared_.leases(), account));
    if (!rules::IsHeld(lock)) return absl::NotFoundError("nobody holds the maildrop");
    return rules::InfoOf(account, *lock.lock);
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<std::vector<LockInfo>>> RocksDbMaildrops::ListLocks(AccountId after, size_t limit) {
  const auto read = [this, after, limit](const Database::Use& use) -> absl::StatusOr<std::vector<LockInfo>> {
    std::vector<LockInfo> locks;
    if (limit == 0 || after.value == std::numeric_limits<int64_t>::max()) return locks;
    const std::string first = MailboxKey(AccountId{after.value + 1});
    RETURN_IF_ERROR(Scan(use, Family::kLock, first, "",
                         [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                           rules::Lock lock;
                           RETURN_IF_ERROR(Decode(value, lock));
                           if (shared_.leases().StateOf(lock.lease_id, lock.lease_number) ==
                               rules::LeaseState::kLive) {
                             locks.push_back(rules::InfoOf(AccountOfKey(key), lock));
                           }
                           return locks.size() < limit;
                         }));
    return locks;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<LockInfo>> RocksDbMaildrops::End(AccountId account, std::string session_id) {
  LockInfo ended;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(batch, shared_.leases(), account));
    RETURN_IF_ERROR(rules::CheckEnd(lock, session_id));
    batch.Delete(Family::kLock, MailboxKey(account));
    ended = rules::InfoOf(account, *lock.lock);
    return absl::OkStatus();
  };
  // Synced: after a power cut the session would hold it again, and could delete what it marked.
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return ended;
}

}  // namespace mailstead::engine
