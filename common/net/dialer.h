// Connects to one address, as a coroutine sees it.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"

namespace mailstead::net {

struct DialOptions {
  asio::ip::tcp::endpoint to;
  // Our own address, of the same family; absent: the system's choice.
  std::optional<asio::ip::address> source;
  absl::Duration timeout;
};

// Used by one coroutine, on its own single-threaded io_context.
class Dialer {
 public:
  explicit Dialer(asio::any_io_executor executor);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  // Once. Errors: Unavailable (refused, unreachable), DeadlineExceeded, Cancelled, FailedPrecondition (this machine
  // does not have the source address).
  asio::awaitable<absl::StatusOr<asio::ip::tcp::socket>> Dial(DialOptions options);
  // Ends Dial with Cancelled, also one that has not begun. From the dialer's own io_context only.
  void Cancel();

 private:
  struct Impl;
  // Shared with the timer's handler, which may still be queued when the dialer is gone.
  std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::net
