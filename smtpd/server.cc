#include "smtpd/server.h"

#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace mailstead::smtp {

Server::Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics)
    : flags_(flags),
      rates_(flags.max_messages_per_account_per_hour, Clock::System()),
      mx_(MakeContext(ListenerKind::kMx, flags_, daemon, metrics)),
      submission_(MakeContext(ListenerKind::kSubmission, flags_, daemon, metrics)),
      submissions_(MakeContext(ListenerKind::kSubmissions, flags_, daemon, metrics)) {}

ConnectionContext Server::MakeContext(ListenerKind kind, const Flags& flags, frontend::Daemon& daemon,
                                      Metrics& metrics) {
  SessionConfig session;
  session.kind = kind;
  session.hostname = flags.frontend.hostname;
  session.limits = flags.limits;
  session.strict_ehlo = flags.strict_ehlo;
  session.check_from = flags.check_from;
  session.allow_plaintext_auth = flags.frontend.allow_plaintext_auth;
  session.sasl_mechanisms = flags.frontend.sasl_mechanisms;
  return ConnectionContext{.session = std::move(session),
                           .store = daemon.store(),
                           .tls = daemon.tls(),
                           .counter = daemon.counter(),
                           .proxy_networks = flags.frontend.proxy_networks,
                           .rates = rates_,
                           .metrics = metrics,
                           .logins = &daemon.logins(),
                           .store_timeout = flags.store_timeout,
                           .store_retry_for = flags.store_retry_for,
                           .outcome_timeout = flags.outcome_timeout,
                           .new_id = &RandomId};
}

std::vector<frontend::Listening> Server::listening() const {
  const auto listen = [](std::string flag, const std::vector<std::string>& addresses,
                         const ConnectionContext& context) {
    return frontend::ListenFor<Connection>(std::move(flag), std::string(ListenerName(context.session.kind)),
                                           addresses, context);
  };
  return {listen("mx_listen", flags_.mx_listen, mx_),
          listen("submission_listen", flags_.submission_listen, submission_),
          listen("submissions_listen", flags_.submissions_listen, submissions_)};
}

}  // namespace mailstead::smtp
