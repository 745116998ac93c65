// Which addresses may be connected to for what strangers have named: the hosts that mail goes to, and those of webhooks. What
// their DNS says must not lead to a service on this machine, to the network around it, or back to us.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "asio/ip/address.hpp"
#include "asio/ip/tcp.hpp"
#include "common/net/local_address.h"
#include "common/net/network_list.h"

namespace mailstead::net {

enum class AddressVerdict {
  kAllowed,
  // 0.0.0.0/8, "::".
  kUnspecified,
  kLoopback,
  kLinkLocal,
  // RFC 1918, RFC 6598, RFC 4193, site-local (RFC 3879) and the local NAT64 prefix (RFC 8215).
  kPrivate,
  kMulticast,
  // 255.255.255.255.
  kBroadcast,
  // The rest of 240.0.0.0/4.
  kReserved,
  // One of our own.
  kOurselves,
};

// "loopback".
absl::string_view AddressVerdictText(AddressVerdict verdict);

struct AddressRules {
  // Where our own listeners are reached.
  std::vector<asio::ip::address> own;
  // A listener of ours takes every address of this machine, and what these are is asked each time: they come and go.
  bool own_machine = false;
  std::function<bool(const asio::ip::address&)> is_of_machine = IsLocalAddress;
  // Whether kPrivate is allowed.
  bool allow_private = false;
  // Allowed whatever they are.
  NetworkList allowed;
};

// Adds where `listener`, one of ours, is reached by who connects to `port`. One on loopback adds nothing: nobody is sent there.
void AddOwnListener(const asio::ip::tcp::endpoint& listener, uint16_t port, AddressRules& rules);

// An IPv6 address that carries an IPv4 address to which it leads is what that is, if that is forbidden: IPv4-mapped and
// IPv4-compatible (RFC 4291 section 2.5.5), NAT64 (RFC 6052 section 2.1), 6to4 (RFC 3056).
AddressVerdict CheckAddress(const asio::ip::address& address, const AddressRules& rules);

}  // namespace mailstead::net
