// The open connections of the process, so that a shutdown reaches each of them on its own thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mailstead::smtp {

class Connection;

// Thread-safe.
class ConnectionSet {
 public:
  // A connection adds itself, and leaves on the thread it runs on.
  uint64_t Add(Connection& connection);
  void Remove(uint64_t id);

  // From now on every session ends as soon as it is idle.
  void Drain();
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  // Ends what is still open, in the middle of whatever it does.
  void CloseAll();
  // False when there are some left after `timeout`.
  bool WaitUntilEmpty(absl::Duration timeout);
  size_t count() const;

 private:
  // Calls it on the connection's own thread, unless it has gone by then.
  void ForEach(void (Connection::*call)());
  Connection* Find(uint64_t id) const;

  std::atomic<bool> draining_ = false;
  mutable absl::Mutex mutex_;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, Connection*> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::smtp
