// The client's end of a golden dialog: one socket, plain or under TLS, that never blocks the thread it shares
// with the server.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace mailstead::test {

class ChatClient {
 public:
  // `socket` is connected to a server that runs on `io`; the client polls `io` whenever it must wait.
  ChatClient(asio::io_context& io, asio::ip::tcp::socket socket);
  ~ChatClient();

  absl::Status StartTls();
  absl::Status Send(absl::string_view bytes);
  // One line without its CRLF; Unavailable at the end of the stream; DeadlineExceeded when none comes.
  absl::Status ReadLine(std::string& line, absl::Duration timeout);
  // Reads until the end; what came is appended to `rest`. DeadlineExceeded when the end does not come.
  absl::Status ReadToEnd(std::string& rest, absl::Duration timeout);
  // Lets the server go on until it has nothing to do.
  void LetServerRun();
  void HalfClose();
  void Close();

 private:
  enum class Got { kBytes, kNothing, kEnd };
  Got TryRead();
  bool WaitFor(const std::function<bool()>& done, absl::Duration timeout);

  asio::io_context& io_;
  asio::ip::tcp::socket socket_;
  SSL_CTX* tls_context_ = nullptr;
  SSL* tls_ = nullptr;
  std::string received_;
  bool ended_ = false;
};

}  // namespace mailstead::test
