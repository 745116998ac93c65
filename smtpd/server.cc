#include "smtpd/server.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/config/config.h"
#include "common/net/listener.h"

namespace mailstead::smtp {
namespace {

outbound::RelayOptions RelayOptionsOf(const Flags& flags) {
  outbound::RelayOptions options;
  options.sessions = flags.delivery_workers;
  options.hostname = flags.frontend.hostname;
  options.port = flags.delivery_port;
  options.timeouts = flags.delivery_timeouts;
  options.mta_sts = flags.mta_sts;
  options.mta_sts_port = flags.mta_sts_port;
  options.dns_servers = flags.dns_servers;
  options.dns_trusted = flags.dns_trusted;
  options.use_dane = flags.delivery_dane;
  options.hops.own_names = flags.delivery_own_names;
  options.hops.own_names.push_back(absl::AsciiStrToLower(flags.frontend.hostname));
  options.hops.rules.own = flags.delivery_own_addresses;
  for (const auto* addresses : {&flags.mx_listen, &flags.submission_listen, &flags.submissions_listen}) {
    for (const std::string& address : *addresses) {
      // They were checked with the flags.
      const absl::StatusOr<asio::ip::tcp::endpoint> listener = net::ParseListenAddress(address);
      if (listener.ok()) AddOwnListener(*listener, flags.delivery_port, options.hops.rules);
    }
  }
  options.hops.rules.allow_private = flags.delivery_allow_private;
  options.hops.rules.allowed = flags.delivery_allow_networks;
  options.store_timeout = flags.store_timeout;
  options.drain_timeout = flags.frontend.drain_timeout;
  return options;
}

}  // namespace

Server::Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics,
               const std::shared_ptr<prometheus::Registry>& registry)
    : flags_(flags),
      rates_(flags.max_messages_per_account_per_hour, Clock::System()),
      mx_(MakeContext(ListenerKind::kMx, flags_, daemon, metrics)),
      submission_(MakeContext(ListenerKind::kSubmission, flags_, daemon, metrics)),
      submissions_(MakeContext(ListenerKind::kSubmissions, flags_, daemon, metrics)) {
  if (flags_.delivery_workers == 0) return;
  relay_journal_ = std::make_unique<outbound::RelayJournal>(registry);
  absl::StatusOr<std::unique_ptr<outbound::Relay>> relay =
      outbound::Relay::Create(daemon.store(), daemon.threads(), *relay_journal_, RelayOptionsOf(flags_));
  config::Checker check;
  check.Ok("delivery_workers", relay.status());
  check.ExitIfBad("smtpd");
  relay_ = *std::move(relay);
}

Server::~Server() = default;

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
  std::vector<frontend::Listening> all;
  if (!flags_.mx_listen.empty()) all.push_back(listen("mx_listen", flags_.mx_listen, mx_));
  if (!flags_.submission_listen.empty()) {
    all.push_back(listen("submission_listen", flags_.submission_listen, submission_));
  }
  if (!flags_.submissions_listen.empty()) {
    all.push_back(listen("submissions_listen", flags_.submissions_listen, submissions_));
  }
  return all;
}

frontend::Hooks Server::hooks() {
  if (relay_ == nullptr) return {};
  return {.start = [this] { relay_->Start(); },
          .health = [this] { return relay_->Health(); },
          .end = [this] { return relay_->End(); }};
}

}  // namespace mailstead::smtp
