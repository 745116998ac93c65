#include "smtpd/outbound/next_hops.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/dns/message.h"

namespace mailstead::smtp {
namespace {

using asio::ip::address;
using dns::Answer;
using dns::Exchanger;
using dns::Outcome;
using Reason = NoNextHop::Reason;

NoNextHop None(Reason reason, absl::string_view domain, absl::string_view why) {
  return {.reason = reason, .text = absl::StrCat(domain, " ", why)};
}

NoNextHop LookupFailed(absl::string_view name, dns::Failure failure) {
  return None(Reason::kLookupFailed, name,
              absl::StrCat("could not be looked up now (", dns::FailureText(failure), ")"));
}

void Shuffle(std::vector<address>& addresses, dns::RandomBelow random) {
  for (size_t left = addresses.size(); left > 1; --left)
    std::swap(addresses[left - 1], addresses[random(left)]);
}

std::optional<address> ParseLiteral(absl::string_view domain) {
  if (!absl::ConsumePrefix(&domain, "[") || !absl::ConsumeSuffix(&domain, "]")) return std::nullopt;
  const bool is_v6 = absl::StartsWithIgnoreCase(domain, "ipv6:");
  if (is_v6) domain.remove_prefix(5);
  std::error_code error;
  const address parsed = asio::ip::make_address(std::string(domain), error);
  if (error || parsed.is_v6() != is_v6 || (is_v6 && parsed.to_v6().scope_id() != 0)) return std::nullopt;
  return parsed;
}

// What the two answers about a host's addresses came to.
struct HostAddresses {
  std::vector<address> ipv6;
  std::vector<address> ipv4;
  bool secure = false;
  std::string canonical_name;
  // Set when there is no address of use, and a failed question may be why.
  std::optional<dns::Failure> failure;
  // The first address that was refused.
  std::optional<address> refused;
  net::AddressVerdict verdict = net::AddressVerdict::kAllowed;
  bool ourselves = false;
};

std::vector<address> AddressesOf(const Answer& answer) {
  std::vector<address> addresses;
  for (const dns::Record& record : answer.records) {
    if (const auto* ipv4 = std::get_if<dns::Ipv4Bytes>(&record))
      addresses.push_back(asio::ip::address_v4(*ipv4));
    if (const auto* ipv6 = std::get_if<dns::Ipv6Bytes>(&record))
      addresses.push_back(asio::ip::address_v6(*ipv6));
  }
  return addresses;
}

// Not only those of `order`, which are some of them where there are many.
std::vector<std::string> BestNames(const Answer& answer, const dns::MxOrder& order) {
  std::vector<std::string> names;
  for (const dns::Record& record : answer.records) {
    const dns::Mx& mx = std::get<dns::Mx>(record);
    if (mx.preference == order.hosts.front().preference && dns::IsHostName(mx.exchange))
      names.push_back(mx.exchange);
  }
  return names;
}

void RefuseForbidden(const net::AddressRules& rules, std::vector<address>* addresses, HostAddresses* host) {
  const auto refused = [&rules, host](const address& each) {
    const net::AddressVerdict verdict = CheckAddress(each, rules);
    if (verdict == net::AddressVerdict::kAllowed) return false;
    if (verdict == net::AddressVerdict::kOurselves) host->ourselves = true;
    if (!host->refused.has_value()) {
      host->refused = each;
      host->verdict = verdict;
    }
    return true;
  };
  addresses->erase(std::remove_if(addresses->begin(), addresses->end(), refused), addresses->end());
}

HostAddresses Combine(const Answer& ipv6, const Answer& ipv4, const net::AddressRules* rules) {
  HostAddresses host;
  host.ipv6 = AddressesOf(ipv6);
  host.ipv4 = AddressesOf(ipv4);
  const bool secure_ipv6 = !host.ipv6.empty() && ipv6.secure;
  const bool secure_ipv4 = !host.ipv4.empty() && ipv4.secure;
  host.secure = secure_ipv6 || secure_ipv4;
  const bool by_ipv6 = secure_ipv6 || (!secure_ipv4 && !host.ipv6.empty());
  host.canonical_name = by_ipv6 ? ipv6.canonical_name : ipv4.canonical_name;
  if (rules != nullptr) {
    RefuseForbidden(*rules, &host.ipv6, &host);
    RefuseForbidden(*rules, &host.ipv4, &host);
  }
  if (host.ipv6.empty() && host.ipv4.empty()) {
    if (ipv6.outcome == Outcome::kFailed) host.failure = ipv6.failure;
    if (ipv4.outcome == Outcome::kFailed) host.failure = ipv4.failure;
  }
  return host;
}

// Drops whoever is ourselves by address, and whoever is not better (RFC 5321 section 5.1).
void DropOurselves(std::vector<Exchanger>* exchangers, std::vector<HostAddresses>* hosts) {
  std::optional<uint16_t> own_preference;
  for (size_t i = 0; i < hosts->size(); ++i) {
    if (!(*hosts)[i].ourselves) continue;
    const uint16_t preference = (*exchangers)[i].preference;
    own_preference = std::min(own_preference.value_or(preference), preference);
  }
  if (!own_preference.has_value()) return;
  size_t kept = 0;
  while (kept < exchangers->size() && (*exchangers)[kept].preference < *own_preference) ++kept;
  exchangers->resize(kept);
  hosts->resize(kept);
}

// Why none of `hosts` is any use: the one that gives most hope counts.
NoNextHop WhyNone(absl::string_view domain, const std::vector<Exchanger>& exchangers,
                  const std::vector<HostAddresses>& hosts) {
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].failure.has_value()) return LookupFailed(exchangers[i].host, *hosts[i].failure);
  }
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (!hosts[i].refused.has_value()) continue;
    NoNextHop none = None(Reason::kForbidden, exchangers[i].host,
                          absl::StrCat("has the address ", hosts[i].refused->to_string(), " (",
                                       AddressVerdictText(hosts[i].verdict), "), which mail is not sent to"));
    none.verdict = hosts[i].verdict;
    return none;
  }
  return None(Reason::kNoAddress, domain, "has no mail host with an address");
}

}  // namespace

