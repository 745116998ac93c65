#pragma once

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"

namespace mailstead::net {
class TlsContext;
}

namespace mailstead::frontend {

// Loads the certificate again soon after its files have changed, for as long as the coroutine lives. One that
// cannot be used is logged, and the one before stays. `tls` and `timers` outlive it.
asio::awaitable<void> WatchCertificate(net::TlsContext& tls, absl::Duration period = absl::Seconds(5),
                                       Timers& timers = Timers::Steady());

}  // namespace mailstead::frontend
