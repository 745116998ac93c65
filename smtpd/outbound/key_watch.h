// Looks in the DNS for keys of DKIM that are not seen there yet, and tells the store what is there. The store decides which it
// is time to look for, so that many relays look no more often than one does; and what a record means.
#pragma once

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/clock.h"
#include "common/dns/resolver.h"
#include "common/store/relay_api.h"

namespace mailstead::smtp::outbound {

struct KeyWatchOptions {
  // Between two questions to the store, which cost next to nothing while no key waits.
  absl::Duration interval = absl::Seconds(2);
  absl::Duration dns_timeout = absl::Seconds(20);
  absl::Duration store_timeout = absl::Seconds(10);
};

// Used on one executor.
class KeyWatch {
 public:
  // `resolver` keeps no answers: that a record was not there a moment ago must not hide it for long. It, the store and the
  // clock, of the resolver's time, outlive the watch.
  KeyWatch(store::RelayApi& store, dns::Resolver& resolver, const KeyWatchOptions& options,
           const Clock& clock)
      : store_(store), resolver_(resolver), options_(options), clock_(clock) {}

  // Looks once; gives how long to wait for the next time. What cannot be asked or told is asked again later.
  asio::awaitable<absl::Duration> Turn();

 private:
  store::RelayApi& store_;
  dns::Resolver& resolver_;
  const KeyWatchOptions options_;
  const Clock& clock_;
};

}  // namespace mailstead::smtp::outbound
