// A host on loopback that does what a test says, on a thread of its own, with blocking calls.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "common/net/openssl.h"
#include "common/net/self_signed.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/tls_client.h"

namespace mailstead::smtp::outbound {

// The host's side of one connection. No call waits longer than ten seconds.
class HostConnection {
 public:
  explicit HostConnection(int fd) : fd_(fd) {
    const timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    // What is said is on its way at once.
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~HostConnection() { Close(); }
  HostConnection(const HostConnection&) = delete;
  HostConnection& operator=(const HostConnection&) = delete;

  void Say(absl::string_view bytes) {
    if (ssl_ != nullptr) {
      SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      return;
    }
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // Up to `max_bytes`; empty at the end.
  std::string Read(size_t max_bytes) {
    std::string bytes(max_bytes, '\0');
    const ssize_t count = ssl_ != nullptr ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                          : ::recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return bytes;
  }
  // The next line without its CRLF; "<end>" at the end.
  std::string Line() {
    while (true) {
      const size_t end = buffer_.find("\r\n");
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        return line;
      }
      const std::string bytes = Read(65'536);
      if (bytes.empty()) return "<end>";
      buffer_ += bytes;
    }
  }
  // Lines up to one that begins with `command`, which may be the end.
  void Await(absl::string_view command) {
    for (std::string line = Line(); !absl::StartsWith(line, command); line = Line()) {
      if (line == "<end>") {
        ADD_FAILURE() << "no " << std::string(command) << " came";
        return;
      }
    }
  }
  // Until the client has gone.
  void AwaitEnd() {
    while (!Read(65'536).empty()) continue;
  }
  // EHLO answered with `extensions`.
  void Greet(absl::string_view extensions) {
    Say("220 mx.example.test ESMTP\r\n");
    Await("EHLO");
    Say(absl::StrCat("250-mx.example.test\r\n", extensions, "250 HELP\r\n"));
  }
  bool StartTls(SSL_CTX* context) {
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd_);
    if (SSL_accept(ssl_.get()) == 1) return true;
    ERR_clear_error();
    return false;
  }
  SSL* ssl() { return ssl_.get(); }
  void SetReceiveBuffer(int bytes) { ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); }
  void Close() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_.get());
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void Reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  net::SslPtr ssl_;
  std::string buffer_;
};

// Serves as many connections as it has scripts, one after the other.
class ScriptedHost {
 public:
  using Script = std::function<void(HostConnection&)>;

  explicit ScriptedHost(std::vector<Script> scripts) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    // OpenSSL writes with write(2), on both sides.
    ::signal(SIGPIPE, SIG_IGN);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    // What a connection inherits: back-pressure comes soon.
    const int small = 16'384;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    const timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) {
        const int accepted = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) return;
        HostConnection connection(accepted);
        script(connection);
      }
    });
  }
  explicit ScriptedHost(Script script) : ScriptedHost(std::vector<Script>{std::move(script)}) {}
  ~ScriptedHost() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  ScriptedHost(const ScriptedHost&) = delete;
  ScriptedHost& operator=(const ScriptedHost&) = delete;

  uint16_t port() const { return port_; }

 private:
  const int fd_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// A certificate of the host for `name`, which is its own root, and its context.
struct HostTls {
  // As made at `now`: it has ended when that is long ago.
  explicit HostTls(absl::string_view name, absl::Time now = absl::Now()) : context(SSL_CTX_new(TLS_server_method())) {
    const absl::StatusOr<net::PemPair> made = net::MakeSelfSigned(name, now);
    EXPECT_TRUE(made.ok()) << made.status();
    certificate = made->certificate;
    const std::string cert_file = folder.Write("tls.crt", made->certificate);
    const std::string key_file = folder.Write("tls.key", made->key);
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), cert_file.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("host"), 4);
  }

  net::TempDir folder;
  std::string certificate;
  net::SslContextPtr context;
};

}  // namespace mailstead::smtp::outbound
