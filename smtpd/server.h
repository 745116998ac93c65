// The program: listeners, threads, the way to the store, metrics and health, and how it starts and ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/net/network_list.h"
#include "common/net/tls_context.h"
#include "common/rpc/channel.h"
#include "smtpd/session/dialog.h"
#include "smtpd/store_client.h"

namespace mailstead::smtp {

struct ServerOptions {
  std::string hostname;
  Limits limits;
  bool allow_plaintext_auth = false;
  // 0 means none, for all three.
  size_t max_connections = 10'000;
  size_t max_connections_per_address = 100;
  size_t max_messages_per_account_per_hour = 0;
  net::NetworkList proxy_networks;
  std::unique_ptr<net::TlsContext> tls;
  std::unique_ptr<rpc::StoreChannel> store;
  int store_connections = 1;
  StoreTimeouts store_timeouts;
  absl::Duration store_retry_for = absl::Seconds(10);
  // 0: one for each core.
  size_t threads = 0;
};

class Server {
 public:
  explicit Server(ServerOptions options);
  // All sessions have ended (Drain was true).
  ~Server();

  // Opens a listener on each "host:port". Errors of net::Listener::Start.
  absl::Status Listen(ListenerKind kind, const std::vector<std::string>& addresses);
  // Serves metrics and health. Errors of obs::AdminServer::Start.
  absl::Status StartAdmin(const std::string& address);
  // From now until Drain the log says whether the store can serve us: now, and when that changes. Once, when
  // nothing of the start can fail any more.
  void WatchStore();

  // Closes the listeners, says 421 to idle sessions, and lets the others finish what they do for `timeout`;
  // then they are cut off. False when some did not end even so.
  bool Drain(absl::Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::smtp
