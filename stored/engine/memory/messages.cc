// Mail coming in, and messages on their way out.
#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/directory.h"
#include "stored/rules/retention.h"
#include "stored/rules/search.h"
#include "stored/rules/submission.h"
#include "stored/rules/times.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;

constexpr size_t kUniqueIdChars = 20;
constexpr int64_t kMaxReadBytes = 64 << 10;

class MemoryBody final : public BodyWriter {
 public:
  explicit MemoryBody(MemoryShared& shared) : shared_(shared) {
    absl::MutexLock lock(&shared_.state().mutex);
    ++shared_.state().staged_body_count;
  }
  ~MemoryBody() override {
    absl::MutexLock lock(&shared_.state().mutex);
    --shared_.state().staged_body_count;
  }
  Task<absl::Status> Append(std::string bytes) override {
    {
      absl::MutexLock lock(&shared_.state().mutex);
      shared_.state().staged_bytes += static_cast<int64_t>(bytes.size());
    }
    content_ += bytes;
    co_await shared_.End();
    co_return absl::OkStatus();
  }
  int64_t size_bytes() const override { return static_cast<int64_t>(content_.size()); }

  std::string Take() { return std::move(content_); }

 private:
  MemoryShared& shared_;
  std::string content_;
};

class MemoryReader final : public MessageReader {
 public:
  MemoryReader(MemoryShared& shared, const KeptMessage& message)
      : shared_(shared),
        entry_(message.entry),
        body_(message.body),
        front_(absl::StrCat(entry_.prefix, body_->trace)) {}
  int64_t size_bytes() const override { return entry_.size_bytes(); }
  const std::string& delivery_id() const override { return entry_.envelope.delivery_id; }
  Task<absl::StatusOr<std::string>> Read(int64_t offset, size_t max_bytes) override {
    const size_t limit = std::min<size_t>(max_bytes, kMaxReadBytes);
    const size_t front_bytes = front_.size();
    const size_t at = static_cast<size_t>(std::min(offset, size_bytes()));
    std::string piece = at < front_bytes ? front_.substr(at, limit) : "";
    const size_t in_content = at < front_bytes ? 0 : at - front_bytes;
    piece += body_->content.substr(in_content, limit - piece.size());
    co_await shared_.End();
    co_return piece;
  }

 private:
  MemoryShared& shared_;
  const rules::Entry entry_;
  const std::shared_ptr<const KeptBody> body_;
  const std::string front_;
};

// Under the state's mutex.
void StoreNotices(MemoryShared& shared, const std::vector<NewNotice>& notices, Receipt& receipt) {
  for (size_t i = 0; i < notices.size(); ++i) {
    const bool is_so = !rules::SaysTooMuch(notices[i].copies, receipt.waiting);
    if (is_so && Store(shared, notices[i].message, notices[i].content).ok()) continue;
    receipt.notices_left_out.push_back(i);
  }
}

absl::Duration UndeleteWindow(const State& state, const std::string& domain)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  const auto it = state.domains.find(domain);
  return it == state.domains.end() ? absl::ZeroDuration() : it->second.undelete_window;
}

bool IsRestorable(MemoryShared& shared, const rules::Deletion& deletion) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  return rules::IsRestorable(deletion, UndeleteWindow(state, deletion.domain), shared.Now());
}

MessageSummary SummaryOf(MemoryShared&, MessageId id, const KeptMessage& message) {
  return rules::SummaryOf(id, message.entry);
}
MessageSummary SummaryOf(MemoryShared& shared, MessageId id, const KeptDeleted& deleted) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  MessageSummary summary = rules::SummaryOf(id, deleted.message.entry);
  summary.deletion = rules::Told(deleted.deletion, UndeleteWindow(state, deleted.deletion.domain));
  return summary;
}

bool IsThere(MemoryShared&, const KeptMessage&) { return true; }
bool IsThere(MemoryShared& shared, const KeptDeleted& deleted) {
  return IsRestorable(shared, deleted.deletion);
}

const rules::Entry& EntryOf(const KeptMessage& message) { return message.entry; }
const rules::Entry& EntryOf(const KeptDeleted& deleted) { return deleted.message.entry; }

// In a mailbox, or in its trash.
template <typename Kept>
FoundMessages SearchIn(MemoryShared& shared, const std::map<MessageId, Kept>& messages,
                       const MessageSearch& search) {
  FoundMessages found;
  size_t looked = 0;
  // False: the step ends here.
  const auto look = [&](MessageId id, const Kept& kept) {
    if (looked == search.look_limit || found.messages.size() == search.limit) return false;
    ++looked;
    found.last = id;
    if (IsThere(shared, kept) && rules::Matches(search.filter, EntryOf(kept))) {
      found.messages.push_back(SummaryOf(shared, id, kept));
    }
    return true;
  };
  const auto first = messages.upper_bound(search.after);
  const auto end = search.before.value == 0 ? messages.end() : messages.lower_bound(search.before);
  if (search.before.value != 0 && search.before <= search.after) {
    found.done = true;
    return found;
  }
  if (search.newest_first) {
    for (auto it = end; it != first;) {
      --it;
      if (!look(it->first, it->second)) return found;
    }
  } else {
    for (auto it = first; it != end; ++it) {
      if (!look(it->first, it->second)) return found;
    }
  }
  found.done = true;
  return found;
}

}  // namespace

