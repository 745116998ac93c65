#include "mailctl/socket.h"

#include <netdb.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mailstead::ctl {

Socket::Socket(int fd, absl::Duration patience) : fd_(fd) {
  if (fd_ < 0) return;
  const timeval time = absl::ToTimeval(patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);  // of connect(), too
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

bool Socket::Connect(const sockaddr* address, socklen_t size) const {
  return fd_ >= 0 && connect(fd_, address, size) == 0;
}

std::unique_ptr<Socket> ConnectUnix(absl::string_view path, absl::Duration patience) {
  sockaddr_un address = {.sun_family = AF_UNIX};
  if (path.size() >= sizeof address.sun_path) return nullptr;
  std::memcpy(address.sun_path, path.data(), path.size());
  auto found = std::make_unique<Socket>(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), patience);
  return found->Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address) ? std::move(found)
                                                                                     : nullptr;
}

std::unique_ptr<Socket> ConnectTcp(const std::string& host, const std::string& port,
                                   absl::Duration patience) {
  const addrinfo hints = {.ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    errno = EADDRNOTAVAIL;
    return nullptr;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  int why = EADDRNOTAVAIL;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    auto candidate = std::make_unique<Socket>(
        socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol), patience);
    if (candidate->Connect(at->ai_addr, at->ai_addrlen)) return candidate;
    why = errno;
  }
  errno = why;
  return nullptr;
}

}  // namespace mailstead::ctl
