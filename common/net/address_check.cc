#include "common/net/address_check.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>

namespace mailstead::net {
namespace {

using asio::ip::address_v4;
using asio::ip::address_v6;

struct Ipv4Network {
  uint32_t base;
  int prefix_bits;
  AddressVerdict verdict;
};
// RFC 6890's registry, as far as nobody's host can be there. The first that fits counts.
constexpr Ipv4Network kIpv4Networks[] = {
    {0x00000000, 8, AddressVerdict::kUnspecified}, {0x0a000000, 8, AddressVerdict::kPrivate},
    {0x64400000, 10, AddressVerdict::kPrivate},    {0x7f000000, 8, AddressVerdict::kLoopback},
    {0xa9fe0000, 16, AddressVerdict::kLinkLocal},  {0xac100000, 12, AddressVerdict::kPrivate},
    {0xc0a80000, 16, AddressVerdict::kPrivate},    {0xe0000000, 4, AddressVerdict::kMulticast},
    {0xffffffff, 32, AddressVerdict::kBroadcast},  {0xf0000000, 4, AddressVerdict::kReserved},
};

AddressVerdict CheckIpv4(const address_v4& address) {
  for (const Ipv4Network& network : kIpv4Networks) {
    const uint32_t mask = ~uint32_t{0} << (32 - network.prefix_bits);
    if ((address.to_uint() & mask) == network.base) return network.verdict;
  }
  return AddressVerdict::kAllowed;
}

bool StartsWith(const address_v6::bytes_type& bytes, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

address_v4 Ipv4At(const address_v6::bytes_type& bytes, size_t at) {
  return address_v4(address_v4::bytes_type{bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

// The IPv4 address that packets to `address` end at, where they do.
std::optional<address_v4> EmbeddedIpv4(const address_v6& address) {
  const address_v6::bytes_type bytes = address.to_bytes();
  constexpr size_t kLast = 12;
  const bool mapped = address.is_v4_mapped();
  const bool nat64 = StartsWith(bytes, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0});
  const bool compatible = StartsWith(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  if (mapped || nat64 || compatible) return Ipv4At(bytes, kLast);
  if (StartsWith(bytes, {0x20, 0x02})) return Ipv4At(bytes, 2);
  return std::nullopt;
}

AddressVerdict CheckIpv6(const address_v6& address) {
  if (address.is_unspecified()) return AddressVerdict::kUnspecified;
  if (address.is_loopback()) return AddressVerdict::kLoopback;
  if (address.is_multicast()) return AddressVerdict::kMulticast;
  const std::optional<address_v4> embedded = EmbeddedIpv4(address);
  if (embedded.has_value()) return CheckIpv4(*embedded);
  const address_v6::bytes_type bytes = address.to_bytes();
  if (address.is_link_local()) return AddressVerdict::kLinkLocal;
  const bool local_nat64 = StartsWith(bytes, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01});
  const bool unique_local = (bytes[0] & 0xfe) == 0xfc;
  if (unique_local || address.is_site_local() || local_nat64) return AddressVerdict::kPrivate;
  return AddressVerdict::kAllowed;
}

// The IPv4 address where there is one, so that an address has one form.
asio::ip::address Unwrapped(const asio::ip::address& address) {
  if (address.is_v4()) return address;
  const std::optional<address_v4> embedded = EmbeddedIpv4(address.to_v6());
  if (!embedded.has_value() || address.to_v6().is_unspecified() || address.to_v6().is_loopback())
    return address;
  return *embedded;
}

}  // namespace

absl::string_view AddressVerdictText(AddressVerdict verdict) {
  switch (verdict) {
    case AddressVerdict::kAllowed:
      return "allowed";
    case AddressVerdict::kUnspecified:
      return "unspecified";
    case AddressVerdict::kLoopback:
      return "loopback";
    case AddressVerdict::kLinkLocal:
      return "link-local";
    case AddressVerdict::kPrivate:
      return "private";
    case AddressVerdict::kMulticast:
      return "multicast";
    case AddressVerdict::kBroadcast:
      return "broadcast";
    case AddressVerdict::kReserved:
      return "reserved";
    case AddressVerdict::kOurselves:
      return "our own";
  }
  return "?";
}

void AddOwnListener(const asio::ip::tcp::endpoint& listener, uint16_t port, AddressRules& rules) {
  if (listener.port() != port) return;
  const asio::ip::address address = Unwrapped(listener.address());
  if (address.is_unspecified()) {
    rules.own_machine = true;
  } else if (!address.is_loopback()) {
    rules.own.push_back(address);
  }
}

AddressVerdict CheckAddress(const asio::ip::address& address, const AddressRules& rules) {
  const asio::ip::address target = Unwrapped(address);
  if (rules.allowed.Contains(address) || rules.allowed.Contains(target)) return AddressVerdict::kAllowed;
  const auto is_target = [&target](const asio::ip::address& own) { return Unwrapped(own) == target; };
  if (std::any_of(rules.own.begin(), rules.own.end(), is_target)) return AddressVerdict::kOurselves;
  const AddressVerdict verdict = target.is_v4() ? CheckIpv4(target.to_v4()) : CheckIpv6(target.to_v6());
  // What nobody's host can be at says more than that it is this machine.
  if (verdict != AddressVerdict::kAllowed && verdict != AddressVerdict::kPrivate) return verdict;
  if (rules.own_machine && rules.is_of_machine(target)) return AddressVerdict::kOurselves;
  return rules.allow_private ? AddressVerdict::kAllowed : verdict;
}

}  // namespace mailstead::net