absl::string_view EnhancedStatus(NoNextHop::Reason reason) {
  switch (reason) {
    case Reason::kNullMx:
      return "5.1.10";
    case Reason::kNoDomain:
      return "5.1.2";
    case Reason::kLookupFailed:
      return "4.4.3";
    case Reason::kNoAddress:
    case Reason::kForbidden:
      return "5.4.4";
    case Reason::kLoop:
      return "5.4.6";
    case Reason::kBadLiteral:
      return "5.1.3";
  }
  return "4.4.3";
}

std::vector<address> BalanceAddresses(std::vector<address> ipv6, std::vector<address> ipv4, size_t max_count,
                                      dns::RandomBelow random) {
  Shuffle(ipv6, random);
  Shuffle(ipv4, random);
  std::vector<address>* turn = &ipv6;
  std::vector<address>* other = &ipv4;
  if (!ipv6.empty() && !ipv4.empty() && random(2) == 1) std::swap(turn, other);
  std::vector<address> balanced;
  while (balanced.size() < max_count && !(turn->empty() && other->empty())) {
    if (!turn->empty()) {
      balanced.push_back(turn->back());
      turn->pop_back();
    }
    std::swap(turn, other);
  }
  return balanced;
}

NextHopFinder::NextHopFinder(dns::Resolver& resolver, NextHopOptions options, Random random)
    : resolver_(resolver), options_(std::move(options)), random_(std::move(random)) {}

