// A coroutine that gives one value: the shape of everything asynchronous in stored, from a method of the API to a verb of
// the engine.
//
//   Task<absl::StatusOr<Account>> Find(AccountId id) {
//     CO_ASSIGN_OR_RETURN(Account account, co_await engine.FindAccount(id));
//     co_return account;
//   }
//
// A Task begins when it is awaited, and its awaiter goes on, without a change of threads, where the Task ended. One that
// never suspends costs a frame and nothing else. A Task is awaited once; destroyed unawaited it does nothing.
//
// Parameters of a coroutine are taken by value, or outlive it. g++ 12 destroys the captures of a lambda that is written
// inside a co_await expression twice: give such a lambda a name first.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace mailstead {

template <typename T>
class Task;

namespace task_internal {

class PromiseBase {
 public:
  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct MeetAwaiter {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      const std::coroutine_handle<> awaiter = ended.promise().Meet();
      // It may destroy us.
      if (awaiter) awaiter.resume();
    }
    void await_resume() const noexcept {}
  };
  MeetAwaiter final_suspend() const noexcept { return {}; }

  // We throw nothing; what a library throws is a bug of ours.
  void unhandled_exception() noexcept { std::terminate(); }

  void set_awaiter(std::coroutine_handle<> awaiter) { awaiter_ = awaiter; }
  // Called by both who meet at the end: the Task that has ended, and its awaiter that has begun it and is suspended. Null
  // for the first of them; the second sees to it that the awaiter goes on. So a loop over Tasks that end at once does not
  // grow the stack, which tail calls would promise in optimized builds only.
  std::coroutine_handle<> Meet() noexcept {
    return met_.exchange(true, std::memory_order_acq_rel) ? awaiter_ : nullptr;
  }

 private:
  std::coroutine_handle<> awaiter_;
  std::atomic<bool> met_ = false;
};

template <typename T>
class Promise : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <typename Value>
  void return_value(Value&& value) {
    value_.emplace(std::forward<Value>(value));
  }
  T TakeValue() { return *std::move(value_); }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void TakeValue() const noexcept {}
};

}  // namespace task_internal

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;

  Task() = default;
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiter) noexcept {
      coroutine_.promise().set_awaiter(awaiter);
      coroutine_.resume();
      return !coroutine_.promise().Meet();
    }
    T await_resume() { return coroutine_.promise().TakeValue(); }

   private:
    std::coroutine_handle<promise_type> coroutine_;
  };
  Awaiter operator co_await() const noexcept { return Awaiter(coroutine_); }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

namespace task_internal {

template <typename T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// Owns itself: its frame goes when it ends.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <typename Ended>
Detached Run(Task<void> task, Ended ended) {
  co_await task;
  ended();
}

}  // namespace task_internal

// Begins `task` on this thread and lets it go; `ended` is called on the thread where it ends.
template <typename Ended>
void Start(Task<void> task, Ended ended) {
  task_internal::Run(std::move(task), std::move(ended));
}
inline void Start(Task<void> task) {
  Start(std::move(task), [] {});
}

// An event with a value that another thread, or a later moment, brings: what a callback is to a coroutine.
//
//   Arrival<absl::Status> arrival;
//   writer.Submit(change, &arrival);              // calls arrival.Set(status) once, on any thread
//   absl::Status status = co_await arrival;       // goes on there, or at once when it has come
//
// Whoever calls Set does not touch the Arrival afterwards: it may be gone.
template <typename T>
class Arrival {
 public:
  Arrival() = default;
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  // Once. Resumes the coroutine that waits, on this thread.
  void Set(T value) {
    if (const std::coroutine_handle<> waiting = Put(std::move(value))) waiting.resume();
  }
  // The same, but leaves it to the caller to resume what waits, if anything does: for Executor::Resume.
  [[nodiscard]] std::coroutine_handle<> Put(T value) {
    value_.emplace(std::move(value));
    return met_.exchange(true, std::memory_order_acq_rel) ? waiting_ : nullptr;
  }

  bool await_ready() const noexcept { return met_.load(std::memory_order_acquire); }
  bool await_suspend(std::coroutine_handle<> waiting) noexcept {
    waiting_ = waiting;
    return !met_.exchange(true, std::memory_order_acq_rel);
  }
  T await_resume() { return *std::move(value_); }

 private:
  std::optional<T> value_;
  std::coroutine_handle<> waiting_;
  // Set by the first of the two that meet here: who brings the value, and who waits for it.
  std::atomic<bool> met_ = false;
};

}  // namespace mailstead
