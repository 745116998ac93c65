// The flags that front-ends have in common: the way to the store, TLS, PROXY, limits on connections.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/config/log_flags.h"
#include "common/config/option.h"
#include "common/net/network_list.h"
#include "common/net/tls_context.h"
#include "common/rpc/channel.h"
#include "common/sasl/mechanisms.h"

namespace mailstead::frontend {

struct Flags {
  // Our name; Finish makes the machine's of an empty one.
  std::string hostname;
  rpc::ChannelOptions store{.target = "127.0.0.1:7070"};
  net::TlsOptions tls;
  // As the flag says it, and, after Finish, as it is used.
  std::string proxy_networks_text;
  net::NetworkList proxy_networks;
  bool allow_plaintext_auth = false;
  // What AUTH takes. SCRAM-SHA-256-PLUS is offered only where it works, too.
  std::vector<std::string> sasl_mechanisms = sasl::DefaultMechanisms();
  // 0 means none, for both.
  size_t max_connections = 10'000;
  size_t max_connections_per_address = 100;
  // As the flag says it, and, after Finish, as it is used.
  std::string trusted_networks_text = "127.0.0.0/8,::1";
  net::NetworkList trusted_networks;
  absl::Duration peer_timeout = absl::Seconds(90);
  // 0: one for each core.
  size_t threads = 0;
  absl::Duration drain_timeout = absl::Seconds(10);
  // Each program has a default of its own. Empty: no admin port.
  std::string admin_listen;
  config::LogFlags log;
};

// The rows of these flags, those of the log included, and without those about logins. `flags` outlives them.
config::Options OptionsOf(Flags& flags);

// The rows of those among them that are about logins with passwords, for programs that have such.
config::Options LoginOptionsOf(Flags& flags);

// After the flags were set and checked: fills in what follows from them, and reports what is impossible.
void Finish(Flags& flags, config::Checker& check);

// An address to listen on, "host:port": a check for rows.
absl::Status CheckListen(const std::string& address);

}  // namespace mailstead::frontend
