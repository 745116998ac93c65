// MTA-STS policies of other domains (RFC 8461), as engines keep them.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace mailstead::engine {

// What is known of a domain.
struct StsPolicy {
  // As the key of a destination.
  std::string domain;
  // Of the policy; empty: there is none.
  std::string policy_id;
  // Its file (RFC 8461 section 3.2), which an engine does not read.
  std::string file;
  absl::Time fetch_time = absl::InfinitePast();
  // The last time that it could not be fetched, since then; InfinitePast: never.
  absl::Time failure_time = absl::InfinitePast();

  bool operator==(const StsPolicy&) const = default;
};

// What came of a fetch.
struct StsFetch {
  std::string domain;
  absl::Time time;
  // Of the policy that was fetched; both empty: it could not be.
  std::string policy_id;
  std::string file;
};

}  // namespace mailstead::engine
