// Streams that follow the change feed: who they are, and which commit wakes which of them.
//
// Nothing is buffered for them: a stream reads the feed itself, from where it is. It is woken when a commit has something for
// it, and told where that is, so that one that has read all does not walk over what is others'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/base/byte_budget.h"
#include "common/base/executor.h"
#include "stored/core/timer_queue.h"
#include "stored/core/waker.h"
#include "stored/engine/change.h"

namespace mailstead::stored {

struct WatchOptions {
  // A stream whose reader takes nothing for so long is ended; one that takes nothing for twice as long is cut off.
  absl::Duration write_timeout = absl::Seconds(30);
  // Streams at the same time, and accounts that they name in all: some hundred bytes each.
  size_t max_streams = 20'000;
  size_t max_watched_accounts = 1'000'000;
  // What all streams hold of what they are about to send; while it is full none reads on.
  size_t max_bytes = size_t{64} << 20;
};

// Used on the executor's thread, but for Committed and Stop.
class Watches final : public engine::ChangeListener {
 public:
  // All of them outlive it.
  Watches(engine::ChangeEngine& engine, TimerQueue& timers, Executor& executor, WatchOptions options);
  ~Watches() override;
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  const WatchOptions& options() const { return options_; }
  ByteBudget& budget() { return budget_; }
  Waker NewWaker() { return Waker(timers_, executor_); }
  TimerQueue& timers() { return timers_; }
  Executor& executor() { return executor_; }

  // All streams are to end, and none is begun. Any thread.
  void Stop();
  bool stopping() const;

  // One stream, while it lives.
  class Member {
   public:
    // `waker` outlives it: woken by Stop, too.
    Member(Watches& watches, Waker& waker);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    // Before it reads. ResourceExhausted with kReasonTooManyWatches.
    absl::Status Subscribe(std::vector<AccountId> accounts, std::string domain);
    // Before each read: what comes from now on is news.
    void Clear() { first_ = last_ = 0; }
    // Whether something behind this position came since, and where it may begin: nothing for this stream lies between.
    bool HasNews(int64_t position) const { return last_ > position; }
    int64_t first() const { return first_; }

   private:
    friend class Watches;
    void Wake(int64_t position);

    Watches& watches_;
    Waker& waker_;
    bool subscribed_ = false;
    // One of the two, or neither: all.
    std::vector<AccountId> accounts_;
    std::string domain_;
    // Positions of the first and the last change that has come; 0: none. From 1 on: anything may have come.
    int64_t first_ = 0;
    int64_t last_ = 0;
  };

  // Streams that there are.
  size_t stream_count() const;
  // ResourceExhausted with kReasonTooManyWatches.
  absl::Status CheckRoom() const;

  // Of which domain an account is: learned from what was read, as long as no account has changed since this was asked.
  int64_t account_changes() const;
  void Learn(AccountId account, absl::string_view address, int64_t account_changes);

  // ---- ChangeListener

  void Committed(absl::Span<const engine::CommittedChange> changes) override;

 private:
  struct State;

  static Task<void> Distribute(Executor& executor, std::shared_ptr<State> state);

  engine::ChangeEngine& engine_;
  TimerQueue& timers_;
  Executor& executor_;
  const WatchOptions options_;
  ByteBudget budget_;
  // Shared with what is on its way to the executor when this ends.
  const std::shared_ptr<State> state_;
};

}  // namespace mailstead::stored
