// What DANE says of the hosts that take a domain's mail: finds their TLSA records (RFC 7672 section 2.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/dns/answer.h"
#include "common/dns/message.h"
#include "common/dns/resolver.h"
#include "smtpd/outbound/next_hops.h"
#include "smtpd/outbound/tls_decision.h"

namespace mailstead::smtp::outbound {

// Of one host's set of TLSA records. Strangers write them, and each connection keeps those that it was made by; hosts have
// two to eight, of 35 octets each, and a whole certificate takes 2 KB.
inline constexpr size_t kMaxTlsaRecords = 32;
inline constexpr size_t kMaxTlsaBytes = 4'096;

// Used on one executor at a time.
class DaneFinder {
 public:
  // Gives those records that can be used (net::ClientTls::UsableRecords).
  using KeepUsable = std::function<std::vector<dns::Tlsa>(std::vector<dns::Tlsa>)>;

  // The resolver outlives the finder.
  DaneFinder(dns::Resolver& resolver, KeepUsable keep_usable);

  // An answer for each of `hops.hosts`, of which there are at most kMaxAddressesPerAttempt, in their order. `hops`, which
  // lives until then, is what was found for `domain`, empty: what an operator has named. `port` is the one that is connected
  // to; `deadline` as for the resolver.
  asio::awaitable<std::vector<DaneAnswer>> Ask(const NextHops& hops, std::string domain, uint16_t port,
                                               absl::Time deadline);

 private:
  // What the TLSA base domains of the hosts may be, the preferred one first; none: DANE is not for the host.
  struct Candidates {
    std::vector<std::string> names;
    // Set when that could not be found out.
    dns::Failure failure = dns::Failure::kNone;
  };
  asio::awaitable<std::vector<Candidates>> FindCandidates(const NextHops& hops, absl::Time deadline);
  // What the answer about one of them says.
  DaneAnswer OfAnswer(const std::string& base_domain, const dns::Answer& answer) const;

  dns::Resolver& resolver_;
  const KeepUsable keep_usable_;
};

}  // namespace mailstead::smtp::outbound
