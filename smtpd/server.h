// What smtpd is beside the skeleton of a front-end: what its connections share, and where it listens for
// them.
#pragma once

#include <vector>

#include "common/frontend/daemon.h"
#include "smtpd/flags.h"
#include "smtpd/inbound/account_rates.h"
#include "smtpd/inbound/connection.h"

namespace mailstead::smtp {

class Metrics;

class Server {
 public:
  // `daemon` and `metrics` outlive it; it outlives the daemon's Run.
  Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // For Daemon::Run.
  std::vector<frontend::Listening> listening() const;

 private:
  ConnectionContext MakeContext(ListenerKind kind, const Flags& flags, frontend::Daemon& daemon,
                                Metrics& metrics);

  const Flags flags_;
  AccountRates rates_;
  const ConnectionContext mx_;
  const ConnectionContext submission_;
  const ConnectionContext submissions_;
};

}  // namespace mailstead::smtp
