// How much keys call: limits on the rate and on calls at the same time, and when each was used last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stored/engine/key.h"

namespace mailstead::stored {

// One thread. As many keys as there are: what is told of others is the caller's mistake.
class KeyTraffic {
 public:
  // A call begins, and is counted until Ended. ResourceExhausted with a delay: kReasonRateLimit, kReasonConcurrencyLimit; it is
  // not counted then.
  absl::Status Begin(const std::string& id, const engine::KeyLimits& limits, const std::string& address,
                     absl::Time now);
  void Ended(const std::string& id);

  // Those that were used since they were taken the last time, at most `limit`.
  std::vector<engine::KeyUse> TakeUses(size_t limit);
  // As of the last call; null: none since the start.
  const engine::KeyUse* UseOf(const std::string& id) const;
  void Forget(const std::string& id);

 private:
  struct State {
    // Calls that may begin at once; below the burst they grow with time.
    double tokens = 0;
    absl::Time filled = absl::InfinitePast();
    int64_t running = 0;
    engine::KeyUse use;
    // The use is not taken yet.
    bool is_new = false;
  };

  absl::flat_hash_map<std::string, State> states_;
};

}  // namespace mailstead::stored
