// One after another: what must not be done by two coroutines at the same time.
#pragma once

#include <coroutine>
#include <deque>

#include "common/base/executor.h"

namespace mailstead::stored {

// Used on the executor's thread.
class Turns {
 public:
  explicit Turns(Executor& executor) : executor_(executor) {}
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // While it lives, nobody else has one.
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(turns) {}
    ~Turn() { turns_.Leave(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns& turns_;
  };

  // co_await turns.Mine(); const Turns::Turn turn(turns);
  auto Mine() {
    struct Awaiter {
      Turns& turns;
      bool await_ready() const { return !turns.taken_; }
      void await_suspend(std::coroutine_handle<> waiting) const { turns.waiting_.push_back(waiting); }
      void await_resume() const { turns.taken_ = true; }
    };
    return Awaiter{*this};
  }

 private:
  void Leave() {
    if (waiting_.empty()) {
      taken_ = false;
      return;
    }
    // It stays taken: by the next.
    const std::coroutine_handle<> next = waiting_.front();
    waiting_.pop_front();
    executor_.Resume({&next, 1});
  }

  Executor& executor_;
  bool taken_ = false;
  std::deque<std::coroutine_handle<>> waiting_;
};

}  // namespace mailstead::stored
