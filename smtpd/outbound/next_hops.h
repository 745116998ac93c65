// Where mail for a domain goes: from its name to hosts with addresses (RFC 5321 section 5), or to the reason why it
// goes nowhere.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/address.hpp"
#include "common/dns/mx_order.h"
#include "common/dns/resolver.h"
#include "common/net/address_check.h"

namespace mailstead::smtp {

// Addresses that one attempt tries (RFC 5321 section 5.1: "at least two"; a limit is allowed there): of one host, so
// that the next one gets its turn, and of all.
inline constexpr size_t kMaxAddressesPerHost = 4;
inline constexpr size_t kMaxAddressesPerAttempt = 10;

// A host that takes the mail.
struct NextHop {
  // As the MX record has it, or the domain itself, or its address literal: the name that a policy is for.
  std::string host;
  // Where the aliases of `host` lead; where DNSSEC proves an address, on the way to that.
  std::string canonical_name;
  // Whether DNSSEC proves an address of it; of either family.
  bool secure = false;
  // In the order in which they are tried; not empty.
  std::vector<asio::ip::address> addresses;
};

struct NextHops {
  // In the order in which they are tried; not empty.
  std::vector<NextHop> hosts;
  // Whether DNSSEC proves that these are the hosts: the MX records, or that there are none. So does an operator who names
  // them.
  bool mx_secure = false;
  // Where the aliases of the domain led when its MX records were asked for; empty for a host that an operator names.
  std::string canonical_domain;
  // The domain has no MX record and is its own host.
  bool implicit = false;
  // Hosts whose addresses could not be found out now. When none of `hosts` takes the mail for good, one of these may.
  std::vector<std::string> unresolved;
  // All hosts of the best preference, in no order, whether they have an address or not: those that the mail goes to. In lower
  // case.
  std::vector<std::string> best_names;
};

struct NoNextHop {
  enum class Reason {
    kNullMx,
    kNoDomain,
    // The DNS did not answer: later it may.
    kLookupFailed,
    // Hosts without any address, or MX records that are no hosts.
    kNoAddress,
    // Addresses that mail is not sent to (address_check.h), and no others.
    kForbidden,
    // We are the best host that there is.
    kLoop,
    // An address literal that is none.
    kBadLiteral,
  };
  Reason reason = Reason::kLookupFailed;
  // For people, in ASCII: which name, and why.
  std::string text;
  // Why an address was refused; kAllowed unless kForbidden.
  net::AddressVerdict verdict = net::AddressVerdict::kAllowed;

  bool temporary() const { return reason == Reason::kLookupFailed; }
};

// The enhanced status code (RFC 3463, RFC 7505): "5.1.10".
absl::string_view EnhancedStatus(NoNextHop::Reason reason);

using NextHopsResult = std::variant<NextHops, NoNextHop>;

struct NextHopOptions {
  // Names by which others know us, in lower case: an MX record with one of them is us.
  std::vector<std::string> own_names;
  net::AddressRules rules;
};

// Used on one executor at a time.
class NextHopFinder {
 public:
  // Gives a number below the one it is given.
  using Random = std::function<size_t(size_t)>;

  // The resolver outlives the finder.
  NextHopFinder(dns::Resolver& resolver, NextHopOptions options, Random random);

  // `domain` is what NormalizeDomain gives: a name, or an address literal. `deadline` as for the resolver.
  asio::awaitable<NextHopsResult> ForDomain(std::string domain, absl::Time deadline);

  // The addresses of one host that an operator has named (a route), without asking for MX records; a name or an address
  // without brackets. Where it leads is the operator's choice: no address is refused.
  asio::awaitable<NextHopsResult> ForHost(std::string host, absl::Time deadline);

 private:
  asio::awaitable<NextHopsResult> ResolveHosts(std::string domain, std::vector<dns::Exchanger> exchangers,
                                               NextHops found, const net::AddressRules* rules,
                                               absl::Time deadline);

  dns::Resolver& resolver_;
  const NextHopOptions options_;
  const Random random_;
};

// The addresses of one host in the order in which they are tried, at most `max_count`: each family in random order, and
// the families by turns, a random one first, so that a family that does not work costs every second try only.
std::vector<asio::ip::address> BalanceAddresses(std::vector<asio::ip::address> ipv6,
                                                std::vector<asio::ip::address> ipv4, size_t max_count,
                                                dns::RandomBelow random);

}  // namespace mailstead::smtp