absl::StatusOr<Receipt> Store(MemoryShared& shared, const NewMessage& message, std::string content) {
  RETURN_IF_ERROR(rules::Check(message));
  State& state = shared.state();
  const auto key = std::make_pair(message.delivery_scope, message.envelope.delivery_id);
  const auto it = state.receipts.find(key);
  std::optional<rules::KeptReceipt> before;
  if (it != state.receipts.end()) before = it->second.receipt;
  ASSIGN_OR_RETURN(const std::optional<Receipt> repeated, rules::DecideRepeat(before, message));
  if (repeated.has_value()) return *repeated;
  if (message.submission != nullptr) {
    const auto kept = state.submissions.find(message.envelope.delivery_id);
    if (kept != state.submissions.end()) return rules::DecideRepeat(kept->second.submission, message);
  }
  RETURN_IF_ERROR(message.refusal);

  const int64_t content_bytes = static_cast<int64_t>(content.size());
  std::vector<rules::Waiting> waiting;
  std::vector<MessageId> ids(message.copies.size());
  for (size_t i = 0; i < message.copies.size(); ++i) {
    const NewCopy& copy = message.copies[i];
    const KeptAccount* account = state.Find(copy.account);
    const rules::Mailbox* mailbox = account == nullptr ? nullptr : &account->mailbox;
    const std::optional<Obstacle> obstacle = rules::ObstacleOf(message, copy, mailbox, content_bytes);
    if (obstacle.has_value()) {
      waiting.push_back({i, *obstacle});
    } else {
      ASSIGN_OR_RETURN(ids[i], rules::ChooseMessageId(*mailbox, copy.id));
    }
  }
  RETURN_IF_ERROR(rules::CheckWaiting(message, waiting));
  if (message.submission != nullptr) {
    // Before anything is changed.
    RETURN_IF_ERROR(rules::SubmissionOf(message, waiting, QueueId{0}, shared.Now()).status());
    RETURN_IF_ERROR(MakeRoom(shared, *message.submission));
  }
  const auto body = std::make_shared<const KeptBody>(KeptBody{std::move(content), message.trace});
  const rules::KeptReceipt kept_receipt = rules::ReceiptOf(message);
  Receipt receipt{false, kept_receipt.sha256, kept_receipt.deliver_time, {}, {}};
  std::vector<rules::Entry> waiting_entries;
  for (size_t i = 0; i < message.copies.size(); ++i) {
    const NewCopy& copy = message.copies[i];
    rules::Entry entry = rules::EntryOf(message, copy, content_bytes, RandomId(kUniqueIdChars));
    if (waiting_entries.size() < waiting.size() && waiting[waiting_entries.size()].copy == i) {
      receipt.waiting.push_back(i);
      waiting_entries.push_back(std::move(entry));
      continue;
    }
    KeptAccount& account = *state.Find(copy.account);
    rules::Add(account.mailbox, ids[i], entry.size_bytes());
    account.messages[ids[i]] = {std::move(entry), body};
    FeedChange change;
    change.account = copy.account;
    change.message = ids[i];
    shared.Note(std::move(change));
  }
  QueueId queue_id;
  if (!message.queued.recipients.empty() || !waiting.empty()) {
    queue_id = Enqueue(shared, message, body, waiting, std::move(waiting_entries));
  }
  if (message.submission != nullptr) {
    KeptSubmission kept;
    ASSIGN_OR_RETURN(kept.submission, rules::SubmissionOf(message, waiting, queue_id, shared.Now()));
    if (queue_id.value == 0) kept.end_time = kept.submission.submit_time;
    state.submissions[message.envelope.delivery_id] = std::move(kept);
  }
  state.receipts[key] = {kept_receipt, shared.Now()};
  return receipt;
}

std::unique_ptr<MessageReader> NewMemoryReader(MemoryShared& shared, const KeptMessage& message) {
  return std::make_unique<MemoryReader>(shared, message);
}

