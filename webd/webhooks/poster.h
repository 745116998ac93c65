// Posts events of webhooks to where their receivers are.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/address.hpp"
#include "common/dns/host_finder.h"
#include "common/http/https_client.h"
#include "common/net/address_check.h"
#include "common/net/network_list.h"
#include "mailstead/frontend/v1/webhook.pb.h"

namespace mailstead::web {

struct PosterOptions {
  // What is connected to.
  net::AddressRules rules;
  // Where it may be without TLS.
  net::NetworkList plaintext;
  // Who is asked where hosts are; empty: the system's servers.
  std::vector<dns::Server> dns_servers;
  // From the look-up of the host to the answer.
  absl::Duration timeout = absl::Seconds(15);
  // See WebhookBody.
  std::string public_url;
  // Requests at a time, of all webhooks together.
  size_t max_open = 256;
};

struct Posted {
  bool sent = false;
  // It was cut off by Stop: nothing is known of it.
  bool cut_off = false;
  // Why not.
  std::string failure;
  // The receiver asked to wait so long; zero: it did not.
  absl::Duration retry_after;
  // It answered 410: it does not want any more.
  bool gone = false;
};

// Used on its executor, of one thread.
class Poster {
 public:
  Poster(asio::any_io_executor executor, PosterOptions options);

  // Once. `webhook` and `event` outlive it.
  asio::awaitable<Posted> Post(const frontend::v1::ClaimedWebhook& webhook,
                               const frontend::v1::WebhookEvent& event);
  // What is under way ends at once.
  void Stop() {
    finder_.Stop();
    client_.Stop();
  }

 private:
  // Those that may be connected to; errors say which may not.
  asio::awaitable<absl::StatusOr<std::vector<asio::ip::address>>> AddressesOf(const http::HttpsUrl& url);

  const PosterOptions options_;
  dns::HostFinder finder_;
  http::HttpsClient client_;
};

}  // namespace mailstead::web
