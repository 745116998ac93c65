// What of a domain's records is live, and what is wrong with it: asked of the DNS and of the web server of its MTA-STS policy.
// Every check gives lines, each of which says what is there, what should be, and what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/clock.h"
#include "common/dns/resolver.h"
#include "common/mailauth/sts_policy.h"

namespace mailstead::ctl {

struct CheckLine {
  enum class Level : uint8_t { kOk, kWarning, kError };
  Level level = Level::kOk;
  // "MX", "SPF", "DKIM".
  std::string subject;
  // Where it stands in the DNS.
  std::string name;
  // What is there; empty: nothing.
  std::string found;
  // What should be; empty where that is the same, or not known.
  std::string wanted;
  // What that means, and what to do; one sentence or more.
  std::string text;
};
// "ok", "warning", "error".
absl::string_view LevelText(CheckLine::Level level);

// The worst of them; kOk for none.
CheckLine::Level WorstOf(const std::vector<CheckLine>& lines);

struct DkimExpectation {
  // Of the TXT record.
  std::string name;
  std::string value;
  // Mail is signed with it now; else it may be missing.
  bool active = false;
  // Mail was signed with it: the record is to stay for mail that is on its way.
  bool retired = false;
};

// What a domain's records should say.
struct DomainExpectation {
  // A-labels.
  std::string domain;
  // Hosts that should take its mail; empty: any may.
  std::vector<std::string> mx_hosts;
  // `mx_hosts` is what relays call themselves, and not what an operator has said: others are no error.
  bool mx_hosts_guessed = false;
  std::vector<DkimExpectation> dkim;
  // Of the MTA-STS policy that webd serves; absent: it serves none.
  std::optional<mailauth::StsPolicy::Mode> sts_mode;
};

// Gets the file of a domain's MTA-STS policy; an error says why there is none.
using PolicyFetcher = std::function<asio::awaitable<absl::StatusOr<std::string>>(std::string domain)>;

struct CheckContext {
  // All of them outlive the check.
  dns::Resolver& resolver;
  const PolicyFetcher& fetch_policy;
  const Clock& steady = Clock::Steady();
  // What the resolver says about DNSSEC is known to be so: it validates, and is trusted.
  bool knows_dnssec = false;
  // For one question.
  absl::Duration dns_timeout = absl::Seconds(20);
};

// All that follow, in their order.
asio::awaitable<std::vector<CheckLine>> CheckDomain(CheckContext& context, DomainExpectation expected);

// Hosts that take the domain's mail, as the DNS has them: RFC 5321 section 5, null MX, aliases, addresses, TLSA records.
asio::awaitable<std::vector<CheckLine>> CheckMx(CheckContext& context, const DomainExpectation& expected);
// RFC 7208, with all records that it includes.
asio::awaitable<std::vector<CheckLine>> CheckSpf(CheckContext& context, const std::string& domain);
// RFC 6376: that each key is published as it is.
asio::awaitable<std::vector<CheckLine>> CheckDkim(CheckContext& context, const DomainExpectation& expected);
// RFC 9989, with the walk up the tree.
asio::awaitable<std::vector<CheckLine>> CheckDmarc(CheckContext& context, const std::string& domain);
// RFC 8461: record, policy, and whether it names the domain's hosts.
asio::awaitable<std::vector<CheckLine>> CheckSts(CheckContext& context, const DomainExpectation& expected);
// RFC 8460.
asio::awaitable<std::vector<CheckLine>> CheckTlsRpt(CheckContext& context, const std::string& domain);

}  // namespace mailstead::ctl
