#include "common/dns/caching_resolver.h"

#include <iterator>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "common/dns/limits.h"

namespace mailstead::dns {
namespace {

// One who waits. Its fields are used on its executor.
struct Waiter {
  Waiter(asio::any_io_executor where, Timers& timers)
      : executor(std::move(where)), timer(timers.NewTimer(executor)) {}
  const asio::any_io_executor executor;
  const std::unique_ptr<Timer> timer;
  std::optional<Answer> answer;
};

bool MayBeKept(const Answer& answer) {
  return answer.failure != Failure::kBusy && answer.failure != Failure::kStopped;
}

}  // namespace

class CachingResolver::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Resolver& behind, asio::any_io_executor executor, const CacheOptions& options, Timers& timers)
      : behind_(behind), executor_(std::move(executor)), options_(options), timers_(timers) {}

  // What is known at once; otherwise `waiter` will be told, by a post.
  std::optional<Answer> Find(const Question& question, const std::shared_ptr<Waiter>& waiter) {
    {
      absl::MutexLock lock(&mutex_);
      if (std::optional<Answer> kept = FindKept(question)) return kept;
      const auto open = open_.find(question);
      if (open != open_.end()) {
        ++shared_count_;
        open->second.push_back(waiter);
        return std::nullopt;
      }
      if (open_.size() >= options_.max_open) return Failed(Failure::kBusy);
      open_[question].push_back(waiter);
    }
    // Without the lock: on the executor's own thread it begins at once, and may even end.
    asio::co_spawn(executor_, AskBehind(shared_from_this(), question), asio::detached);
    return std::nullopt;
  }

  size_t entry_count() const {
    absl::MutexLock lock(&mutex_);
    return entries_.size();
  }
  size_t bytes() const {
    absl::MutexLock lock(&mutex_);
    return bytes_;
  }
  size_t hit_count() const {
    absl::MutexLock lock(&mutex_);
    return hit_count_;
  }
  size_t shared_count() const {
    absl::MutexLock lock(&mutex_);
    return shared_count_;
  }
  void Clear() {
    absl::MutexLock lock(&mutex_);
    entries_.clear();
    index_.clear();
    bytes_ = 0;
  }

 private:
  struct Entry {
    Question question;
    Answer answer;
    absl::Time until;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  static asio::awaitable<void> AskBehind(std::shared_ptr<Impl> self, Question question) {
    const absl::Time deadline = self->timers_.Now() + self->options_.timeout;
    const Answer answer = co_await self->behind_.Ask(question, deadline);
    self->Tell(question, answer);
  }

  void Tell(const Question& question, const Answer& answer) {
    std::vector<std::shared_ptr<Waiter>> waiters;
    {
      absl::MutexLock lock(&mutex_);
      const auto open = open_.find(question);
      waiters = std::move(open->second);
      open_.erase(open);
      Keep(question, answer);
    }
    for (std::shared_ptr<Waiter>& waiter : waiters) {
      const asio::any_io_executor executor = waiter->executor;
      asio::post(executor, [waiter = std::move(waiter), answer] {
        waiter->answer = answer;
        waiter->timer->Cancel();
      });
    }
  }

  std::optional<Answer> FindKept(const Question& question) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = index_.find(question);
    if (found == index_.end()) return std::nullopt;
    const Entries::iterator entry = found->second;
    const absl::Duration left = entry->until - timers_.Now();
    if (left <= absl::ZeroDuration()) {
      Drop(entry);
      return std::nullopt;
    }
    ++hit_count_;
    entries_.splice(entries_.begin(), entries_, entry);
    Answer answer = entry->answer;
    answer.ttl = left;
    return answer;
  }

  void Keep(const Question& question, const Answer& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!MayBeKept(answer)) return;
    const auto old = index_.find(question);
    if (old != index_.end()) Drop(old->second);
    // The name is in the list and in the index.
    const size_t bytes = kEntryBytes + 2 * question.name.size() + answer.memory_bytes();
    if (bytes > options_.max_bytes) return;
    while (bytes_ + bytes > options_.max_bytes) Drop(std::prev(entries_.end()));
    entries_.push_front({question, answer, timers_.Now() + answer.ttl, bytes});
    index_[question] = entries_.begin();
    bytes_ += bytes;
  }

  void Drop(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    bytes_ -= entry->bytes;
    index_.erase(entry->question);
    entries_.erase(entry);
  }

  Resolver& behind_;
  const asio::any_io_executor executor_;
  const CacheOptions options_;
  Timers& timers_;

  mutable absl::Mutex mutex_;
  // The one that was used last is first.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Question, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // What has been asked, and who waits for it.
  absl::flat_hash_map<Question, std::vector<std::shared_ptr<Waiter>>> open_ ABSL_GUARDED_BY(mutex_);
  size_t hit_count_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t shared_count_ ABSL_GUARDED_BY(mutex_) = 0;

  friend class CachingResolver;
};

CachingResolver::CachingResolver(Resolver& behind, asio::any_io_executor executor,
                                 const CacheOptions& options, Timers& timers)
    : impl_(std::make_shared<Impl>(behind, std::move(executor), options, timers)) {}
CachingResolver::~CachingResolver() = default;

asio::awaitable<Answer> CachingResolver::Ask(Question question, absl::Time deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  absl::AsciiStrToLower(&question.name);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter>(executor, impl->timers_);
  std::optional<Answer> known = impl->Find(question, waiter);
  if (known.has_value()) co_return *std::move(known);
  // The executor's one thread is ours until we wait: the answer is not told before. A deadline that has passed gives
  // true.
  co_await waiter->timer->WaitUntil(deadline);
  if (!waiter->answer.has_value()) co_return Failed(Failure::kTimeout);
  co_return *std::move(waiter->answer);
}

size_t CachingResolver::entry_count() const { return impl_->entry_count(); }
size_t CachingResolver::bytes() const { return impl_->bytes(); }
size_t CachingResolver::hit_count() const { return impl_->hit_count(); }
size_t CachingResolver::shared_count() const { return impl_->shared_count(); }
void CachingResolver::Clear() { impl_->Clear(); }

}  // namespace mailstead::dns
