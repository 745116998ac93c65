// Ends what accounts may do in the sessions that are open when they are disabled, removed or renamed, get another
// password, or an operator ends a session: while sessions are logged in, the store is asked twice a second what has
// changed (a question of a few bytes), and then about the sessions that it may concern. A command costs nothing, nor does a
// session that ends before the next question.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/frontend/recurring.h"
#include "common/store/ids.h"
#include "common/store/store_api.h"

namespace mailstead::frontend {

class LoginWatch {
 private:
  struct Entry;

 public:
  // A login that is watched, for as long as this lives. Destroyed on the session's executor.
  class Login {
   public:
    ~Login();
    Login(const Login&) = delete;
    Login& operator=(const Login&) = delete;

   private:
    friend class LoginWatch;
    Login(LoginWatch& watch, uint64_t id, std::shared_ptr<Entry> entry)
        : watch_(watch), id_(id), entry_(std::move(entry)) {}

    LoginWatch& watch_;
    const uint64_t id_;
    const std::shared_ptr<Entry> entry_;
  };

  // The watch runs on `executor`, of one thread; `store`, the executor and `timers` outlive it. `period` lies between an
  // answer and the next question.
  LoginWatch(store::StoreApi& store, asio::any_io_executor executor,
             absl::Duration period = absl::Milliseconds(500), Timers& timers = Timers::Steady());
  // No Login is left.
  ~LoginWatch();

  // Begins to ask. Once.
  void Start() { recurring_.Start(); }
  // Asks no more. False when the question that is under way has no answer within `timeout`: what it uses must
  // stay. Not on the executor's thread.
  bool Stop(absl::Duration timeout) { return recurring_.Stop(timeout); }

  // `ended` is called at most once, on the session's `executor`, and never after the Login is gone. Thread-safe.
  std::unique_ptr<Login> Watch(AccountId account, std::string grant, asio::any_io_executor executor,
                               std::function<void(store::LoginEnd)> ended);

 private:
  using Entries = std::vector<std::shared_ptr<Entry>>;

  asio::awaitable<absl::Duration> Turn();
  asio::awaitable<absl::Status> Ask();
  asio::awaitable<absl::Status> Check(const Entries& entries);
  // Those that a change concerns, and those that the store was not asked about yet.
  Entries Concerned(const store::LoginChanges& changes);
  void Note(const absl::Status& status);

  store::StoreApi& store_;
  const absl::Duration period_;
  // Used on the executor only, down to told_.
  // Of the last answer. Empty when nothing was watched then: what is new is asked about anyway.
  std::string cursor_;
  // Set while questions fail, so that the log has one line of it.
  bool told_ = false;

  absl::Mutex mutex_;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);

  Recurring recurring_;
};

}  // namespace mailstead::frontend
