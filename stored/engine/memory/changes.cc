// The change feed.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/change.h"
#include "stored/rules/new_message.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;

// What one Trim forgets.
constexpr size_t kMaxTrimmed = 1000;

std::string AddressOf(State& state, AccountId account) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  if (const KeptAccount* kept = state.Find(account)) return kept->account.address;
  const auto gone = state.feed.gone.find(account);
  return gone == state.feed.gone.end() ? "" : gone->second.first;
}

ChangeBounds BoundsOf(const KeptFeed& feed) { return {feed.first, feed.last()}; }

// Gives the change, in parts where it is a large deletion. False: the page is full before its end.
bool Give(const FeedChange& kept, MessageId after, const std::string& address, const ChangeQuestion& question,
          State& state, ChangePage& page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  FeedChange change = kept;
  change.current_address = address;
  if (kept.kind == ChangeKind::kDelivered && question.summaries) {
    const KeptAccount* const account = state.Find(kept.account);
    if (account != nullptr && account->messages.contains(kept.message)) {
      change.summary = rules::SummaryOf(kept.message, account->messages.at(kept.message).entry);
    }
  }
  auto next = std::upper_bound(kept.deleted.begin(), kept.deleted.end(), after);
  do {
    if (page.changes.size() == question.limit) return false;
    const size_t left = static_cast<size_t>(kept.deleted.end() - next);
    const auto end = next + static_cast<std::ptrdiff_t>(std::min(left, kMaxToldDeletions));
    change.deleted.assign(next, end);
    next = end;
    change.end = kept.end;
    if (next != kept.deleted.end()) change.end = {kept.end.position - 1, change.deleted.back()};
    page.reached = change.end;
    page.changes.push_back(change);
  } while (next != kept.deleted.end());
  return true;
}

absl::StatusOr<ChangePage> ReadPage(State& state, const ChangeQuestion& question)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  const KeptFeed& feed = state.feed;
  RETURN_IF_ERROR(rules::CheckCursor(question.after, BoundsOf(feed)));
  ChangePage page;
  page.reached = question.after;
  for (int64_t position = question.after.position + 1; position <= feed.last(); ++position) {
    const FeedChange& change = feed.changes[static_cast<size_t>(position - feed.first)];
    const std::string address = AddressOf(state, change.account);
    const bool wanted = rules::Wants(question, change.kind, change.account) &&
                        (question.domain.empty() || rules::IsOfDomain(question.domain, address, change.kind,
                                                                      change.address, change.old_address));
    const MessageId after = position == question.after.position + 1 ? question.after.message : MessageId();
    page.more = page.changes.size() >= question.limit ||
                (wanted && !Give(change, after, address, question, state, page));
    if (page.more) return page;
    page.reached = {position, MessageId{0}};
  }
  return page;
}

}  // namespace

void MemoryShared::Note(FeedChange change) {
  KeptFeed& feed = state().feed;
  change.time = clock_.Now();
  change.end = {feed.last() + 1, MessageId{0}};
  if (change.kind == ChangeKind::kAccountRemoved)
    feed.gone[change.account] = {change.address, change.end.position};
  const CommittedChange told{change.kind, change.account, change.end.position, change.address,
                             change.old_address};
  feed.changes.push_back(std::move(change));
  if (listener_ != nullptr) listener_->Committed({&told, 1});
}

ChangeBounds MemoryChanges::Bounds() const {
  absl::MutexLock lock(&shared_.state().mutex);
  return BoundsOf(shared_.state().feed);
}

