// What reports on TLS to other domains (RFC 8460) are made of.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"

namespace mailstead::engine {

// Sessions that had the same policy and the same end.
struct TlsSessions {
  // As RFC 8460 section 4.2 and 4.3 name them: "tlsa", "certificate-expired". Without a result: they came up to the policy.
  std::string policy_type;
  std::string policy_domain;
  std::vector<std::string> policy_strings;
  std::string mx_host;
  // Of those that did not.
  std::string address;
  std::string result;
  std::string reason;
  int64_t count = 0;

  // All but the count.
  bool IsLike(const TlsSessions& other) const;
  bool operator==(const TlsSessions&) const = default;
};

struct TlsReportKey {
  // When its time begins.
  absl::Time start;
  // Whom it is for: a domain that mail went to.
  std::string domain;
  bool operator==(const TlsReportKey&) const = default;
  bool operator<(const TlsReportKey& other) const {
    return std::tie(start, domain) < std::tie(other.start, other.domain);
  }
};

// Of one domain and one stretch of time.
struct TlsReport {
  TlsReportKey key;
  absl::Time end;
  // When a relay is to send it.
  absl::Time due_time;
  // How often a relay was given it; names the last time.
  int64_t lease_count = 0;
  std::vector<TlsSessions> sessions;
  bool operator==(const TlsReport&) const = default;
};

}  // namespace mailstead::engine
