// What smtpd is beside the skeleton of a front-end: what its connections share, and where it listens for
// them.
#pragma once

#include <memory>
#include <vector>

#include "common/frontend/daemon.h"
#include "smtpd/flags.h"
#include "smtpd/inbound/account_rates.h"
#include "smtpd/inbound/connection.h"
#include "smtpd/outbound/relay.h"
#include "smtpd/outbound/relay_journal.h"

namespace prometheus {
class Registry;
}

namespace mailstead::smtp {

class Metrics;

class Server {
 public:
  // What is given by reference outlives it; it outlives the daemon's Run. Ends the program, with a line and status 2, where
  // mail for other hosts is wanted and cannot be sent.
  Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics,
         const std::shared_ptr<prometheus::Registry>& registry);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // For Daemon::Run.
  std::vector<frontend::Listening> listening() const;
  frontend::Hooks hooks();

 private:
  ConnectionContext MakeContext(ListenerKind kind, const Flags& flags, frontend::Daemon& daemon,
                                Metrics& metrics);

  const Flags flags_;
  AccountRates rates_;
  const ConnectionContext mx_;
  const ConnectionContext submission_;
  const ConnectionContext submissions_;
  // Where --delivery_workers asks for it.
  std::unique_ptr<outbound::RelayJournal> relay_journal_;
  std::unique_ptr<outbound::Relay> relay_;
};

}  // namespace mailstead::smtp
