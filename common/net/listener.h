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
// Outlives the listeners and streams on it.
class IoThreads {
 public:
  // `count` 0: one for each core.
  explicit IoThreads(size_t count);
  // Joins; coroutines that still wait are destroyed where they are.
  ~IoThreads();
  // Stops the threads and waits for them; what waits stays as it is, and nothing runs any more. More than
  // once does no harm.
  void Join();
  // One of the contexts, in turn. Thread-safe.
  asio::io_context& Next();

  // A connection's place on one of the threads, which counts as its load until it goes. Not after the threads.
  class Place {
   public:
    Place(Place&& other) noexcept;
    Place& operator=(Place&&) = delete;
    ~Place();
    asio::io_context& context() const;

   private:
    friend IoThreads;
    struct Worker;
    explicit Place(Worker& worker);
    // Null when it was moved from.
    Worker* worker_;
  };
  // On the thread that has the fewest; of several the first, which accepts connections, so that one which comes alone is
  // served without waking another thread. Thread-safe.
  Place TakePlace();

  asio::io_context& first();
  size_t count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ListenerOptions {
  // Host and port: "[::]:25", "127.0.0.1:0" (any free port). "[::]" takes IPv4 too, and IPv4 alone where the
  // machine has no IPv6.
  std::string address;
  int backlog = 1024;
  // "[::]" takes IPv6 only.
  bool v6_only = false;
  // A peer that has gone without a word (power, network, a sleeping laptop) is noticed in this time: nothing that was sent
  // to it, nor a probe while nothing is sent, was acknowledged. Whole seconds, at least kLeastPeerTimeout; 0: the kernel's
  // own times, which are hours.
  absl::Duration peer_timeout;
};

inline constexpr absl::Duration kLeastPeerTimeout = absl::Seconds(3);

// What an address as in ListenerOptions names; else InvalidArgument.
absl::StatusOr<asio::ip::tcp::endpoint> ParseListenAddress(const std::string& address);
// Whether `address` is one as in ListenerOptions: OK or InvalidArgument. For flags, before anything is
// opened.
absl::Status CheckListenAddress(const std::string& address);

// Accepts on one address and gives each socket to `serve`, spawned as a coroutine on the thread that has the fewest.
// When the process is out of descriptors it pauses and goes on; it never spins. An exception that leaves
// `serve` (memory) ends that connection and is logged.
class Listener {
 public:
  // Serves one connection to its end. Called on the connection's own io_context.
  using Serve = std::function<asio::awaitable<void>(asio::ip::tcp::socket)>;

  // InvalidArgument for an address that does not parse, Unavailable when it cannot be bound ("address in
  // use").
  static absl::StatusOr<std::unique_ptr<Listener>> Start(IoThreads& threads, const ListenerOptions& options,
                                                         Serve serve);
  ~Listener();
  // The bound port.
  uint16_t port() const;
  // The bound address, as "127.0.0.1" or "::".
  std::string address() const;
  // Takes no new connections from now on. From any thread; the port is free again a moment later.
  void Stop();

 private:
  struct Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  // The listener's state, shared with the coroutine that accepts.
  std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::net