int64_t RemoveMessages(MemoryShared& shared, KeptAccount& account, const std::vector<MessageId>& messages,
                       DeletionCause cause) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const rules::Deletion deletion{rules::Kept(shared.Now()), cause,
                                 rules::Split(account.account.address).domain};
  const bool keeps = rules::KeepsDeleted(UndeleteWindow(state, deletion.domain));
  std::vector<MessageId> removed;
  for (const MessageId id : std::set<MessageId>(messages.begin(), messages.end())) {
    const auto it = account.messages.find(id);
    if (it == account.messages.end()) continue;
    rules::Remove(account.mailbox, it->second.entry.size_bytes());
    if (keeps) account.trash[id] = {std::move(it->second), deletion};
    account.messages.erase(it);
    removed.push_back(id);
  }
  const int64_t count = static_cast<int64_t>(removed.size());
  if (count > 0) {
    ++account.mailbox.removal_count;
    FeedChange change;
    change.kind = ChangeKind::kDeleted;
    change.account = account.account.id;
    change.deleted = removed;
    change.cause = cause;
    shared.Note(std::move(change));
    account.removals.push_back(std::move(removed));
  }
  return count;
}

Task<absl::StatusOr<std::unique_ptr<BodyWriter>>> MemoryMessages::NewBody() {
  auto body = std::make_unique<MemoryBody>(shared_);
  co_await shared_.End();
  co_return body;
}

Task<absl::StatusOr<Receipt>> MemoryMessages::Append(NewMessage message, Content content,
                                                     std::vector<NewNotice> notices) {
  std::string bytes = std::move(content.whole);
  // Every body writer of this engine was made by NewBody.
  if (content.staged != nullptr) bytes = static_cast<MemoryBody&>(*content.staged).Take();
  content.staged.reset();
  absl::StatusOr<Receipt> receipt = [&] {
    absl::MutexLock lock(&shared_.state().mutex);
    absl::StatusOr<Receipt> stored = Store(shared_, message, std::move(bytes));
    if (stored.ok() && !stored->already_stored) StoreNotices(shared_, notices, *stored);
    return stored;
  }();
  co_await shared_.End();
  co_return receipt;
}

Task<absl::StatusOr<Settlement>> MemoryMessages::Settle(std::string delivery_scope, std::string delivery_id) {
  Settlement settlement;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    auto key = std::make_pair(std::move(delivery_scope), std::move(delivery_id));
    const auto it = state.receipts.find(key);
    if (it != state.receipts.end()) {
      settlement = rules::DecideSettlement(it->second.receipt);
    } else {
      const absl::Time now = shared_.Now();
      state.receipts[std::move(key)] = {rules::VoidReceipt(now), now};
    }
  }
  co_await shared_.End();
  co_return settlement;
}

Task<absl::StatusOr<std::vector<MessageSummary>>> MemoryMessages::List(AccountId account, MessageId after,
                                                                       size_t limit) {
  absl::StatusOr<std::vector<MessageSummary>> page = rules::NoAccount(absl::StrCat(account.value));
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const KeptAccount* kept = state.Find(account)) {
      page.emplace();
      for (auto it = kept->messages.upper_bound(after); it != kept->messages.end() && page->size() < limit;
           ++it) {
        page->push_back(rules::SummaryOf(it->first, it->second.entry));
      }
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<MessageSummary>> MemoryMessages::Find(AccountId account, MessageId message) {
  absl::StatusOr<MessageSummary> found = absl::NotFoundError("no such message");
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const KeptAccount* kept = state.Find(account);
    if (kept != nullptr && kept->messages.contains(message)) {
      found = rules::SummaryOf(message, kept->messages.at(message).entry);
    }
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<FoundMessages>> MemoryMessages::Search(AccountId account, MessageSearch search) {
  absl::StatusOr<FoundMessages> found = rules::NoAccount(absl::StrCat(account.value));
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const KeptAccount* kept = state.Find(account)) {
      found = search.in_trash ? SearchIn(shared_, kept->trash, search)
                              : SearchIn(shared_, kept->messages, search);
    }
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<std::unique_ptr<MessageReader>>> MemoryMessages::Open(AccountId account,
                                                                          MessageId message) {
  absl::StatusOr<std::unique_ptr<MessageReader>> reader = absl::NotFoundError("no such message");
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const KeptAccount* kept = state.Find(account);
    if (kept != nullptr && kept->messages.contains(message)) {
      reader = NewMemoryReader(shared_, kept->messages.at(message));
    }
  }
  co_await shared_.End();
  co_return reader;
}

Task<absl::StatusOr<DeletedMessages>> MemoryMessages::Delete(AccountId account,
                                                             std::vector<MessageId> messages) {
  absl::StatusOr<DeletedMessages> deleted = rules::NoAccount(absl::StrCat(account.value));
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (KeptAccount* kept = state.Find(account)) {
      DeletedMessages result;
      const std::set<MessageId> named(messages.begin(), messages.end());
      for (const MessageId message : named) {
        if (!kept->messages.contains(message)) result.missing.push_back(message);
      }
      result.count = RemoveMessages(shared_, *kept, messages, DeletionCause::kApi);
      deleted = std::move(result);
    }
  }
  co_await shared_.End();
  co_return deleted;
}

