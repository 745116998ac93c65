// The addresses a daemon listens on, and the connections that come of them, to the end of the last one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/frontend/connection_set.h"
#include "common/net/listener.h"

namespace mailstead::frontend {

class Listeners {
 public:
  // `threads` outlives it. `peer_timeout` as in net::ListenerOptions.
  explicit Listeners(net::IoThreads& threads, absl::Duration peer_timeout = absl::ZeroDuration())
      : threads_(threads), peer_timeout_(peer_timeout) {}

  // Listens on each "host:port". `name` is for the log: "mx". "[::]" is for IPv6 alone where "0.0.0.0" of the same port
  // stands beside it. Errors of net::Listener::Start.
  absl::Status Listen(const std::string& name, const std::vector<std::string>& addresses,
                      const net::Listener::Serve& serve);
  // Listens for connections of a type: each is OneConnection(context, socket), a frontend::Connection, and
  // serves its client in Run() to the end. `context` outlives the I/O threads' work.
  template <typename OneConnection, typename Context>
  absl::Status Listen(const std::string& name, const std::vector<std::string>& addresses,
                      const Context& context);

  // The port of the first listener, until Drain.
  uint16_t port() const { return listeners_.front()->port(); }
  const ConnectionSet& connections() const { return connections_; }

  // Stops listening, tells all sessions to end, and waits until they have; those that have not within
  // `timeout` are cut off. False when some have not ended even so (the store hangs): what they use must stay.
  // True: nothing waits any more, but the last connection may still be on its way to be destroyed, on its
  // thread.
  bool Drain(absl::Duration timeout);

 private:
  template <typename OneConnection, typename Context>
  static asio::awaitable<void> ServeOne(ConnectionSet& set, const Context& context,
                                        asio::ip::tcp::socket socket);

  net::IoThreads& threads_;
  const absl::Duration peer_timeout_;
  ConnectionSet connections_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
};

template <typename OneConnection, typename Context>
asio::awaitable<void> Listeners::ServeOne(ConnectionSet& set, const Context& context,
                                          asio::ip::tcp::socket socket) {
  OneConnection connection(context, std::move(socket));
  const ConnectionSet::Place place(set, connection);
  co_await connection.Run();
}

template <typename OneConnection, typename Context>
absl::Status Listeners::Listen(const std::string& name, const std::vector<std::string>& addresses,
                               const Context& context) {
  return Listen(name, addresses, [this, &context](asio::ip::tcp::socket socket) {
    return ServeOne<OneConnection>(connections_, context, std::move(socket));
  });
}

}  // namespace mailstead::frontend
