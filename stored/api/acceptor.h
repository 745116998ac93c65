// Takes connections in for the gRPC server. gRPC's own listener ends for good when accept() fails for want of a descriptor,
// so strangers who only connect would make the store deaf, and leave its files none. This one keeps descriptors back: a
// connection beyond is closed at once, and the next one is tried.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mailstead::stored {

class Acceptor {
 public:
  // Owns the connection from then on. On the acceptor's thread.
  using Take = absl::AnyInvocable<void(int descriptor)>;

  // Binds "127.0.0.1:7070", "[::]:7070", "name:7070" or "unix:/path"; port 0: any free one, the same for all addresses of a
  // name. Unavailable: it cannot, and why.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const std::string& address);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // 0 for a Unix socket.
  uint16_t port() const { return port_; }
  // Begins. Once.
  void Start(Take take);
  // Closes the listening sockets. No connection is taken when it returns.
  void Stop();

 private:
  Acceptor() = default;
  absl::Status ListenOnPath(const std::string& path);
  absl::Status ListenOnHost(const std::string& host, const std::string& port);
  void Run();
  void AcceptFrom(int listener);

  std::vector<int> listeners_;
  uint16_t port_ = 0;
  // Written to by Stop.
  int wake_[2] = {-1, -1};
  Take take_;
  // When the log was last told of a connection that was refused. Used on the acceptor's thread only.
  absl::Time told_ = absl::InfinitePast();
  std::thread thread_;
};

}  // namespace mailstead::stored
