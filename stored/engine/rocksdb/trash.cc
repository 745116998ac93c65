#include "stored/engine/rocksdb/trash.h"

#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/deletions.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/expiry.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/directory.h"
#include "stored/rules/mailbox.h"
#include "stored/rules/times.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kTrash;
// Domains that a step of FindExpiredTrash looks at: each is a look-up.
constexpr size_t kDomainsInStep = 1000;
// Keys that a restored or freed message reads and writes at most, beside the chunks of a small body; and a commit beside
// its messages.
constexpr size_t kRecordsOfEntry = 7;
constexpr size_t kRecordsOfCommit = 8;
// A mailbox that loses very many messages again and again is left alone after so many times.
constexpr int kMaxTries = 20;

class RestoreChange final : public Change {
 public:
  RestoreChange(RocksDbShared& shared, AccountId account, std::vector<MessageId> messages)
      : shared_(shared), account_(account), messages_(Ascending(std::move(messages))) {}

  absl::Status Apply(Batch& batch) override {
    must_wait_ = false;
    restored_ = {};
    const std::string key = MailboxKey(account_);
    ASSIGN_OR_RETURN(auto mailbox, FindRecord<rules::Mailbox>(batch, Family::kMailbox, key));
    if (!mailbox.has_value()) return rules::NoAccount(absl::StrCat(account_.value));
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(batch, shared_.leases(), account_));
    if (rules::IsHeld(lock)) return rules::InUse();
    // What is hidden is neither in the mailbox nor in the trash yet; and a message that came back while its deletion hides
    // what it named would stay hidden.
    must_wait_ = shared_.database().Hides(account_);
    if (must_wait_) return absl::OkStatus();
    std::vector<MessageId> brought_back;
    UndeleteWindows windows(batch);
    for (const MessageId message : messages_) {
      ASSIGN_OR_RETURN(const bool restored, RestoreOne(batch, message, *mailbox, windows));
      if (restored) brought_back.push_back(message);
    }
    restored_.count = static_cast<int64_t>(brought_back.size());
    if (restored_.count == 0) return absl::OkStatus();
    CountRemoval(batch, account_, *mailbox);
    batch.Put(Family::kMailbox, key, Encode(*mailbox));
    batch.Note({.kind = ChangeKind::kRestored,
                .account = account_,
                .time = shared_.clock().Now(),
                .runs = RunsOf(brought_back)});
    return absl::OkStatus();
  }
  bool needs_sync() const override { return restored_.count > 0; }
  size_t record_count() const override { return kRecordsOfCommit + kRecordsOfEntry * messages_.size(); }
  size_t size_bytes() const override { return messages_.size() * sizeof(MessageId); }

  bool must_wait() const { return must_wait_; }
  RestoredMessages Take() { return std::move(restored_); }

 private:
  // False: it is in the mailbox already, or nowhere.
  absl::StatusOr<bool> RestoreOne(Batch& batch, MessageId message, rules::Mailbox& mailbox,
                                  UndeleteWindows& windows) {
    ASSIGN_OR_RETURN(const auto trashed,
                     FindRecord<TrashedRecord>(batch, kFamily, TrashKey(account_, message)));
    bool restorable = false;
    if (trashed.has_value()) {
      ASSIGN_OR_RETURN(restorable, windows.IsRestorable(trashed->deletion, shared_.clock().Now()));
    }
    const std::string key = MessageKey(account_, message);
    if (!restorable) {
      std::string bytes;
      ASSIGN_OR_RETURN(const bool is_there, batch.Find(Family::kMessage, key, bytes));
      if (!is_there) restored_.missing.push_back(message);
      return false;
    }
    if (rules::IsFull(mailbox)) return rules::NoRoomToRestore();
    MessageRecord record;
    RETURN_IF_ERROR(Decode(trashed->message, record));
    const int64_t size_bytes = record.entry.size_bytes();
    rules::Add(mailbox, message, size_bytes);
    ++batch.counters().message_count;
    batch.counters().message_bytes += size_bytes;
    batch.Put(Family::kMessage, key, trashed->message);
    TakeFromTrash(batch, account_, message, *trashed);
    NoteRetention(batch, account_, message, record.entry);
    return true;
  }

  RocksDbShared& shared_;
  const AccountId account_;
  // Ascending, each once.
  const std::vector<MessageId> messages_;
  // What the last Apply came to.
  bool must_wait_ = false;
  RestoredMessages restored_;
};

