// Policies of MTA-STS from the web servers of their domains (RFC 8461 section 3.3).
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/dns/resolver.h"
#include "common/http/https_client.h"
#include "common/net/address_check.h"
#include "smtpd/outbound/sts_lookup.h"

namespace mailstead::smtp::outbound {

class HttpsStsSource final : public StsSource {
 public:
  struct Options {
    // Which addresses may be connected to.
    net::AddressRules rules;
    // Of all the servers.
    uint16_t port = http::kHttpsPort;
    // At most kStsHttpsTimeout.
    absl::Duration timeout = kStsHttpsTimeout;
  };
  // All that is given by reference outlives it.
  HttpsStsSource(dns::Resolver& resolver, http::HttpsClient& client, Options options,
                 Timers& timers = Timers::Steady());

  asio::awaitable<Fetched> Fetch(std::string domain) override;

 private:
  dns::Resolver& resolver_;
  http::HttpsClient& client_;
  const Options options_;
  Timers& timers_;
};

}  // namespace mailstead::smtp::outbound
