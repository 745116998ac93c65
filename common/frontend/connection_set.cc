#include "common/frontend/connection_set.h"

#include "asio/post.hpp"

namespace mailstead::frontend {

ConnectionSet::Place::Place(ConnectionSet& set, Connection& connection)
    : set_(set), id_(set.Add(connection)) {}

ConnectionSet::Place::~Place() { set_.Remove(id_); }

uint64_t ConnectionSet::Add(Connection& connection) {
  absl::MutexLock lock(&mutex_);
  const uint64_t id = next_id_++;
  connections_[id] = &connection;
  // We are on its own thread, and it has not begun yet.
  if (draining()) connection.Drain();
  return id;
}

void ConnectionSet::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(id);
}

void ConnectionSet::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_.store(true, std::memory_order_relaxed);
  PostToAll(&Connection::Drain);
}

void ConnectionSet::CloseAll() {
  absl::MutexLock lock(&mutex_);
  PostToAll(&Connection::Close);
}

bool ConnectionSet::WaitUntilEmpty(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return connections_.empty(); };
  return mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
}

size_t ConnectionSet::count() const {
  absl::MutexLock lock(&mutex_);
  return connections_.size();
}

void ConnectionSet::Post(uint64_t id, Connection& connection, Call call) {
  // A connection is destroyed on its own thread only, so one that is found there stays during the call.
  asio::post(connection.executor(), [this, id, call] {
    Connection* const found = Find(id);
    if (found != nullptr) (found->*call)();
  });
}

void ConnectionSet::PostToAll(Call call) {
  for (const auto& [id, connection] : connections_) Post(id, *connection, call);
}

Connection* ConnectionSet::Find(uint64_t id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second;
}

}  // namespace mailstead::frontend