asio::awaitable<NextHopsResult> NextHopFinder::ForDomain(std::string domain, absl::Time deadline) {
  if (absl::StartsWith(domain, "[")) {
    const std::optional<address> literal = ParseLiteral(domain);
    if (!literal.has_value()) co_return None(Reason::kBadLiteral, domain, "is not an address");
    const net::AddressVerdict verdict = CheckAddress(*literal, options_.rules);
    if (verdict == net::AddressVerdict::kOurselves) co_return None(Reason::kLoop, domain, "is this host");
    if (verdict != net::AddressVerdict::kAllowed) {
      NoNextHop none =
          None(Reason::kForbidden, domain,
               absl::StrCat("is an address (", AddressVerdictText(verdict), ") that mail is not sent to"));
      none.verdict = verdict;
      co_return none;
    }
    NextHops found;
    found.hosts.push_back({.host = domain, .canonical_name = domain, .addresses = {*literal}});
    found.best_names = {absl::AsciiStrToLower(domain)};
    co_return found;
  }
  dns::Question question{.name = domain, .type = dns::Type::kMx};
  const Answer answer = co_await resolver_.Ask(std::move(question), deadline);
  dns::MxOrder order = dns::OrderExchangers(domain, answer, options_.own_names, random_);
  switch (order.outcome) {
    case dns::MxOutcome::kNullMx:
      co_return None(Reason::kNullMx, domain, "takes no mail (null MX)");
    case dns::MxOutcome::kNoDomain:
      co_return None(Reason::kNoDomain, domain, "does not exist in the DNS");
    case dns::MxOutcome::kLoop:
      co_return None(Reason::kLoop, domain, "has no better mail host than this one");
    case dns::MxOutcome::kNoHost:
      co_return None(Reason::kNoAddress, domain, "has MX records without a host's name");
    case dns::MxOutcome::kFailed:
      co_return LookupFailed(domain, answer.failure);
    case dns::MxOutcome::kHosts:
    case dns::MxOutcome::kImplicit:
      break;
  }
  NextHops found;
  found.mx_secure = answer.secure;
  found.canonical_domain = answer.canonical_name;
  found.implicit = order.outcome == dns::MxOutcome::kImplicit;
  found.best_names = found.implicit ? std::vector<std::string>{domain} : BestNames(answer, order);
  co_return co_await ResolveHosts(std::move(domain), std::move(order.hosts), std::move(found),
                                  &options_.rules, deadline);
}

asio::awaitable<NextHopsResult> NextHopFinder::ForHost(std::string host, absl::Time deadline) {
  std::error_code error;
  const address parsed = asio::ip::make_address(host, error);
  NextHops found;
  found.mx_secure = true;
  if (!error) {
    found.hosts.push_back({.host = host, .canonical_name = host, .addresses = {parsed}});
    co_return found;
  }
  std::vector<Exchanger> exchangers(1);
  exchangers.front().host = host;
  co_return co_await ResolveHosts(std::move(host), std::move(exchangers), std::move(found), nullptr,
                                  deadline);
}

asio::awaitable<NextHopsResult> NextHopFinder::ResolveHosts(std::string domain,
                                                            std::vector<Exchanger> exchangers, NextHops found,
                                                            const net::AddressRules* rules,
                                                            absl::Time deadline) {
  std::vector<dns::Question> questions;
  for (const Exchanger& each : exchangers) {
    questions.push_back({each.host, dns::Type::kAaaa});
    questions.push_back({each.host, dns::Type::kA});
  }
  const std::vector<Answer> answers = co_await dns::AskAll(resolver_, std::move(questions), deadline);
  std::vector<HostAddresses> hosts;
  for (size_t i = 0; i < exchangers.size(); ++i) {
    hosts.push_back(Combine(answers[2 * i], answers[2 * i + 1], rules));
    // By another name: an alias of an MX host's leads to us.
    const auto& own = options_.own_names;
    const bool own_alias = std::find(own.begin(), own.end(), hosts[i].canonical_name) != own.end();
    if (rules != nullptr && own_alias) hosts[i].ourselves = true;
  }
  DropOurselves(&exchangers, &hosts);
  if (hosts.empty()) co_return None(Reason::kLoop, domain, "has no better mail host than this one");

  size_t left = kMaxAddressesPerAttempt;
  for (size_t i = 0; i < hosts.size(); ++i) {
    HostAddresses& host = hosts[i];
    if (host.failure.has_value()) found.unresolved.push_back(exchangers[i].host);
    std::vector<address> addresses = BalanceAddresses(std::move(host.ipv6), std::move(host.ipv4),
                                                      std::min(left, kMaxAddressesPerHost), random_);
    if (addresses.empty()) continue;
    left -= addresses.size();
    found.hosts.push_back({exchangers[i].host, host.canonical_name, host.secure, std::move(addresses)});
  }
  if (found.hosts.empty()) co_return WhyNone(domain, exchangers, hosts);
  co_return found;
}

}  // namespace mailstead::smtp
