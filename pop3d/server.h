// What pop3d is beside the skeleton of a front-end: what its connections share, its lease at the store, and
// where it listens for them.
#pragma once

#include <vector>

#include "asio/awaitable.hpp"
#include "common/base/byte_budget.h"
#include "common/frontend/daemon.h"
#include "common/net/listener.h"
#include "common/store/lease_keeper.h"
#include "pop3d/connection_context.h"
#include "pop3d/flags.h"
#include "pop3d/listing_cache.h"

namespace mailstead::pop3 {

class Metrics;

class Server {
 public:
  // `daemon` and `metrics` outlive it; it outlives the daemon's Run.
  Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // For Daemon::Run. The lease begins with the listeners, and ends when no session is left: that frees the
  // maildrops of sessions that could not say so.
  std::vector<frontend::Listening> listening() const;
  frontend::Hooks hooks();

 private:
  ConnectionContext MakeContext(bool implicit_tls, const Flags& flags, frontend::Daemon& daemon,
                                Metrics& metrics);

  asio::awaitable<void> End();

  const Flags flags_;
  // The heartbeat has a thread of its own: whatever sessions make of the others, their maildrops stay theirs.
  net::IoThreads heartbeat_{1};
  store::LeaseKeeper leases_;
  ListingCache listings_;
  ByteBudget read_ahead_{kReadAheadBytesInAll};
  const ConnectionContext pop3_;
  const ConnectionContext pop3s_;
};

}  // namespace mailstead::pop3
