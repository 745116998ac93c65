// Time comes in through the constructor, so that tests run a week of time-outs in a millisecond.
#pragma once

#include "absl/time/time.h"

namespace mailstead {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The machine's wall clock. Lives for ever.
  static const Clock& System();
  // The machine's clock for deadlines and durations: it is never set back or forth, and only differences of its times mean
  // something. Lives for ever.
  static const Clock& Steady();
};

// A clock that moves only when told. Not thread-safe against Advance.
class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Time now_;
};

}  // namespace mailstead
