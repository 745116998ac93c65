#include "common/net/local_address.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "absl/cleanup/cleanup.h"
#include "asio/ip/udp.hpp"

namespace mailstead::net {
namespace {

// Any port: what a UDP socket is connected to hears nothing of it.
constexpr uint16_t kDiscardPort = 9;

}  // namespace

bool IsLocalAddress(const asio::ip::address& address) {
  if (address.is_unspecified() || address.is_multicast()) return false;
  // To this machine packets go from the address that they go to.
  const asio::ip::udp::endpoint to(address, kDiscardPort);
  const int socket = ::socket(to.protocol().family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const absl::Cleanup close = [socket] { ::close(socket); };
  if (::connect(socket, to.data(), static_cast<socklen_t>(to.size())) != 0) return false;
  asio::ip::udp::endpoint from;
  auto size = static_cast<socklen_t>(from.capacity());
  if (::getsockname(socket, from.data(), &size) != 0) return false;
  from.resize(size);
  return from.address() == address;
}

}  // namespace mailstead::net
