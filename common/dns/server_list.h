// DNS servers as operators write them: "127.0.0.1,192.0.2.53:5353,[2001:db8::53]:53".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/ip/address.hpp"

namespace mailstead::dns {

struct Server {
  asio::ip::address address;
  uint16_t port = 53;

  bool operator==(const Server&) const = default;
};

// "192.0.2.53:53", "[2001:db8::53]:53".
std::string ServerText(const Server& server);

// A comma separated list of at most kMaxServers, each once; without ":port" it is port 53, and an IPv6 address stands
// in brackets. InvalidArgument names the bad item. An empty text is no server.
absl::StatusOr<std::vector<Server>> ParseServers(absl::string_view text);

// Those of `servers` that are trusted when the operator did not say which: 127.0.0.1 and ::1. No other loopback
// address: 127.0.0.11 (Docker) and 127.0.0.53 (systemd-resolved) pass on what they are told over networks that anybody
// may be on.
std::vector<Server> TrustedByDefault(const std::vector<Server>& servers);

// Whether what the `used` servers say about DNSSEC can be believed: there are some, and each is in `trusted`.
bool AllTrusted(const std::vector<Server>& used, const std::vector<Server>& trusted);

}  // namespace mailstead::dns
