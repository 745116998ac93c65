#include "pop3d/server.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/use_awaitable.hpp"
#include "pop3d/connection.h"

namespace mailstead::pop3 {

Server::Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics)
    : flags_(flags),
      leases_(
          daemon.store(), heartbeat_.first().get_executor(),
          {.holder = absl::StrCat("pop3d ", flags.frontend.hostname, " ", getpid()), .ttl = flags.lease_ttl}),
      listings_(flags.listing_cache_bytes, flags.listing_memory),
      pop3_(MakeContext(false, flags_, daemon, metrics)),
      pop3s_(MakeContext(true, flags_, daemon, metrics)) {}

ConnectionContext Server::MakeContext(bool implicit_tls, const Flags& flags, frontend::Daemon& daemon,
                                      Metrics& metrics) {
  return ConnectionContext{.session = {.hostname = flags.frontend.hostname,
                                       .limits = flags.limits,
                                       .allow_plaintext_auth = flags.frontend.allow_plaintext_auth,
                                       .sasl_mechanisms = flags.frontend.sasl_mechanisms,
                                       .login_delay = flags.login_delay},
                           .timeouts = flags.timeouts,
                           .implicit_tls = implicit_tls,
                           .proxy_networks = flags.frontend.proxy_networks,
                           .tls = &daemon.tls(),
                           .counter = daemon.counter(),
                           .store = daemon.store(),
                           .leases = leases_,
                           .listings = listings_,
                           .read_ahead = read_ahead_,
                           .metrics = metrics,
                           .logins = &daemon.logins(),
                           .max_maildrop_messages = flags.max_maildrop_messages};
}

std::vector<frontend::Listening> Server::listening() const {
  return {frontend::ListenFor<Connection>("pop3_listen", "pop3", flags_.pop3_listen, pop3_),
          frontend::ListenFor<Connection>("pop3s_listen", "pop3s", flags_.pop3s_listen, pop3s_)};
}

frontend::Hooks Server::hooks() {
  return {.start = [this] { leases_.Start(); },
          .health = [this] { return leases_.Health(); },
          .end = [this] { return End(); }};
}

asio::awaitable<void> Server::End() {
  co_await asio::co_spawn(heartbeat_.first(), leases_.End(), asio::use_awaitable);
}

}  // namespace mailstead::pop3
