// A host by whose name others know this system: that it can be found by its name and by its addresses, that its mail ports
// answer, and that their certificates hold.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/address.hpp"
#include "mailctl/dns_check/domain_check.h"
#include "mailctl/doctor/port_look.h"

namespace mailstead::ctl {

// 25, 587, 465, 110 and 995.
const std::vector<MailPort>& MailPorts();

// LookAtPort, or a test's.
using PortLooker = std::function<PortView(const MailPort& port, const std::string& address,
                                          const std::string& host, const std::vector<dns::Tlsa>& tlsa)>;

struct HostPlan {
  std::string host;
  // Where its ports are looked at; empty: at the addresses that the DNS has.
  std::vector<std::string> addresses;
  std::vector<MailPort> ports = MailPorts();
};

// "4.2.0.192.in-addr.arpa" (RFC 1035 section 3.5), and in ip6.arpa (RFC 3596 section 2.5).
std::string ReverseName(const asio::ip::address& address);

// Addresses and PTR records.
asio::awaitable<std::vector<CheckLine>> CheckNames(CheckContext& context, std::string host);

// What its ports show. `now` is compared with the ends of certificates.
asio::awaitable<std::vector<CheckLine>> CheckPorts(CheckContext& context, HostPlan plan, PortLooker look,
                                                   absl::Time now);

// What was seen at one address, in lines for a person. Pure.
struct SeenPort {
  MailPort port;
  PortView view;
};
std::vector<CheckLine> JudgePorts(const std::string& host, const std::string& address,
                                  const std::vector<SeenPort>& seen, bool has_tlsa, absl::Time now);

}  // namespace mailstead::ctl
