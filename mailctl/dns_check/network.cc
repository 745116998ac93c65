#include "mailctl/dns_check/network.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/dns/server_list.h"
#include "common/mailauth/sts_policy.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

constexpr absl::Duration kDnsTimeout = absl::Seconds(20);
constexpr absl::Duration kHttpsTimeout = absl::Seconds(30);
constexpr int kOk = 200;

asio::awaitable<dns::Answer> AskFor(dns::Resolver& resolver, std::string name, dns::Type type) {
  dns::Question question{std::move(name), type};
  co_return co_await resolver.Ask(std::move(question), Clock::Steady().Now() + kDnsTimeout);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Network>> Network::Create(absl::string_view servers) {
  absl::StatusOr<std::vector<dns::Server>> parsed = dns::ParseServers(servers);
  if (!parsed.ok()) return UsageError(absl::StrCat("--dns_servers: ", parsed.status().message()));
  std::unique_ptr<Network> network(new Network());
  dns::AresOptions options;
  options.trusted = dns::TrustedByDefault(*parsed);
  options.servers = *std::move(parsed);
  ASSIGN_OR_RETURN(network->resolver_, dns::AresResolver::Start(network->context_.get_executor(), options));
  Network* const self = network.get();
  network->fetch_policy_ = [self](std::string domain) { return self->FetchPolicy(std::move(domain)); };
  return network;
}

Network::~Network() { https_.Stop(); }

std::string Network::ServersText() const {
  std::vector<std::string> texts;
  for (const dns::Server& server : resolver_->servers()) texts.push_back(dns::ServerText(server));
  return absl::StrJoin(texts, ", ");
}

bool Network::KnowsDnssec() {
  if (!resolver_->trusted()) return false;
  return Run(AskFor(*resolver_, ".", dns::Type::kSoa)).secure;
}

asio::awaitable<absl::StatusOr<std::string>> Network::FetchPolicy(std::string domain) {
  http::HttpsRequest request;
  request.host = mailauth::StsPolicyHost(domain);
  request.path = std::string(mailauth::kStsPolicyPath);
  request.max_body_bytes = mailauth::kMaxStsPolicyBytes;
  request.timeout = kHttpsTimeout;
  for (const dns::Type type : {dns::Type::kA, dns::Type::kAaaa}) {
    const dns::Answer answer = co_await AskFor(*resolver_, request.host, type);
    for (const dns::Record& record : answer.records) {
      if (const auto* v4 = std::get_if<dns::Ipv4Bytes>(&record))
        request.addresses.push_back(asio::ip::address_v4(*v4));
      if (const auto* v6 = std::get_if<dns::Ipv6Bytes>(&record))
        request.addresses.push_back(asio::ip::address_v6(*v6));
    }
  }
  CO_ASSIGN_OR_RETURN(http::HttpsResponse response, co_await https_.Send(std::move(request)));
  if (response.status != kOk)
    co_return absl::NotFoundError(absl::StrCat("the server answers ", response.status));
  if (!mailauth::IsStsMediaType(response.content_type)) {
    co_return absl::NotFoundError(
        absl::StrCat("the media type is \"", response.content_type, "\", not text/plain"));
  }
  co_return std::move(response.body);
}

}  // namespace mailstead::ctl
