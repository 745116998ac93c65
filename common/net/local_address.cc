#include "common/net/local_address.h"

#include <cstdint>
#include <system_error>

#include "asio/io_context.hpp"
#include "asio/ip/udp.hpp"

namespace mailstead::net {
namespace {

// Any port: what a UDP socket is connected to hears nothing of it.
constexpr uint16_t kDiscardPort = 9;

}  // namespace

bool IsLocalAddress(const asio::ip::address& address) {
  if (address.is_unspecified() || address.is_multicast()) return false;
  // To this machine packets go from the address that they go to.
  asio::io_context context{1};
  asio::ip::udp::socket socket(context);
  std::error_code error;
  socket.open(address.is_v4() ? asio::ip::udp::v4() : asio::ip::udp::v6(), error);
  if (!error) socket.connect({address, kDiscardPort}, error);
  if (error) return false;
  const asio::ip::udp::endpoint local = socket.local_endpoint(error);
  return !error && local.address() == address;
}

}  // namespace mailstead::net
