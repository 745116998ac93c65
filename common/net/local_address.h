// Whether an address is one of this machine's.
#pragma once

#include "asio/ip/address.hpp"

namespace mailstead::net {

// As the kernel's routes have it at this moment; nothing is sent. False for a group or an unspecified address, and where the
// kernel cannot say.
bool IsLocalAddress(const asio::ip::address& address);

}  // namespace mailstead::net
