// Real TCP connections on loopback for tests: a Stream on one side, a plain blocking descriptor on the other.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "common/net/stream.h"
#include "gtest/gtest.h"

namespace mailstead::net {

// Runs `work` on `context` to its end, with everything that it left queued; the timer of a Stream may stay set.
template <typename T>
T Await(asio::io_context& context, asio::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(work), [&](std::exception_ptr thrown, T value) {
    failure = thrown;
    if (!thrown) result.emplace(std::move(value));
  });
  context.restart();
  while (!result.has_value() && !failure && context.run_one() > 0) continue;
  context.poll();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

// A blocking socket; no call of a test waits longer than ten seconds.
class Client {
 public:
  Client() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{10, 0};
    EXPECT_EQ(::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    EXPECT_EQ(::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool Connect(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  int fd() const { return fd_; }
  void SetBuffer(int option, int bytes) { ::setsockopt(fd_, SOL_SOCKET, option, &bytes, sizeof(bytes)); }

  bool Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Up to `max_bytes` in one call; empty at the end, on a reset, and after ten seconds.
  std::string Receive(size_t max_bytes = 4096) {
    std::string bytes(max_bytes, '\0');
    const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return bytes;
  }
  std::string ReceiveAll() {
    std::string all;
    for (std::string part = Receive(); !part.empty(); part = Receive()) all += part;
    return all;
  }
  void FinishSending() { ::shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // The other side sees a reset.
  void Reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    Close();
  }

 private:
  int fd_;
};

// One connection: `stream` is the server's side.
struct Loopback {
  Loopback() {
    asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    // Small buffers on both sides, so that back-pressure comes soon.
    client.SetBuffer(SO_RCVBUF, 16384);
    EXPECT_TRUE(client.Connect(acceptor.local_endpoint().port()));
    asio::ip::tcp::socket socket = acceptor.accept();
    socket.set_option(asio::socket_base::send_buffer_size(16384));
    stream = std::make_unique<Stream>(std::move(socket));
  }

  asio::io_context context{1};
  Client client;
  std::unique_ptr<Stream> stream;
};

inline asio::awaitable<absl::StatusOr<std::string>> ReadUpTo(Stream& stream, size_t max_bytes,
                                                             absl::Duration timeout) {
  std::string bytes(max_bytes, '\0');
  absl::StatusOr<size_t> count = co_await stream.ReadSome(absl::MakeSpan(bytes), timeout);
  if (!count.ok()) co_return count.status();
  bytes.resize(*count);
  co_return bytes;
}

// Until `size_bytes` have come.
inline asio::awaitable<absl::StatusOr<std::string>> ReadExactly(Stream& stream, size_t size_bytes,
                                                                absl::Duration timeout) {
  std::string bytes(size_bytes, '\0');
  size_t have = 0;
  while (have < size_bytes) {
    absl::StatusOr<size_t> count = co_await stream.ReadSome(absl::MakeSpan(bytes).subspan(have), timeout);
    if (!count.ok()) co_return count.status();
    have += *count;
  }
  co_return bytes;
}

// Bytes that differ along the way, to see any that are lost, doubled or exchanged.
inline std::string Pattern(size_t size_bytes) {
  std::string bytes(size_bytes, '\0');
  uint32_t state = 1;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace mailstead::net
