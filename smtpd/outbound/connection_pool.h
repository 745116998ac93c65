// Connections to other hosts that are at rest, for the next message that may go over them.
//
// A connection is kept for a moment only: a host counts those that do nothing, and gets the address's others refused.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/base/worker_pool.h"
#include "common/net/client_tls.h"
#include "smtpd/outbound/client_connection.h"
#include "smtpd/outbound/connection_key.h"
#include "smtpd/outbound/delivery.h"
#include "smtpd/outbound/limits.h"

namespace mailstead::smtp::outbound {

struct PoolOptions {
  Timeouts timeouts;
  // At rest, before QUIT; and messages over one connection.
  absl::Duration idle_time = absl::Seconds(5);
  int max_messages = 100;
  // At rest, of all hosts together.
  size_t max_idle = 100;
};

// Told of connections that were made, or not; reused ones are not told again.
class ConnectionJournal {
 public:
  virtual ~ConnectionJournal() = default;
  virtual void Connected(const ConnectionKey& key, const ConnectionOutcome& outcome,
                         const Protection& protection) = 0;
};

// Used on one executor of one thread.
class ConnectionPool final : public Hosts {
 public:
  // All that is given by reference outlives it. Passwords are hashed on `hashing`.
  ConnectionPool(asio::any_io_executor executor, net::ClientTls& tls, WorkerPool& hashing,
                 ConnectionJournal& journal, PoolOptions options, Timers& timers = Timers::Steady());
  ~ConnectionPool() override;

  asio::awaitable<Found> Connect(const ConnectionKey& key, const std::string& password, Age age) override;
  void GiveBack(const ConnectionKey& key, std::unique_ptr<Host> host) override;

  // Ends those that have rested long enough, and gives when to call it next; InfiniteFuture: none rests.
  asio::awaitable<absl::Time> EndIdle();
  // Ends all that rest.
  asio::awaitable<void> EndAll();
  // Closes all connections that are under way: what they were at ends with an error.
  void Close();

 private:
  class PooledHost;
  struct Idle {
    std::unique_ptr<PooledHost> host;
    absl::Time until;
  };

  std::unique_ptr<PooledHost> TakeIdle(const ConnectionKey& key);

  const asio::any_io_executor executor_;
  net::ClientTls& tls_;
  WorkerPool& hashing_;
  ConnectionJournal& journal_;
  const PoolOptions options_;
  Timers& timers_;
  // The one that rested last is at the back, and used first: the others get old.
  absl::flat_hash_map<ConnectionKey, std::deque<Idle>> idle_;
  size_t idle_count_ = 0;
  // Used up; they are told so by EndIdle.
  std::vector<std::unique_ptr<PooledHost>> leaving_;
  // In use.
  absl::flat_hash_map<PooledHost*, bool> busy_;
  bool closed_ = false;
};

}  // namespace mailstead::smtp::outbound
