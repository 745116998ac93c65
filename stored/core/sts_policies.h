// MTA-STS policies of other domains (RFC 8461), which relays fetch and all share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "stored/engine/engine.h"
#include "stored/rules/sts.h"

namespace mailstead::stored {

class StsPolicies {
 public:
  // Domains of which something is known; with 500 octets of a usual policy 5 MB, and 260 MB where each has the longest there
  // is (mailauth::kMaxStsPatterns). A store that sends to more domains fetches some anew.
  static constexpr int64_t kMaxDomains = 10'000;

  // Both outlive it.
  StsPolicies(engine::StsEngine& engine, const Clock& clock) : engine_(engine), clock_(clock) {}

  struct State {
    // Both empty: there is no policy that holds.
    std::string policy_id;
    std::string file;
    rules::StsTimes times;
  };
  Task<absl::StatusOr<State>> Get(std::string domain);

  // What came of a fetch; a policy that could not be fetched has neither an id nor a file. InvalidArgument, with the field:
  // it is no policy, or the id none.
  Task<absl::StatusOr<State>> Keep(std::string domain, std::string policy_id, std::string file);

 private:
  State StateOf(engine::StsPolicy policy) const;

  engine::StsEngine& engine_;
  const Clock& clock_;
};

}  // namespace mailstead::stored
