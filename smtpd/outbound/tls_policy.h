// How a connection to another host is to be protected: one value, decided before it is made. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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
  };
  Level level = Level::kMay;
  // TLS from the first byte (RFC 8314 section 3), without STARTTLS; not with kNone or kMay: there is nothing to fall back to.
  bool implicit = false;
  // For SNI (RFC 6066 section 3), an A-label; empty for a host that is known by its address only.
  std::string server_name;
  // With kVerify: at least one, A-labels or addresses.
  std::vector<std::string> names;

  // Nothing may be sent in the clear.
  bool needs_tls() const { return level == Level::kRequire || level == Level::kVerify; }

  bool operator==(const TlsPolicy&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const TlsPolicy& policy) {
    return H::combine(std::move(hash), policy.level, policy.implicit, policy.server_name, policy.names);
  }
};

}  // namespace mailstead::smtp::outbound
