#include "common/frontend/login_watch.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "asio/post.hpp"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/limits.h"

namespace mailstead::frontend {
namespace {

// Of one question: the next one comes soon.
constexpr absl::Duration kAskTimeout = absl::Seconds(1);

store::CallContext Context() {
  store::CallContext context;
  context.timeout = kAskTimeout;
  return context;
}

}  // namespace

struct LoginWatch::Entry {
  const AccountId account;
  const std::string grant;
  const asio::any_io_executor executor;
  // Used on `executor` only. Empty when the Login is gone, or has been told.
  std::function<void(store::LoginEnd)> ended;
  // Set when the store has said that the login is good, cleared when that may have changed. Used by the watch only.
  bool checked = false;
};

LoginWatch::Login::~Login() {
  entry_->ended = nullptr;
  absl::MutexLock lock(&watch_.mutex_);
  watch_.entries_.erase(id_);
}

LoginWatch::LoginWatch(store::StoreApi& store, asio::any_io_executor executor, absl::Duration period,
                       Timers& timers)
    : store_(store),
      period_(period),
      recurring_(
          std::move(executor), period, [this] { return Turn(); }, timers) {}
LoginWatch::~LoginWatch() = default;

std::unique_ptr<LoginWatch::Login> LoginWatch::Watch(AccountId account, std::string grant,
                                                     asio::any_io_executor executor,
                                                     std::function<void(store::LoginEnd)> ended) {
  std::shared_ptr<Entry> entry(new Entry{account, std::move(grant), std::move(executor), std::move(ended)});
  uint64_t id = 0;
  {
    absl::MutexLock lock(&mutex_);
    id = next_id_++;
    entries_.emplace(id, entry);
  }
  return std::unique_ptr<Login>(new Login(*this, id, std::move(entry)));
}

asio::awaitable<absl::Duration> LoginWatch::Turn() {
  const absl::Status status = co_await Ask();
  if (!recurring_.stopping()) Note(status);
  co_return period_;
}

asio::awaitable<absl::Status> LoginWatch::Ask() {
  {
    absl::MutexLock lock(&mutex_);
    if (entries_.empty()) {
      cursor_.clear();
      co_return absl::OkStatus();
    }
  }
  // The cursor is taken before the logins are looked at: what changes meanwhile is in the next answer.
  store::CallContext context = Context();
  CO_ASSIGN_OR_RETURN(store::LoginChanges changes,
                      co_await store_.ListLoginChanges(cursor_, std::move(context)));
  const Entries concerned = Concerned(changes);
  cursor_ = std::move(changes.cursor);
  co_return co_await Check(concerned);
}

LoginWatch::Entries LoginWatch::Concerned(const store::LoginChanges& changes) {
  const absl::flat_hash_set<AccountId> changed(changes.accounts.begin(), changes.accounts.end());
  Entries concerned;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, entry] : entries_) {
    if (changes.any || changed.contains(entry->account)) entry->checked = false;
    // Should the question fail, it is asked again: only an answer sets `checked`.
    if (!entry->checked) concerned.push_back(entry);
  }
  return concerned;
}

asio::awaitable<absl::Status> LoginWatch::Check(const Entries& entries) {
  for (size_t begin = 0; begin < entries.size(); begin += store::kMaxCheckedLogins) {
    const size_t end = std::min(begin + store::kMaxCheckedLogins, entries.size());
    std::vector<std::string> grants;
    for (size_t i = begin; i < end; ++i) grants.push_back(entries[i]->grant);
    store::CallContext context = Context();
    CO_ASSIGN_OR_RETURN(const std::vector<store::EndedLogin> ended,
                        co_await store_.CheckLogins(std::move(grants), std::move(context)));
    for (size_t i = begin; i < end; ++i) entries[i]->checked = true;
    for (const store::EndedLogin& login : ended) {
      const std::shared_ptr<Entry>& entry = entries[begin + login.place];
      asio::post(entry->executor, [entry, why = login.why] {
        if (entry->ended) std::exchange(entry->ended, nullptr)(why);
      });
    }
  }
  co_return absl::OkStatus();
}

void LoginWatch::Note(const absl::Status& status) {
  if (std::exchange(told_, !status.ok()) == !status.ok()) return;
  if (status.ok()) {
    obs::LogInfo("logins_watched", {});
  } else {
    obs::LogWarning("logins_not_watched", {{"error", status.ToString()}});
  }
}

}  // namespace mailstead::frontend
