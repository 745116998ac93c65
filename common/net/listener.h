// Listening sockets and the threads that serve their connections.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"

namespace mailstead::net {

// One io_context and one thread per core; a connection stays on its own for life, so its state needs no lock.
class IoThreads {
 public:
  explicit IoThreads(size_t count);
  // Stops and joins.
  ~IoThreads();
  asio::io_context& Next();
  asio::io_context& first();
  size_t count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ListenerOptions {
  // "[::]:25", "127.0.0.1:0" (any free port). "[::]" takes IPv4 too.
  std::string address;
  int backlog = 1024;
};

// Accepts on one address and gives each socket to `serve`, spawned as a coroutine on a thread in turn.
// When the process is out of descriptors it pauses and goes on; it never spins.
class Listener {
 public:
  // Serves one connection to its end. Called on the connection's own io_context.
  using Serve = std::function<asio::awaitable<void>(asio::ip::tcp::socket)>;

  // InvalidArgument for an address that does not parse, Unavailable when it cannot be bound ("address in use").
  static absl::StatusOr<std::unique_ptr<Listener>> Start(IoThreads& threads, const ListenerOptions& options,
                                                         Serve serve);
  ~Listener();
  // The bound port.
  uint16_t port() const;
  // No new connections from now on.
  void Stop();

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::net
