// Connections that block, each step for a bounded time: mailctl has nothing else to do meanwhile.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::ctl {

class Socket {
 public:
  // Owns `fd`; below 0: there is none. `patience` is for connecting, and for each read and write.
  Socket(int fd, absl::Duration patience);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  // errno says why not.
  bool Connect(const sockaddr* address, socklen_t size) const;

 private:
  const int fd_;
};

// Nullptr: nothing answers, and errno says why, where there was an address.
std::unique_ptr<Socket> ConnectUnix(absl::string_view path, absl::Duration patience);
std::unique_ptr<Socket> ConnectTcp(const std::string& host, const std::string& port, absl::Duration patience);

}  // namespace mailstead::ctl
