#include "bench/load/client.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"

namespace mailstead::bench {
namespace {

constexpr size_t kReadBytes = 32 * 1024;

}  // namespace

Client::Client(asio::any_io_executor executor) : socket_(std::move(executor)) {}

asio::awaitable<void> Client::Connect(const Target& target, SSL_SESSION** session) {
  socket_.open(target.endpoint.protocol());
  if (!target.from.address().is_unspecified()) {
    // Many connections from one address: choose the port at connect, when the whole pair must be free, not at
    // bind.
    const int on = 1;
    setsockopt(socket_.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    socket_.bind(target.from);
  }
  co_await socket_.async_connect(target.endpoint, asio::use_awaitable);
  socket_.set_option(asio::ip::tcp::no_delay(true));
  tls_context_ = target.tls_context;
  session_ = session;
  if (target.tls == Tls::kImplicit) co_await StartTls();
}

asio::awaitable<void> Client::StartTls() {
  tls_ = std::make_unique<asio::ssl::stream<asio::ip::tcp::socket&>>(socket_, *tls_context_);
  if (session_ != nullptr && *session_ != nullptr) SSL_set_session(tls_->native_handle(), *session_);
  co_await tls_->async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
}

asio::awaitable<void> Client::Write(absl::string_view bytes) {
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  if (tls_ != nullptr) {
    co_await asio::async_write(*tls_, buffer, asio::use_awaitable);
  } else {
    co_await asio::async_write(socket_, buffer, asio::use_awaitable);
  }
}

asio::awaitable<void> Client::Fill() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ < kReadBytes) {
    buffer_.erase(0, begin_);
    end_ -= std::exchange(begin_, 0);
    buffer_.resize(std::max(buffer_.size(), end_ + kReadBytes));
  }
  const asio::mutable_buffer into(buffer_.data() + end_, buffer_.size() - end_);
  size_t count = 0;
  if (tls_ != nullptr) {
    count = co_await tls_->async_read_some(into, asio::use_awaitable);
  } else {
    count = co_await socket_.async_read_some(into, asio::use_awaitable);
  }
  end_ += count;
}

asio::awaitable<absl::string_view> Client::ReadLine() {
  for (;;) {
    const absl::string_view bytes = unread();
    const size_t end = bytes.find("\r\n");
    if (end != absl::string_view::npos) {
      begin_ += end + 2;
      co_return bytes.substr(0, end);
    }
    co_await Fill();
  }
}

asio::awaitable<size_t> Client::ReadMultiline() {
  // The lone dot may stand at once, or after a line end.
  size_t count = 0;
  bool at_line_start = true;
  for (;;) {
    const absl::string_view bytes = unread();
    if (at_line_start && bytes.size() >= 3 && bytes.substr(0, 3) == ".\r\n") {
      begin_ += 3;
      co_return count + 3;
    }
    const size_t end = bytes.find("\r\n.\r\n");
    if (end != absl::string_view::npos) {
      begin_ += end + 5;
      co_return count + end + 5;
    }
    // All but what may be the beginning of the end is done with.
    if (bytes.size() > 4) {
      count += bytes.size() - 4;
      begin_ += bytes.size() - 4;
      at_line_start = false;
    }
    co_await Fill();
  }
}

asio::awaitable<void> Client::ExpectSmtp(char first_digit) {
  for (;;) {
    const absl::string_view line = co_await ReadLine();
    if (line.empty() || line[0] != first_digit)
      throw std::runtime_error(absl::StrCat("unexpected reply: ", line));
    if (line.size() < 4 || line[3] != '-') co_return;
  }
}

asio::awaitable<void> Client::ExpectOk() {
  const absl::string_view line = co_await ReadLine();
  if (line.substr(0, 3) != "+OK") throw std::runtime_error(absl::StrCat("unexpected reply: ", line));
}

void Client::Close() {
  if (tls_ != nullptr && session_ != nullptr) {
    SSL_SESSION_free(*session_);
    *session_ = SSL_get1_session(tls_->native_handle());
    // Without a farewell OpenSSL takes the session for broken and does not resume it.
    SSL_set_shutdown(tls_->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  std::error_code ignored;
  socket_.close(ignored);
}

}  // namespace mailstead::bench
