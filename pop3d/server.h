// The listeners, and the connections they gave rise to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/net/listener.h"
#include "pop3d/connection.h"

namespace mailstead::pop3 {

class Server {
 public:
  // Both outlive it.
  Server(net::IoThreads& threads, const ConnectionContext& context) : threads_(threads), context_(context) {}
  // After Drain and after the end of the I/O threads.
  ~Server() = default;

  // Listens on each address. `name` is "pop3" or "pop3s", for the log. Errors of net::Listener::Start.
  absl::Status Listen(const std::string& name, const std::vector<std::string>& addresses, bool implicit_tls);

  // Of the first listener, until Drain.
  uint16_t port() const { return listeners_.front()->port(); }

  // Stops listening and ends all sessions: idle ones at once, others after their command; those that are not
  // done within `timeout` are cut off. Blocks. False when some have not ended even so (the store hangs).
  bool Drain(absl::Duration timeout);

 private:
  asio::awaitable<void> Serve(asio::ip::tcp::socket socket, bool implicit_tls);
  void Enter(const std::shared_ptr<Connection>& connection);
  void Leave(const std::shared_ptr<Connection>& connection);
  void Tell(void (Connection::*what)());
  bool WaitUntilEmpty(absl::Duration timeout);

  net::IoThreads& threads_;
  const ConnectionContext& context_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  absl::Mutex mutex_;
  // Shared with the coroutine that serves it: what is posted to a connection must find it alive.
  absl::flat_hash_set<std::shared_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mailstead::pop3
