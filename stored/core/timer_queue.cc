#include "stored/core/timer_queue.h"

#include <algorithm>

namespace mailstead::stored {
namespace {

// Far enough, and no overflow when added to now.
constexpr absl::Duration kMaxDelay = absl::Hours(24 * 365);

}  // namespace

TimerQueue::TimerQueue() : thread_([this] { Run(); }) {}

TimerQueue::~TimerQueue() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

TimerQueue::Ticket TimerQueue::RunAfter(absl::Duration delay, absl::AnyInvocable<void()> run) {
  const auto when = std::chrono::steady_clock::now() +
                    absl::ToChronoNanoseconds(std::clamp(delay, absl::ZeroDuration(), kMaxDelay));
  Ticket ticket;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ticket = next_ticket_++;
    const Key key(when, ticket);
    waiting_.emplace(key, std::move(run));
    keys_.emplace(ticket, key);
  }
  changed_.notify_all();
  return ticket;
}

bool TimerQueue::Cancel(Ticket ticket) {
  absl::AnyInvocable<void()> dropped;  // Destroyed after the lock: what it holds may call us.
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto key = keys_.find(ticket);
  if (key == keys_.end()) return false;
  const auto entry = waiting_.find(key->second);
  dropped = std::move(entry->second);
  waiting_.erase(entry);
  keys_.erase(key);
  return true;
}

void TimerQueue::RunAllNow() {
  std::map<Key, absl::AnyInvocable<void()>> all;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    all = std::exchange(waiting_, {});
    keys_.clear();
  }
  for (auto& [key, run] : all) run();
}

void TimerQueue::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = waiting_.begin();
    if (std::chrono::steady_clock::now() < first->first.first) {
      const auto when = first->first.first;
      changed_.wait_until(lock, when);
      continue;
    }
    absl::AnyInvocable<void()> run = std::move(first->second);
    keys_.erase(first->first.second);
    waiting_.erase(first);
    lock.unlock();
    run();
    run = nullptr;
    lock.lock();
  }
}

}  // namespace mailstead::stored