namespace {

absl::StatusOr<RestoredMessages> DoRestore(MemoryShared& shared, AccountId account,
                                           const std::vector<MessageId>& messages) {
  State& state = shared.state();
  absl::MutexLock lock(&state.mutex);
  KeptAccount* const kept = state.Find(account);
  if (kept == nullptr) return rules::NoAccount(absl::StrCat(account.value));
  if (rules::IsHeld(shared.StateOf(*kept))) return rules::InUse();
  RestoredMessages restored;
  rules::Mailbox mailbox = kept->mailbox;
  FeedChange change;
  for (const MessageId id : std::set<MessageId>(messages.begin(), messages.end())) {
    if (kept->messages.contains(id)) continue;
    const auto it = kept->trash.find(id);
    if (it == kept->trash.end() || !IsRestorable(shared, it->second.deletion)) {
      restored.missing.push_back(id);
      continue;
    }
    if (rules::IsFull(mailbox)) return rules::NoRoomToRestore();
    rules::Add(mailbox, id, it->second.message.entry.size_bytes());
    change.restored.push_back(id);
  }
  restored.count = static_cast<int64_t>(change.restored.size());
  if (restored.count == 0) return restored;
  for (const MessageId id : change.restored) {
    const auto it = kept->trash.find(id);
    kept->messages[id] = std::move(it->second.message);
    kept->trash.erase(it);
  }
  ++mailbox.removal_count;
  kept->removals.emplace_back(std::nullopt);
  kept->mailbox = std::move(mailbox);
  change.kind = ChangeKind::kRestored;
  change.account = account;
  shared.Note(std::move(change));
  return restored;
}

}  // namespace

Task<absl::StatusOr<RestoredMessages>> MemoryMessages::Restore(AccountId account,
                                                               std::vector<MessageId> messages) {
  absl::StatusOr<RestoredMessages> restored = DoRestore(shared_, account, messages);
  co_await shared_.End();
  co_return restored;
}

namespace {

// Each message in a commit of its own.
int64_t DoExpire(MemoryShared& shared) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const absl::Time now = shared.Now();
  // In the order in which they go.
  std::vector<std::pair<absl::Duration, KeptAccount*>> mailboxes;
  const auto add = [&](absl::Duration retention, KeptAccount& kept) {
    if (retention > absl::ZeroDuration()) mailboxes.emplace_back(retention, &kept);
  };
  const auto by_retention = [](const auto& a, const auto& b) { return a.first < b.first; };
  for (auto& [id, kept] : state.accounts) add(kept.account.retention.value_or(absl::ZeroDuration()), kept);
  std::stable_sort(mailboxes.begin(), mailboxes.end(), by_retention);
  const auto of_domains = static_cast<std::ptrdiff_t>(mailboxes.size());
  for (const auto& [address, id] : state.account_ids) {
    KeptAccount& kept = state.accounts.at(id);
    if (!kept.account.retention.has_value()) add(state.domains.at(address.domain).retention, kept);
  }
  std::stable_sort(mailboxes.begin() + of_domains, mailboxes.end(), by_retention);
  int64_t count = 0;
  for (const auto& [retention, kept] : mailboxes) {
    while (!kept->messages.empty()) {
      const auto& [id, message] = *kept->messages.begin();
      if (!rules::HasExpired(message.entry, retention, now)) break;
      count += RemoveMessages(shared, *kept, {id}, DeletionCause::kRetention);
    }
  }
  std::set<std::tuple<absl::Time, AccountId, MessageId>> by_their_own;
  for (const auto& [account, kept] : state.accounts) {
    for (const auto& [id, message] : kept.messages) {
      const absl::Time expire_time = rules::ExpireTime(message.entry, absl::ZeroDuration());
      if (expire_time <= now) by_their_own.emplace(expire_time, account, id);
    }
  }
  for (const auto& [time, account, id] : by_their_own) {
    count += RemoveMessages(shared, state.accounts.at(account), {id}, DeletionCause::kRetention);
  }
  return count;
}

}  // namespace

Task<absl::StatusOr<UpkeepStep>> MemoryMessages::Expire() {
  UpkeepStep step;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    step.count = DoExpire(shared_);
  }
  co_await shared_.End();
  co_return step;
}

Task<absl::StatusOr<UpkeepStep>> MemoryMessages::EmptyTrash() {
  UpkeepStep step;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (auto& [id, kept] : state.accounts) {
      const auto is_over = [&](const auto& deleted) {
        return !IsRestorable(shared_, deleted.second.deletion);
      };
      step.count += static_cast<int64_t>(std::erase_if(kept.trash, is_over));
    }
  }
  co_await shared_.End();
  co_return step;
}

}  // namespace mailstead::engine
