#include "smtpd/connection_set.h"

#include "asio/post.hpp"
#include "smtpd/connection.h"

namespace mailstead::smtp {

uint64_t ConnectionSet::Add(Connection& connection) {
  absl::MutexLock lock(&mutex_);
  const uint64_t id = next_id_++;
  connections_[id] = &connection;
  return id;
}

void ConnectionSet::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(id);
}

void ConnectionSet::Drain() {
  draining_.store(true, std::memory_order_relaxed);
  ForEach(&Connection::Drain);
}

void ConnectionSet::CloseAll() { ForEach(&Connection::Close); }

bool ConnectionSet::WaitUntilEmpty(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return connections_.empty(); };
  return mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
}

size_t ConnectionSet::count() const {
  absl::MutexLock lock(&mutex_);
  return connections_.size();
}

void ConnectionSet::ForEach(void (Connection::*call)()) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, connection] : connections_) {
    // A connection is destroyed on its own thread only, so one that is found there stays during the call.
    asio::post(connection->executor(), [this, id = id, call] {
      Connection* found = Find(id);
      if (found != nullptr) (found->*call)();
    });
  }
}

Connection* ConnectionSet::Find(uint64_t id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second;
}

}  // namespace mailstead::smtp
