// How a connection to another host is to be protected: one value, decided before it is made (tls_decision.h). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/dns/message.h"

namespace mailstead::smtp::outbound {

struct TlsPolicy {
  enum class Level : uint8_t {
    // In the clear, whatever the host offers: what is left when kMay has failed.
    kNone,
    // TLS where the host offers it; nobody is authenticated (RFC 7435).
    kMay,
    // TLS, or nothing is sent; nobody is authenticated.
    kRequire,
    // TLS with a certificate that is good by the system's store for one of `names`, or nothing is sent.
    kVerify,
    // TLS with a certificate that one of the records `tlsa` is for (RFC 7672 section 3), or nothing is sent.
    kDane,
  };
  // Whose word the level is.
  enum class Source : uint8_t {
    // Nobody's: TLS if there is any.
    kOpportunistic,
    // An operator's, by a route.
    kRoute,
    // The sender's (RFC 8689).
    kRequireTls,
    // The recipients' domain's, by MTA-STS (RFC 8461).
    kSts,
    // The host's, by TLSA records that cannot be used: TLS without authentication (RFC 7672 section 2.2).
    kDaneUnusable,
    // The host's, by its TLSA records.
    kDane,
  };
  Level level = Level::kMay;
  Source source = Source::kOpportunistic;
  // TLS from the first byte (RFC 8314 section 3), without STARTTLS; not with kNone or kMay: there is nothing to fall back to.
  bool implicit = false;
  // For SNI (RFC 6066 section 3), an A-label; empty for a host that is known by its address only. With kDane: the TLSA base
  // domain.
  std::string server_name;
  // A-labels or addresses. With kVerify and kDane at least one, and a certificate must be for one of them (with kDane: where
  // the record is of the usage DANE-TA, RFC 7672 section 3.2.2). With kMay and kRequire: whether the certificate would be
  // good for one of them is only said, as of MTA-STS in testing.
  std::vector<std::string> names;
  // With kDane: those that can be used, at least one, in the order of TlsaLess; else empty.
  std::vector<dns::Tlsa> tlsa;

  // Nothing may be sent in the clear.
  bool needs_tls() const { return level >= Level::kRequire; }
  // Nothing may be sent to a host that has not shown who it is.
  bool authenticates() const { return level >= Level::kVerify; }

  bool operator==(const TlsPolicy&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const TlsPolicy& policy) {
    hash = H::combine(std::move(hash), policy.level, policy.source, policy.implicit, policy.server_name,
                      policy.names);
    for (const dns::Tlsa& record : policy.tlsa) {
      hash = H::combine(std::move(hash), record.usage, record.selector, record.matching_type, record.data);
    }
    return H::combine(std::move(hash), policy.tlsa.size());
  }
};

// "dane"; for logs and metrics.
absl::string_view LevelName(TlsPolicy::Level level);
absl::string_view SourceName(TlsPolicy::Source source);

// An order in which the same records are the same policy, however the DNS shuffles them.
bool TlsaLess(const dns::Tlsa& a, const dns::Tlsa& b);

}  // namespace mailstead::smtp::outbound
