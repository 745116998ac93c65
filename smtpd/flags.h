// The flags of smtpd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "asio/ip/address.hpp"
#include "common/config/option.h"
#include "common/dns/server_list.h"
#include "common/frontend/flags.h"
#include "common/net/network_list.h"
#include "smtpd/limits.h"
#include "smtpd/outbound/limits.h"

namespace mailstead::smtp {

struct Flags {
  Flags() { frontend.admin_listen = "127.0.0.1:9025"; }

  frontend::Flags frontend;
  // Each empty: no such listener.
  std::vector<std::string> mx_listen = {"[::]:25"};
  std::vector<std::string> submission_listen = {"[::]:587"};
  std::vector<std::string> submissions_listen = {"[::]:465"};
  Limits limits;
  bool strict_ehlo = false;
  bool check_from = true;
  // 0 means none.
  size_t max_messages_per_account_per_hour = 0;
  absl::Duration store_timeout = absl::Seconds(10);
  absl::Duration store_retry_for = absl::Seconds(10);
  // With the two before it well below the ten minutes that clients wait (RFC 5321 section 4.5.3.2.6).
  absl::Duration outcome_timeout = absl::Minutes(5);

  // Attempts at a time to bring queued mail to other hosts; 0: none.
  size_t delivery_workers = 0;
  uint16_t delivery_port = 25;
  // Of sessions with other hosts.
  outbound::Timeouts delivery_timeouts{.cap = absl::Hours(1)};
  std::string delivery_allow_networks_text;
  bool delivery_allow_private = false;
  std::string delivery_own_hosts_text;
  bool delivery_dane = true;
  bool mta_sts = true;
  uint16_t mta_sts_port = 443;
  std::string dns_servers_text;
  std::string dns_trusted_text;
  // Made of these.
  std::vector<asio::ip::address> delivery_own_addresses;
  // In lower case and A-labels.
  std::vector<std::string> delivery_own_names;
  net::NetworkList delivery_allow_networks;
  std::vector<dns::Server> dns_servers;
  std::vector<dns::Server> dns_trusted;
};

// The rows of these flags, those of every front-end included. `flags` outlives them.
config::Options OptionsOf(Flags& flags);

// From the command line. Ends the program with one line for each impossible value and status 2.
Flags ReadFlags(int argc, char** argv);

}  // namespace mailstead::smtp
