// Finds out whether the resolver validates DNSSEC, by asking for something that is signed. Where it does not, nothing
// is ever secure, and whoever relies on that (DANE) is off: that must be seen, and not only be so.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/clock.h"
#include "common/dns/answer.h"
#include "common/dns/resolver.h"

namespace mailstead::dns {

struct ProbeOptions {
  // A SOA that is signed: the root's.
  std::string name = ".";
  absl::Duration timeout = absl::Seconds(20);
  // Between two probes, and after one that failed.
  absl::Duration interval = absl::Minutes(10);
  absl::Duration retry_interval = absl::Minutes(1);
};

// Used on one executor.
class ValidationProbe {
 public:
  // Told whether the resolver validates, when that is known for the first time and when it changes.
  using OnChange = std::function<void(bool validates)>;

  // `resolver` keeps no answers, so that each probe asks. It and the clock, of the resolver's time, outlive the probe.
  ValidationProbe(Resolver& resolver, const ProbeOptions& options, const Clock& clock, OnChange on_change);

  // Probes once; gives how long to wait for the next time. A probe that fails says nothing of validation: what was
  // known stays.
  asio::awaitable<absl::Duration> Turn();

  // Absent as long as it is not known.
  std::optional<bool> validates() const { return validates_; }
  // Why the last probe failed; kNone when it did not.
  Failure last_failure() const { return last_failure_; }

 private:
  Resolver& resolver_;
  const ProbeOptions options_;
  const Clock& clock_;
  const OnChange on_change_;
  std::optional<bool> validates_;
  Failure last_failure_ = Failure::kNone;
};

}  // namespace mailstead::dns
