// The flags of webd.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/config/option.h"
#include "common/dns/server_list.h"
#include "common/frontend/flags.h"
#include "common/net/network_list.h"
#include "webd/discovery/settings.h"
#include "webd/discovery/sts.h"
#include "webd/limits.h"

namespace mailstead::web {

struct Flags {
  Flags() {
    frontend.admin_listen = "127.0.0.1:9180";
    frontend.tls.alpn = {"h2", "http/1.1"};
  }

  frontend::Flags frontend;
  // Each empty: no such listener.
  std::vector<std::string> listen = {"[::]:8080"};
  std::vector<std::string> tls_listen;
  // As the flag says it, and, after ReadFlags, as it is used.
  std::string plaintext_networks_text = "127.0.0.0/8,::1";
  net::NetworkList plaintext_networks;
  // Empty: no CORS.
  std::vector<std::string> cors_origins;
  // As the flags say them, and, after ReadFlags, as they are used.
  std::string autoconfig_pop3s;
  std::string autoconfig_submissions;
  std::string autoconfig_submission;
  MailSettings mail_settings;
  StsSettings sts_settings;
  ConnectionTimeouts timeouts;
  size_t max_request_bytes = kMaxRequestBytes;
  size_t body_memory = kBodyMemoryBytes;
  size_t max_streams = kMaxStreams;
  // Webhooks that are sent at a time; 0: none.
  size_t webhook_workers = kWebhooks;
  absl::Duration webhook_timeout = absl::Seconds(15);
  std::string webhook_allow_networks_text;
  net::NetworkList webhook_allow_networks;
  std::string webhook_plaintext_networks_text = "127.0.0.0/8,::1";
  net::NetworkList webhook_plaintext_networks;
  std::string dns_servers_text;
  std::vector<dns::Server> dns_servers;
  // Without a slash at its end; empty: not known.
  std::string public_url;
};

// The rows of these flags, those of every front-end included. `flags` outlives them.
config::Options OptionsOf(Flags& flags);

// From the command line. Ends the program with one line for each impossible value and status 2.
Flags ReadFlags(int argc, char** argv);

}  // namespace mailstead::web