Task<absl::StatusOr<ChangePage>> MemoryChanges::Read(ChangeQuestion question) {
  absl::StatusOr<ChangePage> page;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    page = ReadPage(shared_.state(), question);
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<bool>> MemoryChanges::Trim(absl::Duration age, int64_t max_count) {
  size_t trimmed = 0;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    KeptFeed& feed = shared_.state().feed;
    const absl::Time now = shared_.Now();
    for (; !feed.changes.empty() && trimmed < kMaxTrimmed; ++trimmed) {
      const FeedChange& oldest = feed.changes.front();
      const int64_t kept_count = static_cast<int64_t>(feed.changes.size());
      if (!rules::IsToBeForgotten(oldest.time, now, age, kept_count, max_count)) break;
      const auto gone = feed.gone.find(oldest.account);
      if (gone != feed.gone.end() && gone->second.second == feed.first) feed.gone.erase(gone);
      feed.changes.pop_front();
      ++feed.first;
    }
  }
  co_await shared_.End();
  co_return trimmed == kMaxTrimmed;
}

void MemoryChanges::SetListener(ChangeListener* listener) {
  absl::MutexLock lock(&shared_.state().mutex);
  shared_.SetListener(listener);
}

Task<absl::Status> MemoryChanges::CreateConsumer(FeedConsumer consumer) {
  absl::Status created;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    auto& consumers = shared_.state().feed.consumers;
    if (consumers.contains(consumer.name)) {
      created = rules::ConsumerExists(consumer.name);
    } else if (consumers.size() >= kMaxConsumers) {
      created = rules::TooManyConsumers();
    } else {
      consumer.fence = 0;
      const std::string name = consumer.name;
      consumers.emplace(name, std::move(consumer));
    }
  }
  co_await shared_.End();
  co_return created;
}

Task<absl::StatusOr<FeedConsumer>> MemoryChanges::FindConsumer(std::string name) {
  absl::StatusOr<FeedConsumer> found = rules::NoConsumer(name);
  {
    absl::MutexLock lock(&shared_.state().mutex);
    const auto& consumers = shared_.state().feed.consumers;
    if (const auto it = consumers.find(name); it != consumers.end()) found = it->second;
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<std::vector<FeedConsumer>>> MemoryChanges::ListConsumers(std::string after,
                                                                             size_t limit) {
  std::vector<FeedConsumer> page;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    const auto& consumers = shared_.state().feed.consumers;
    for (auto it = consumers.upper_bound(after); it != consumers.end() && page.size() < limit; ++it) {
      page.push_back(it->second);
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::Status> MemoryChanges::DeleteConsumer(std::string name) {
  absl::Status deleted;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    if (shared_.state().feed.consumers.erase(name) == 0) deleted = rules::NoConsumer(name);
  }
  co_await shared_.End();
  co_return deleted;
}

Task<absl::StatusOr<FeedConsumer>> MemoryChanges::ActivateConsumer(std::string name) {
  absl::StatusOr<FeedConsumer> active = rules::NoConsumer(name);
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const auto it = state.feed.consumers.find(name); it != state.feed.consumers.end()) {
      it->second.fence = state.next_number++;
      active = it->second;
    }
  }
  co_await shared_.End();
  co_return active;
}

Task<absl::Status> MemoryChanges::AckConsumer(std::string name, int64_t fence, ChangeCursor cursor,
                                              absl::Time now) {
  absl::Status acked = rules::NoConsumer(name);
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto it = state.feed.consumers.find(name);
    if (it != state.feed.consumers.end()) acked = rules::DecideAck(it->second, fence, cursor, now).status();
  }
  co_await shared_.End();
  co_return acked;
}

Task<absl::StatusOr<FeedConsumer>> MemoryChanges::ResetConsumer(std::string name, ChangeCursor cursor,
                                                                std::string incarnation) {
  absl::StatusOr<FeedConsumer> reset = rules::NoConsumer(name);
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const auto it = state.feed.consumers.find(name); it != state.feed.consumers.end()) {
      it->second.acked = cursor;
      it->second.incarnation = std::move(incarnation);
      it->second.fence = 0;
      reset = it->second;
    }
  }
  co_await shared_.End();
  co_return reset;
}

}  // namespace mailstead::engine
