#include "stored/core/watches.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/reason.h"
#include "stored/rules/directory.h"

namespace mailstead::stored {
namespace {

using engine::ChangeKind;
using engine::CommittedChange;

// Changes that are on their way to the executor's thread: of more than that it is only known that there are some.
constexpr size_t kMaxPending = 100'000;
// Accounts of which the domain is known, some 60 bytes each.
constexpr size_t kMaxKnownDomains = 100'000;

absl::Status TooMany(absl::string_view what) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("too many ", what, " at the same time")),
                    kReasonTooManyWatches);
}

bool IsOfAccount(ChangeKind kind) {
  return kind >= ChangeKind::kAccountCreated && kind <= ChangeKind::kAccountRemoved;
}

}  // namespace

struct Watches::State {
  absl::Mutex mutex;
  std::vector<CommittedChange> pending ABSL_GUARDED_BY(mutex);
  bool lost ABSL_GUARDED_BY(mutex) = false;
  bool scheduled ABSL_GUARDED_BY(mutex) = false;
  bool stop ABSL_GUARDED_BY(mutex) = false;

  // Of the executor's thread, all that follow.
  bool stopping = false;
  absl::flat_hash_set<Member*> members;
  absl::flat_hash_map<AccountId, std::vector<Member*>> of_account;
  absl::flat_hash_map<std::string, std::vector<Member*>> of_domain;
  std::vector<Member*> of_all;
  size_t watched_accounts = 0;
  absl::flat_hash_map<AccountId, std::string> domains;
  int64_t account_changes = 0;

  static void Wake(const std::vector<Member*>& members, int64_t position) {
    for (Member* const member : members) member->Wake(position);
  }
  void WakeDomain(const std::string& domain, int64_t position) {
    const auto found = of_domain.find(domain);
    if (found != of_domain.end()) Wake(found->second, position);
  }
  void Hand(const CommittedChange& change);
  // Begins the way to the executor's thread. True: it is to be started.
  bool Schedule() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return !std::exchange(scheduled, true); }
};

void Watches::State::Hand(const CommittedChange& change) {
  Wake(of_all, change.position);
  const auto found = of_account.find(change.account);
  if (found != of_account.end()) Wake(found->second, change.position);
  if (IsOfAccount(change.kind)) {
    ++account_changes;
    domains.erase(change.account);
  }
  if (of_domain.empty()) return;
  const auto known = domains.find(change.account);
  if (known != domains.end()) return WakeDomain(known->second, change.position);
  // It is any domain's: who reads it learns whose.
  for (const auto& [domain, members_of] : of_domain) Wake(members_of, change.position);
}

Watches::Watches(engine::ChangeEngine& engine, TimerQueue& timers, Executor& executor, WatchOptions options)
    : engine_(engine),
      timers_(timers),
      executor_(executor),
      options_(options),
      budget_(options.max_bytes),
      state_(std::make_shared<State>()) {
  engine_.SetListener(this);
}

Watches::~Watches() { engine_.SetListener(nullptr); }

Task<void> Watches::Distribute(Executor& executor, std::shared_ptr<State> state) {
  co_await ResumeOn(executor);
  std::vector<CommittedChange> changes;
  bool lost;
  {
    absl::MutexLock lock(&state->mutex);
    changes.swap(state->pending);
    lost = std::exchange(state->lost, false);
    state->scheduled = false;
    state->stopping = state->stop;
  }
  for (const CommittedChange& change : changes) state->Hand(change);
  if (!lost && !state->stopping) co_return;
  if (lost) {
    ++state->account_changes;
    state->domains.clear();
  }
  for (Member* const member : state->members) {
    if (lost) {
      member->first_ = 1;
      member->last_ = std::numeric_limits<int64_t>::max();
    }
    member->waker_.Wake();
  }
}

void Watches::Committed(absl::Span<const CommittedChange> changes) {
  bool start;
  {
    absl::MutexLock lock(&state_->mutex);
    if (changes.empty() || state_->pending.size() + changes.size() > kMaxPending) {
      state_->lost = true;
    } else {
      state_->pending.insert(state_->pending.end(), changes.begin(), changes.end());
    }
    start = state_->Schedule();
  }
  if (start) Start(Distribute(executor_, state_));
}

void Watches::Stop() {
  bool start;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->stop = true;
    start = state_->Schedule();
  }
  if (start) Start(Distribute(executor_, state_));
}

bool Watches::stopping() const { return state_->stopping; }
size_t Watches::stream_count() const { return state_->members.size(); }

absl::Status Watches::CheckRoom() const {
  return stream_count() <= options_.max_streams ? absl::OkStatus() : TooMany("streams that watch");
}

int64_t Watches::account_changes() const { return state_->account_changes; }

void Watches::Learn(AccountId account, absl::string_view address, int64_t account_changes) {
  if (account_changes != state_->account_changes || state_->of_domain.empty() || address.empty()) return;
  if (state_->domains.size() >= kMaxKnownDomains) state_->domains.clear();
  state_->domains[account] = rules::Split(address).domain;
}

Watches::Member::Member(Watches& watches, Waker& waker) : watches_(watches), waker_(waker) {
  watches_.state_->members.insert(this);
}

Watches::Member::~Member() {
  State& state = *watches_.state_;
  state.members.erase(this);
  if (!subscribed_) return;
  if (!domain_.empty()) {
    const auto found = state.of_domain.find(domain_);
    std::erase(found->second, this);
    if (found->second.empty()) state.of_domain.erase(found);
  } else if (accounts_.empty()) {
    std::erase(state.of_all, this);
  }
  for (const AccountId account : accounts_) {
    const auto found = state.of_account.find(account);
    std::erase(found->second, this);
    if (found->second.empty()) state.of_account.erase(found);
  }
  state.watched_accounts -= accounts_.size();
}

absl::Status Watches::Member::Subscribe(std::vector<AccountId> accounts, std::string domain) {
  State& state = *watches_.state_;
  if (state.watched_accounts + accounts.size() > watches_.options_.max_watched_accounts) {
    return TooMany("accounts that are watched");
  }
  subscribed_ = true;
  accounts_ = std::move(accounts);
  domain_ = std::move(domain);
  state.watched_accounts += accounts_.size();
  for (const AccountId account : accounts_) state.of_account[account].push_back(this);
  if (!domain_.empty()) {
    state.of_domain[domain_].push_back(this);
  } else if (accounts_.empty()) {
    state.of_all.push_back(this);
  }
  return absl::OkStatus();
}

void Watches::Member::Wake(int64_t position) {
  if (first_ == 0) first_ = position;
  last_ = std::max(last_, position);
  waker_.Wake();
}

}  // namespace mailstead::stored
