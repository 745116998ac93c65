// The open connections of a daemon, so that a shutdown reaches each of them on its own thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"

namespace mailstead::frontend {

// What the set asks of a connection. Drain and Close are called on the connection's own executor, of one
// thread.
class Connection {
 public:
  virtual asio::any_io_executor executor() = 0;
  // The process ends: end the session at once when it is idle, else after the command in progress.
  virtual void Drain() = 0;
  // The time for that is over: end the session now, in the middle of whatever it does.
  virtual void Close() = 0;

 protected:
  ~Connection() = default;
};

// Thread-safe.
class ConnectionSet {
 public:
  // A connection's place in the set, from its making to its destruction on the connection's thread.
  class Place {
   public:
    Place(ConnectionSet& set, Connection& connection);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    ConnectionSet& set_;
    const uint64_t id_;
  };

  // Tells every connection to drain; from now on also those that come.
  void Drain();
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  // Tells every connection to close.
  void CloseAll();
  // False when there are some left after `timeout`.
  bool WaitUntilEmpty(absl::Duration timeout);
  size_t count() const;

 private:
  using Call = void (Connection::*)();

  uint64_t Add(Connection& connection);
  void Remove(uint64_t id);
  // Makes the call on the connection's own thread, unless it has gone by then.
  void Post(uint64_t id, Connection& connection, Call call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PostToAll(Call call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Connection* Find(uint64_t id) const;

  // Set under the mutex; read without it.
  std::atomic<bool> draining_ = false;
  mutable absl::Mutex mutex_;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, Connection*> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::frontend
