// Networks as operators write them: "127.0.0.0/8,10.0.0.0/8,2001:db8::/32".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/ip/address.hpp"

namespace mailstead::net {

class NetworkList {
 public:
  // A comma separated list; an address without "/n" is one host. InvalidArgument names the bad item. An empty
  // text is no network.
  static absl::StatusOr<NetworkList> Parse(absl::string_view text);
  // Whether the address is in one of the networks. An IPv4-mapped IPv6 address counts as IPv4.
  bool Contains(const asio::ip::address& address) const;
  // Whether every address of `other` is in one network of ours.
  bool Covers(const NetworkList& other) const;
  bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    asio::ip::address_v6 base;  // IPv4 is mapped.
    int prefix_bits;
  };
  std::vector<Network> networks_;
};

}  // namespace mailstead::net
