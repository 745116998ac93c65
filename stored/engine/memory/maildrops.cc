// Maildrops: locks, frozen listings, deletions of the UPDATE state.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/listing.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;

// Entries behind `after` and before `end`, at most `limit`.
std::vector<MaildropEntry> Page(const KeptAccount& account, MessageId after, int64_t end, size_t limit) {
  std::vector<MaildropEntry> page;
  for (auto it = account.messages.upper_bound(after);
       it != account.messages.end() && it->first.value < end && page.size() < limit; ++it) {
    page.push_back(rules::MaildropEntryOf(it->first, it->second.entry));
  }
  return page;
}

// Absent: a commit deleted more than is remembered, or brought messages back.
std::optional<std::vector<MessageId>> RemovedSince(const KeptAccount& account, int64_t removal_count) {
  std::vector<MessageId> all;
  for (int64_t i = removal_count; i < account.mailbox.removal_count; ++i) {
    const std::optional<std::vector<MessageId>>& removed = account.removals[static_cast<size_t>(i)];
    if (!removed.has_value() || removed->size() > rules::kMaxRemovedMessages) return std::nullopt;
    all.insert(all.end(), removed->begin(), removed->end());
  }
  return all;
}

absl::StatusOr<OpenedMaildrop> DoOpen(MemoryShared& shared, const OpenRequest& request) {
  State& state = shared.state();
  absl::MutexLock hold(&state.mutex);
  shared.ForgetLeases();
  KeptAccount* kept = state.Find(request.account);
  const rules::LockState lock = kept != nullptr ? shared.StateOf(*kept) : rules::LockState();
  ASSIGN_OR_RETURN(
      const rules::OpenDecision decision,
      rules::DecideOpen({request, kept != nullptr ? &kept->mailbox : nullptr, lock,
                         shared.LiveNumber(request.lease_id), shared.Now(), LockToken{state.next_number}}));
  kept->lock = decision.lock;
  if (!decision.again) {
    ++state.next_number;
    rules::MarkOpened(kept->mailbox, decision.lock);
  }

  OpenedMaildrop opened;
  opened.token = decision.lock.token;
  const rules::ListingVersion version{absl::StrCat(shared.listing_counter(), kept->mailbox.number),
                                      decision.lock.listing_end, kept->mailbox.removal_count};
  opened.version = rules::Format(version);
  opened.message_count = kept->mailbox.message_count;
  MessageId after;
  if (const auto known = rules::Usable(request.known_version, version)) {
    if (const auto removed = RemovedSince(*kept, known->removal_count)) {
      opened.since_known_version = true;
      opened.removed = rules::RemovedFrom(*known, *removed);
      after.value = known->end - 1;
    }
  }
  const std::vector<MaildropEntry> all = Page(*kept, MessageId{0}, version.end, kept->messages.size());
  if (!all.empty()) opened.last = all.back().id;
  opened.entries = Page(*kept, after, version.end, request.page_limit);
  const MessageId reached = opened.entries.empty() ? after : opened.entries.back().id;
  opened.more = reached < opened.last;
  return opened;
}

absl::StatusOr<CommittedMaildrop> DoCommit(MemoryShared& shared, const CommitRequest& request) {
  State& state = shared.state();
  absl::MutexLock hold(&state.mutex);
  shared.ForgetLeases();
  KeptAccount* kept = state.Find(request.account);
  const rules::LockState lock = kept != nullptr ? shared.StateOf(*kept) : rules::LockState();
  ASSIGN_OR_RETURN(const rules::CommitDecision decision,
                   rules::DecideCommit(kept != nullptr ? &kept->mailbox : nullptr, lock, request));
  CommittedMaildrop committed;
  if (decision == rules::CommitDecision::kRepeated) return committed;
  const bool is_as_locked = rules::IsAsLocked(kept->mailbox, *kept->lock);
  committed.deleted_count = RemoveMessages(shared, *kept, request.deletions, DeletionCause::kPop3);
  rules::MarkCommitted(kept->mailbox, request.token);
  if (is_as_locked) {
    committed.version = rules::Format({absl::StrCat(shared.listing_counter(), kept->mailbox.number),
                                       kept->lock->listing_end, kept->mailbox.removal_count});
  }
  kept->lock.reset();
  return committed;
}

}  // namespace

Task<absl::StatusOr<OpenedMaildrop>> MemoryMaildrops::Open(OpenRequest request) {
  absl::StatusOr<OpenedMaildrop> opened = DoOpen(shared_, request);
  co_await shared_.End();
  co_return opened;
}

Task<absl::StatusOr<std::vector<MaildropEntry>>> MemoryMaildrops::List(AccountId account,
                                                                       std::string session_id,
                                                                       MessageId after, MessageId last,
                                                                       size_t limit) {
  absl::StatusOr<std::vector<MaildropEntry>> page = rules::Fenced();
  {
    State& state = shared_.state();
    absl::MutexLock hold(&state.mutex);
    shared_.ForgetLeases();
    const KeptAccount* kept = state.Find(account);
    if (kept != nullptr && rules::HoldsIt(shared_.StateOf(*kept), session_id)) {
      page = Page(*kept, after, std::min(last.value + 1, kept->lock->listing_end), limit);
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<CommittedMaildrop>> MemoryMaildrops::Commit(CommitRequest request) {
  absl::StatusOr<CommittedMaildrop> committed = DoCommit(shared_, request);
  co_await shared_.End();
  co_return committed;
}

Task<absl::Status> MemoryMaildrops::Release(AccountId account, std::string session_id) {
  {
    State& state = shared_.state();
    absl::MutexLock hold(&state.mutex);
    KeptAccount* kept = state.Find(account);
    if (kept != nullptr && kept->lock.has_value() && kept->lock->session_id == session_id) kept->lock.reset();
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<LockInfo>> MemoryMaildrops::FindLock(AccountId account) {
  absl::StatusOr<LockInfo> found = absl::NotFoundError("nobody holds the maildrop");
  {
    State& state = shared_.state();
    absl::MutexLock hold(&state.mutex);
    const KeptAccount* kept = state.Find(account);
    if (kept != nullptr && rules::IsHeld(shared_.StateOf(*kept))) found = rules::InfoOf(account, *kept->lock);
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<std::vector<LockInfo>>> MemoryMaildrops::ListLocks(AccountId after, size_t limit) {
  std::vector<LockInfo> locks;
  {
    State& state = shared_.state();
    absl::MutexLock hold(&state.mutex);
    for (auto it = state.accounts.upper_bound(after); it != state.accounts.end() && locks.size() < limit;
         ++it) {
      if (rules::IsHeld(shared_.StateOf(it->second)))
        locks.push_back(rules::InfoOf(it->first, *it->second.lock));
    }
  }
  co_await shared_.End();
  co_return locks;
}

Task<absl::StatusOr<LockInfo>> MemoryMaildrops::End(AccountId account, std::string session_id) {
  absl::StatusOr<LockInfo> ended;
  {
    State& state = shared_.state();
    absl::MutexLock hold(&state.mutex);
    shared_.ForgetLeases();
    KeptAccount* kept = state.Find(account);
    const rules::LockState lock = kept != nullptr ? shared_.StateOf(*kept) : rules::LockState();
    if (const absl::Status may_end = rules::CheckEnd(lock, session_id); !may_end.ok()) {
      ended = may_end;
    } else {
      ended = rules::InfoOf(account, *lock.lock);
      kept->lock.reset();
    }
  }
  co_await shared_.End();
  co_return ended;
}

}  // namespace mailstead::engine