class FreeChange final : public Change {
 public:
  FreeChange(RocksDbShared& shared, std::vector<std::string> keys)
      : shared_(shared), keys_(std::move(keys)) {}

  absl::Status Apply(Batch& batch) override {
    leaves_work_ = false;
    count_ = 0;
    UndeleteWindows windows(batch);
    for (const std::string& key : keys_) {
      // It may have been restored since it was found, and its domain's window may be another one.
      ASSIGN_OR_RETURN(const auto trashed, FindRecord<TrashedRecord>(batch, kFamily, key));
      if (!trashed.has_value()) continue;
      ASSIGN_OR_RETURN(const bool restorable, windows.IsRestorable(trashed->deletion, shared_.clock().Now()));
      if (restorable) continue;
      leaves_work_ = FreeTrashed(batch, key, *trashed) || leaves_work_;
      ++count_;
    }
    return absl::OkStatus();
  }
  // What a power cut takes back is freed again.
  bool needs_sync() const override { return false; }
  size_t record_count() const override {
    return kRecordsOfCommit + (kRecordsOfEntry + kChunksDeletedAtOnce) * keys_.size();
  }

  bool leaves_work() const { return leaves_work_; }
  int64_t count() const { return count_; }

 private:
  RocksDbShared& shared_;
  const std::vector<std::string> keys_;
  // What the last Apply came to.
  bool leaves_work_ = false;
  int64_t count_ = 0;
};

}  // namespace

absl::StatusOr<absl::Duration> UndeleteWindows::Of(const std::string& domain) {
  const auto known = windows_.find(domain);
  if (known != windows_.end()) return known->second;
  ASSIGN_OR_RETURN(const auto found, FindRecord<Domain>(source_, Family::kDirectory, NameKey(domain)));
  const absl::Duration window = found.has_value() ? found->undelete_window : absl::ZeroDuration();
  windows_.emplace(domain, window);
  return window;
}

absl::StatusOr<bool> UndeleteWindows::IsRestorable(const rules::Deletion& deletion, absl::Time now) {
  ASSIGN_OR_RETURN(const absl::Duration window, Of(deletion.domain));
  return rules::IsRestorable(deletion, window, now);
}

absl::StatusOr<rules::Deletion> DeletionIn(const Source& source, AccountId account, DeletionCause cause,
                                           absl::Time now) {
  rules::Deletion deletion{rules::Kept(now), cause, ""};
  std::string address_key;
  ASSIGN_OR_RETURN(const bool exists, source.Find(Family::kDirectory, AccountIdKey(account), address_key));
  if (!exists) return deletion;
  std::string domain = DomainOfAddressKey(address_key);
  ASSIGN_OR_RETURN(const absl::Duration window, UndeleteWindows(source).Of(domain));
  if (rules::KeepsDeleted(window)) deletion.domain = std::move(domain);
  return deletion;
}

void PutIntoTrash(Batch& batch, AccountId account, MessageId message, const TrashedRecord& trashed) {
  const rules::Deletion& deletion = trashed.deletion;
  batch.Put(kFamily, TrashKey(account, message), Encode(trashed));
  batch.Put(kFamily, TrashTimeKey(deletion.domain, deletion.time, account, message), "");
  ++batch.counters().trash_message_count;
  batch.counters().trash_message_bytes += SizeOf(trashed);
}

void TakeFromTrash(Batch& batch, AccountId account, MessageId message, const TrashedRecord& trashed) {
  const rules::Deletion& deletion = trashed.deletion;
  --batch.counters().trash_message_count;
  batch.counters().trash_message_bytes -= SizeOf(trashed);
  batch.Delete(kFamily, TrashKey(account, message));
  batch.Delete(kFamily, TrashTimeKey(deletion.domain, deletion.time, account, message));
}

int64_t SizeOf(const TrashedRecord& trashed) {
  MaildropEntry entry;
  return DecodeListed(trashed.message, entry).ok() ? entry.size_bytes : 0;
}

bool FreeTrashed(Batch& batch, absl::string_view key, const TrashedRecord& trashed) {
  MessageRecord record;
  const absl::Status decoded = Decode(trashed.message, record);
  const absl::StatusOr<bool> leaves_chunks =
      decoded.ok() ? UnrefBody(batch, record.body) : absl::StatusOr<bool>(decoded);
  if (!leaves_chunks.ok()) obs::LogError("reclaim_damaged", {{"error", leaves_chunks.status().ToString()}});
  TakeFromTrash(batch, AccountOfTrashKey(key), MessageOfTrashKey(key), trashed);
  return leaves_chunks.value_or(false);
}

