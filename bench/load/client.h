// A client's connection for the load generator: plain or TLS, lines and blocks. One coroutine, no time-outs
// of its own: the run has one (see main.cc).
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/ssl.hpp"

namespace mailstead::bench {

enum class Tls { kNone, kImplicit, kStartTls };

// Where to connect, and how. `tls_context` is needed for all but Tls::kNone.
struct Target {
  asio::ip::tcp::endpoint endpoint;
  Tls tls = Tls::kNone;
  asio::ssl::context* tls_context = nullptr;
  // The address to connect from; a zero port lets the system choose.
  asio::ip::tcp::endpoint from;
};

// Throws std::runtime_error and asio::system_error: a load run that meets an error is void.
class Client {
 public:
  explicit Client(asio::any_io_executor executor);

  // With TLS, `*session` is offered for resumption, and Close replaces it by this connection's. May be null.
  // `target` must live as long as the client.
  asio::awaitable<void> Connect(const Target& target, SSL_SESSION** session);
  // The client's handshake; Connect does it for Tls::kImplicit, the caller after STARTTLS or STLS.
  asio::awaitable<void> StartTls();
  asio::awaitable<void> Write(absl::string_view bytes);
  // One line without CRLF; valid until the next read.
  asio::awaitable<absl::string_view> ReadLine();
  // A POP3 multi-line response after its first line: how many bytes, up to and with the lone dot.
  asio::awaitable<size_t> ReadMultiline();
  // Reads an SMTP reply, which may have several lines, and checks its first digit.
  asio::awaitable<void> ExpectSmtp(char first_digit);
  // Reads a POP3 status line and checks that it is +OK.
  asio::awaitable<void> ExpectOk();
  void Close();

 private:
  asio::awaitable<void> Fill();
  absl::string_view unread() const { return absl::string_view(buffer_.data() + begin_, end_ - begin_); }

  asio::ip::tcp::socket socket_;
  std::unique_ptr<asio::ssl::stream<asio::ip::tcp::socket&>> tls_;
  // Room; what has been read and not been taken is from begin_ to end_.
  std::string buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  asio::ssl::context* tls_context_ = nullptr;
  SSL_SESSION** session_ = nullptr;
};

}  // namespace mailstead::bench
