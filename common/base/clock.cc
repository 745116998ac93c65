#include "common/base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace mailstead {
namespace {

class SystemClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

class SteadyClock : public Clock {
 public:
  absl::Time Now() const override {
    return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

const Clock& Clock::System() {
  static const SystemClock clock;
  return clock;
}

const Clock& Clock::Steady() {
  static const SteadyClock clock;
  return clock;
}

}  // namespace mailstead