absl::Status ScanTrash(
    const Database::Use& use, AccountId account, MessageId after, MessageId before, bool newest_first,
    absl::FunctionRef<absl::StatusOr<bool>(MessageId message, const TrashedRecord& trashed)> visit) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  if (after.value == kLast || (before.value != 0 && before <= after)) return absl::OkStatus();
  const std::string first = TrashKey(account, MessageId{after.value + 1});
  const std::string end = before.value == 0 ? PrefixEnd(TrashPrefix(account)) : TrashKey(account, before);
  const rocksdb::Slice lower = ToSlice(first);
  const rocksdb::Slice upper = ToSlice(end);
  rocksdb::ReadOptions options = use.read_options();
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(use.db().NewIterator(options, use.family(kFamily)));
  newest_first ? it->SeekToLast() : it->SeekToFirst();
  while (it->Valid()) {
    TrashedRecord trashed;
    RETURN_IF_ERROR(Decode(ToView(it->value()), trashed));
    ASSIGN_OR_RETURN(const bool go_on, visit(MessageOfTrashKey(ToView(it->key())), trashed));
    if (!go_on) return absl::OkStatus();
    newest_first ? it->Prev() : it->Next();
  }
  return use.Outcome(it->status());
}

absl::StatusOr<ExpiredTrash> FindExpiredTrash(const Database::Use& use, const std::string& from, size_t limit,
                                              absl::Time now) {
  ExpiredTrash expired;
  UndeleteWindows windows(use);
  size_t domain_count = 0;
  const std::unique_ptr<rocksdb::Iterator> it(use.db().NewIterator(use.read_options(), use.family(kFamily)));
  const std::string first = from.empty() ? std::string(1, kTrashTimeKind) : from;
  for (it->Seek(ToSlice(first)); it->Valid() && it->key()[0] == kTrashTimeKind;) {
    if (++domain_count > kDomainsInStep) {
      expired.next = it->key().ToString();
      return expired;
    }
    const std::string domain = DomainOfTrashTimeKey(ToView(it->key()));
    const std::string prefix = TrashTimePrefix(domain);
    ASSIGN_OR_RETURN(const absl::Duration window, windows.Of(domain));
    for (; it->Valid() && it->key().starts_with(ToSlice(prefix)); it->Next()) {
      const rules::Deletion deletion{TimeOfTrashTimeKey(ToView(it->key())), DeletionCause::kApi, domain};
      if (rules::IsRestorable(deletion, window, now)) break;
      if (expired.keys.size() == limit) {
        expired.next = it->key().ToString();
        return expired;
      }
      expired.keys.push_back(TrashKeyOfTimeKey(ToView(it->key())));
    }
    it->Seek(ToSlice(PrefixEnd(prefix)));
  }
  RETURN_IF_ERROR(use.Outcome(it->status()));
  return expired;
}

Task<absl::StatusOr<RestoredMessages>> RocksDbMessages::Restore(AccountId account,
                                                                std::vector<MessageId> messages) {
  RestoreChange change(shared_, account, std::move(messages));
  for (int tries = 0; tries < kMaxTries; ++tries) {
    CO_RETURN_IF_ERROR(co_await shared_.AwaitReclaimed(account));
    CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
    if (!change.must_wait()) co_return change.Take();
  }
  co_return absl::UnavailableError("the mailbox loses messages all the time");
}

Task<absl::StatusOr<UpkeepStep>> RocksDbMessages::EmptyTrash() {
  std::string from;
  {
    absl::MutexLock lock(&trash_mutex_);
    from = emptied_;
  }
  const absl::Time now = shared_.clock().Now();
  const auto find = [&](const Database::Use& use) {
    return FindExpiredTrash(use, from, shared_.options().max_reclaimed_at_once, now);
  };
  CO_ASSIGN_OR_RETURN(ExpiredTrash expired, co_await shared_.OnDisk(find));
  UpkeepStep step;
  if (!expired.keys.empty()) {
    FreeChange change(shared_, std::move(expired.keys));
    CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
    if (change.leaves_work()) shared_.NoteReclaim();
    step.count = change.count();
  }
  step.more = !expired.next.empty();
  {
    absl::MutexLock lock(&trash_mutex_);
    emptied_ = std::move(expired.next);
  }
  co_return step;
}

}  // namespace mailstead::engine
