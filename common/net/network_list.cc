#include "common/net/network_list.h"

#include <algorithm>
#include <cstdint>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mailstead::net {
namespace {

using asio::ip::address_v4;
using asio::ip::address_v6;

// Where the IPv4 address begins in a mapped one.
constexpr int kMappedBits = 96;

address_v6 Mapped(const asio::ip::address& address) {
  return address.is_v4() ? asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4()) : address.to_v6();
}

bool SamePrefix(const address_v6::bytes_type& a, const address_v6::bytes_type& b, int bits) {
  const size_t whole_bytes = bits / 8;
  for (size_t i = 0; i < whole_bytes; ++i) {
    if (a[i] != b[i]) return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (a[whole_bytes] & mask) == (b[whole_bytes] & mask);
}

absl::Status BadNetwork(absl::string_view item, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", item, "\": ", why));
}

bool IsDecimal(absl::string_view text) {
  return !text.empty() && text.size() <= 3 && text.find_first_not_of("0123456789") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<NetworkList> NetworkList::Parse(absl::string_view text) {
  NetworkList list;
  if (absl::StripAsciiWhitespace(text).empty()) return list;
  for (absl::string_view raw_item : absl::StrSplit(text, ',')) {
    const absl::string_view item = absl::StripAsciiWhitespace(raw_item);
    const size_t slash = item.find('/');
    std::error_code error;
    const asio::ip::address base = asio::ip::make_address(std::string(item.substr(0, slash)), error);
    if (error || (base.is_v6() && base.to_v6().scope_id() != 0)) {
      return BadNetwork(item, "not a network; write it as 10.0.0.0/8 or 2001:db8::/32");
    }
    const int max_bits = base.is_v4() ? 32 : 128;
    int bits = max_bits;
    if (slash != absl::string_view::npos) {
      const absl::string_view digits = item.substr(slash + 1);
      if (!IsDecimal(digits) || !absl::SimpleAtoi(digits, &bits) || bits > max_bits) {
        return BadNetwork(item, absl::StrCat("the number after / must be from 0 to ", max_bits));
      }
    }
    list.networks_.push_back({Mapped(base), base.is_v4() ? kMappedBits + bits : bits});
  }
  return list;
}

bool NetworkList::Contains(const asio::ip::address& address) const {
  const address_v6 wanted = Mapped(address);
  for (const Network& network : networks_) {
    // "::/0" is every IPv6 address and no IPv4 address.
    const bool network_is_v4 = network.prefix_bits >= kMappedBits && network.base.is_v4_mapped();
    if (network_is_v4 != wanted.is_v4_mapped()) continue;
    if (SamePrefix(network.base.to_bytes(), wanted.to_bytes(), network.prefix_bits)) return true;
  }
  return false;
}

bool NetworkList::Covers(const NetworkList& other) const {
  const auto covers = [](const Network& outer, const Network& inner) {
    const auto is_v4 = [](const Network& network) {
      return network.prefix_bits >= kMappedBits && network.base.is_v4_mapped();
    };
    return is_v4(outer) == is_v4(inner) && outer.prefix_bits <= inner.prefix_bits &&
           SamePrefix(outer.base.to_bytes(), inner.base.to_bytes(), outer.prefix_bits);
  };
  return std::all_of(other.networks_.begin(), other.networks_.end(), [&](const Network& inner) {
    return std::any_of(networks_.begin(), networks_.end(),
                       [&](const Network& outer) { return covers(outer, inner); });
  });
}

}  // namespace mailstead::net
