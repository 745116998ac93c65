#include "tests/support/chat_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mailstead::test {
namespace {

constexpr absl::Duration kHandshakeTimeout = absl::Seconds(20);

}  // namespace

ChatClient::ChatClient(asio::io_context& io, asio::ip::tcp::socket socket)
    : io_(io), socket_(std::move(socket)) {
  socket_.native_non_blocking(true);
  // Each write is one packet, so that the byte mode means it.
  socket_.set_option(asio::ip::tcp::no_delay(true));
}

ChatClient::~ChatClient() {
  if (tls_ != nullptr) SSL_free(tls_);
  if (tls_context_ != nullptr) SSL_CTX_free(tls_context_);
}

bool ChatClient::WaitFor(const std::function<bool()>& done, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!done()) {
    if (absl::Now() > deadline) return false;
    if (io_.stopped()) io_.restart();
    if (io_.poll() == 0) io_.run_one_for(std::chrono::milliseconds(1));
  }
  return true;
}

void ChatClient::LetServerRun() {
  if (io_.stopped()) io_.restart();
  while (io_.poll() > 0) {
  }
}

absl::Status ChatClient::StartTls() {
  tls_context_ = SSL_CTX_new(TLS_client_method());
  tls_ = SSL_new(tls_context_);
  SSL_set_fd(tls_, socket_.native_handle());
  int result = 0;
  bool failed = false;
  const bool in_time = WaitFor(
      [&] {
        ERR_clear_error();
        result = SSL_connect(tls_);
        if (result == 1) return true;
        const int error = SSL_get_error(tls_, result);
        failed = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
        return failed;
      },
      kHandshakeTimeout);
  if (!in_time) return absl::DeadlineExceededError("TLS handshake takes too long");
  return failed ? absl::UnavailableError("TLS handshake failed") : absl::OkStatus();
}

absl::Status ChatClient::Send(absl::string_view bytes) {
  absl::Status status;
  const bool in_time = WaitFor(
      [&] {
        while (!bytes.empty()) {
          ssize_t sent;
          if (tls_ != nullptr) {
            ERR_clear_error();
            sent = SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
            if (sent <= 0 && SSL_get_error(tls_, static_cast<int>(sent)) == SSL_ERROR_WANT_WRITE) break;
          } else {
            sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) break;
          }
          if (sent <= 0) {
            status = absl::UnavailableError("cannot send: the server has closed");
            return true;
          }
          bytes.remove_prefix(static_cast<size_t>(sent));
        }
        // While the server reads what there is, its answers must not fill the pipe.
        while (TryRead() == Got::kBytes) {
        }
        return bytes.empty();
      },
      absl::Seconds(30));
  return in_time ? status : absl::DeadlineExceededError("the server does not read");
}

ChatClient::Got ChatClient::TryRead() {
  if (ended_) return Got::kEnd;
  char buffer[16384];
  ssize_t size;
  if (tls_ != nullptr) {
    ERR_clear_error();
    size = SSL_read(tls_, buffer, sizeof buffer);
    if (size <= 0 && SSL_get_error(tls_, static_cast<int>(size)) == SSL_ERROR_WANT_READ) return Got::kNothing;
  } else {
    size = ::recv(socket_.native_handle(), buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) return Got::kNothing;
  }
  if (size <= 0) {
    ended_ = true;
    return Got::kEnd;
  }
  received_.append(buffer, static_cast<size_t>(size));
  return Got::kBytes;
}

absl::Status ChatClient::ReadLine(std::string& line, absl::Duration timeout) {
  const bool in_time =
      WaitFor([&] { return absl::StrContains(received_, "\r\n") || TryRead() == Got::kEnd; }, timeout);
  const size_t end = received_.find("\r\n");
  if (end == std::string::npos) {
    if (in_time) return absl::UnavailableError(absl::StrCat("connection closed after \"", received_, "\""));
    return absl::DeadlineExceededError(absl::StrCat("no answer, after \"", received_, "\""));
  }
  line = received_.substr(0, end);
  received_.erase(0, end + 2);
  return absl::OkStatus();
}

absl::Status ChatClient::ReadToEnd(std::string& rest, absl::Duration timeout) {
  const bool in_time = WaitFor([&] { return TryRead() == Got::kEnd; }, timeout);
  rest += std::exchange(received_, "");
  return in_time ? absl::OkStatus() : absl::DeadlineExceededError("the server does not close");
}

void ChatClient::HalfClose() {
  if (tls_ != nullptr) SSL_shutdown(tls_);
  asio::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void ChatClient::Close() {
  asio::error_code ignored;
  socket_.close(ignored);
  ended_ = true;
}

}  // namespace mailstead::test
