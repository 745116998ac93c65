// Time that moves only when the test says so: one clock for all that a test puts together.
//
//   FakeTime time;
//   store::StoreApi api(transport, nullptr, time);      // its retries wait for this clock
//   time.Advance(absl::Seconds(5));                     // wakes what waits until then, in order
//   while (time.AdvanceToNext()) Poll();                // a week of retries in a millisecond
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/timers.h"
#include "common/rpc/resume.h"

namespace mailstead {

// Thread-safe. Timers may outlive it.
class FakeTime final : public Timers {
 public:
  explicit FakeTime(absl::Time start = absl::FromUnixSeconds(1'700'000'000))
      : state_(std::make_shared<State>(start)) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&state_->mutex);
    return state_->now;
  }
  std::unique_ptr<Timer> NewTimer(asio::any_io_executor) override {
    return std::make_unique<FakeTimer>(state_);
  }

  // Wakes what waits for a time up to then, each at its time. What they wait for next is not looked at.
  void Advance(absl::Duration by) { AdvanceTo(Now() + by); }
  // To the next time that something waits for. False: nothing waits, but for ever.
  bool AdvanceToNext() {
    absl::Time next = absl::InfiniteFuture();
    {
      absl::MutexLock lock(&state_->mutex);
      for (const Wait& wait : state_->waits) next = std::min(next, wait.until);
    }
    if (next == absl::InfiniteFuture()) return false;
    AdvanceTo(next);
    return true;
  }
  // How many coroutines wait.
  size_t waiting_count() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->waits.size();
  }

 private:
  struct Wait {
    const void* timer;
    absl::Time until;
    // Given whether the time has come.
    rpc::Resumption<bool> done;
  };
  struct State {
    explicit State(absl::Time start) : now(start) {}
    absl::Mutex mutex;
    absl::Time now ABSL_GUARDED_BY(mutex);
    std::list<Wait> waits ABSL_GUARDED_BY(mutex);
  };

  class FakeTimer final : public Timer {
   public:
    explicit FakeTimer(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~FakeTimer() override { Cancel(); }

    asio::awaitable<bool> WaitUntil(absl::Time when) override {
      const auto start = [this, when](rpc::Resumption<bool> done) {
        {
          absl::MutexLock lock(&state_->mutex);
          if (when > state_->now) {
            state_->waits.push_back({this, when, std::move(done)});
            return;
          }
        }
        done(true);
      };
      co_return co_await rpc::AwaitResumption<bool>(start);
    }
    void Cancel() override {
      std::vector<rpc::Resumption<bool>> cancelled;
      {
        absl::MutexLock lock(&state_->mutex);
        for (auto it = state_->waits.begin(); it != state_->waits.end();) {
          if (it->timer != this) {
            ++it;
            continue;
          }
          cancelled.push_back(std::move(it->done));
          it = state_->waits.erase(it);
        }
      }
      for (auto& done : cancelled) done(false);
    }

   private:
    const std::shared_ptr<State> state_;
  };

  void AdvanceTo(absl::Time now) {
    std::vector<Wait> due;
    {
      absl::MutexLock lock(&state_->mutex);
      state_->now = std::max(state_->now, now);
      for (auto it = state_->waits.begin(); it != state_->waits.end();) {
        if (it->until > state_->now) {
          ++it;
          continue;
        }
        due.push_back(std::move(*it));
        it = state_->waits.erase(it);
      }
    }
    std::stable_sort(due.begin(), due.end(), [](const Wait& a, const Wait& b) { return a.until < b.until; });
    for (Wait& wait : due) wait.done(true);
  }

  const std::shared_ptr<State> state_;
};

}  // namespace mailstead
