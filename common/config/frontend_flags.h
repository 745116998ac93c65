// The flags that smtpd and pop3d have in common: the way to the store, TLS, PROXY, limits on connections.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/net/network_list.h"
#include "common/net/tls_context.h"
#include "common/rpc/channel.h"

namespace mailstead::config {

class Checker;

struct FrontendFlags {
  // --hostname, or the machine's name.
  std::string hostname;
  rpc::ChannelOptions store;
  net::TlsOptions tls;
  net::NetworkList proxy_networks;
  bool allow_plaintext_auth = false;
  // 0 means none, for both.
  size_t max_connections = 0;
  size_t max_connections_per_address = 0;
  // 0: one for each core.
  size_t threads = 0;
  absl::Duration drain_timeout;
};

// Reports what is impossible to `check`; the result is of use only when there was nothing to report.
FrontendFlags ReadFrontendFlags(Checker& check);

// "host:port,host:port" in pieces; empty for an empty list.
std::vector<std::string> SplitAddresses(const std::string& list);
// Reports those that are no addresses to listen on.
void CheckAddresses(Checker& check, absl::string_view flag, const std::string& list);

}  // namespace mailstead::config
