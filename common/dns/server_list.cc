#include "common/dns/server_list.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/dns/limits.h"

namespace mailstead::dns {
namespace {

absl::Status BadServer(absl::string_view item, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", item, "\": ", why));
}

std::optional<uint16_t> ParsePort(absl::string_view text) {
  uint32_t port = 0;
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(text, &port) || port == 0 || port > 65535) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

absl::StatusOr<Server> ParseServer(absl::string_view item) {
  absl::string_view host = item;
  absl::string_view after;
  const bool bracketed = absl::ConsumePrefix(&host, "[");
  const size_t end = host.find(bracketed ? ']' : ':');
  if (end != absl::string_view::npos) {
    after = host.substr(end + (bracketed ? 1 : 0));
    host = host.substr(0, end);
  }
  std::error_code error;
  const asio::ip::address address = asio::ip::make_address(std::string(host), error);
  if (error || address.is_v6() != bracketed || absl::StrContains(host, '\0') ||
      (bracketed && (end == absl::string_view::npos || address.to_v6().scope_id() != 0))) {
    return BadServer(item,
                     "not a DNS server; write it as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353");
  }
  Server server{.address = address};
  if (after.empty()) return server;
  const std::optional<uint16_t> port = absl::ConsumePrefix(&after, ":") ? ParsePort(after) : std::nullopt;
  if (!port.has_value()) return BadServer(item, "the port must be from 1 to 65535");
  server.port = *port;
  return server;
}

}  // namespace

std::string ServerText(const Server& server) {
  const std::string address = server.address.to_string();
  return server.address.is_v6() ? absl::StrCat("[", address, "]:", server.port)
                                : absl::StrCat(address, ":", server.port);
}

absl::StatusOr<std::vector<Server>> ParseServers(absl::string_view text) {
  std::vector<Server> servers;
  if (absl::StripAsciiWhitespace(text).empty()) return servers;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    ASSIGN_OR_RETURN(const Server server, ParseServer(absl::StripAsciiWhitespace(item)));
    if (std::find(servers.begin(), servers.end(), server) != servers.end()) return BadServer(item, "twice");
    if (servers.size() == kMaxServers)
      return BadServer(item, absl::StrCat("more than ", kMaxServers, " servers"));
    servers.push_back(server);
  }
  return servers;
}

std::vector<Server> TrustedByDefault(const std::vector<Server>& servers) {
  std::vector<Server> trusted;
  std::copy_if(servers.begin(), servers.end(), std::back_inserter(trusted), [](const Server& server) {
    return server.address == asio::ip::address_v4::loopback() ||
           server.address == asio::ip::address_v6::loopback();
  });
  return trusted;
}

bool AllTrusted(const std::vector<Server>& used, const std::vector<Server>& trusted) {
  return !used.empty() && std::all_of(used.begin(), used.end(), [&trusted](const Server& server) {
    return std::find(trusted.begin(), trusted.end(), server) != trusted.end();
  });
}

}  // namespace mailstead::dns
