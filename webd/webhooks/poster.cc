#include "webd/webhooks/poster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "asio/ip/tcp.hpp"
#include "asio/redirect_error.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "webd/webhooks/payload.h"
#include "webd/webhooks/signature.h"

namespace mailstead::web {
namespace {

namespace fv1 = frontend::v1;
using Addresses = std::vector<asio::ip::address>;

// How long a host is where it was.
constexpr absl::Duration kKnownFor = absl::Seconds(30);
constexpr size_t kMaxKnown = 1000;
constexpr size_t kMaxAddresses = 8;
// Nobody reads what a receiver says beside its status.
constexpr size_t kMaxAnswerBytes = 4096;
constexpr size_t kMaxWaiting = 4096;

http::HttpsOptions ClientOptions(const PosterOptions& options) {
  http::HttpsOptions client;
  client.max_open = options.max_open;
  client.max_waiting = kMaxWaiting;
  client.reuse_connections = true;
  return client;
}

Posted Failed(std::string why) {
  Posted posted;
  posted.failure = std::move(why);
  return posted;
}

}  // namespace

Poster::Poster(asio::any_io_executor executor, PosterOptions options)
    : executor_(std::move(executor)), options_(std::move(options)), client_(ClientOptions(options_)) {}

asio::awaitable<absl::StatusOr<Addresses>> Poster::LookUp(std::string host) {
  const absl::Time now = Clock::Steady().Now();
  const auto known = known_.find(host);
  if (known != known_.end() && known->second.until > now) co_return known->second.addresses;
  asio::ip::tcp::resolver resolver(executor_);
  asio::error_code error;
  const auto found =
      co_await resolver.async_resolve(host, "", asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return absl::UnavailableError(absl::StrCat(host, " cannot be looked up: ", error.message()));
  Addresses addresses;
  for (const auto& entry : found) {
    const asio::ip::address address = entry.endpoint().address();
    const bool is_new = std::find(addresses.begin(), addresses.end(), address) == addresses.end();
    if (is_new && addresses.size() < kMaxAddresses) addresses.push_back(address);
  }
  if (known_.size() >= kMaxKnown) known_.clear();
  known_[host] = {addresses, now + kKnownFor};
  co_return addresses;
}

asio::awaitable<absl::StatusOr<Addresses>> Poster::AddressesOf(const http::HttpsUrl& url) {
  std::string bare = url.host;
  if (bare.size() > 2 && bare.front() == '[') bare = bare.substr(1, bare.size() - 2);
  Addresses found;
  asio::error_code no_address;
  const asio::ip::address literal = asio::ip::make_address(bare, no_address);
  if (!no_address) {
    found = {literal};
  } else {
    CO_ASSIGN_OR_RETURN(found, co_await LookUp(url.host));
  }
  Addresses allowed;
  std::string why = "it has no address";
  for (const asio::ip::address& address : found) {
    // SECURITY: each time, as what a name leads to may change between two looks.
    const net::AddressVerdict verdict = net::CheckAddress(address, options_.rules);
    if (verdict != net::AddressVerdict::kAllowed) {
      why = absl::StrCat(address.to_string(), " is ", net::AddressVerdictText(verdict),
                         ", which --webhook_allow_networks does not allow");
    } else if (url.plain && !options_.plaintext.Contains(address)) {
      why = absl::StrCat(address.to_string(),
                         " is not in --webhook_plaintext_networks: the URL has to be https");
    } else {
      allowed.push_back(address);
    }
  }
  if (allowed.empty()) co_return absl::PermissionDeniedError(absl::StrCat(url.host, ": ", why));
  co_return allowed;
}

asio::awaitable<Posted> Poster::Post(const fv1::ClaimedWebhook& webhook, const fv1::WebhookEvent& event) {
  const absl::StatusOr<http::HttpsUrl> url = http::ParseHttpUrl(webhook.url());
  if (!url.ok()) co_return Failed(std::string(url.status().message()));
  absl::StatusOr<Addresses> addresses = co_await AddressesOf(*url);
  if (!addresses.ok()) co_return Failed(std::string(addresses.status().message()));
  absl::StatusOr<std::string> body = WebhookBody(event, options_.public_url);
  if (!body.ok()) co_return Failed(std::string(body.status().message()));
  // Of this try: receivers refuse what is old, so that nobody sends it again.
  const int64_t timestamp = absl::ToUnixSeconds(Clock::System().Now());
  const absl::StatusOr<std::string> signature =
      WebhookSignature(webhook.secret(), event.event_id(), timestamp, *body);
  if (!signature.ok()) co_return Failed(std::string(signature.status().message()));

  http::HttpsRequest request;
  request.host = url->host;
  request.port = url->port;
  request.path = url->path;
  request.plain = url->plain;
  request.any_host = true;
  request.addresses = *std::move(addresses);
  request.content_type = "application/json";
  request.body = *std::move(body);
  request.fields.push_back(absl::StrCat("webhook-id: ", event.event_id()));
  request.fields.push_back(absl::StrCat("webhook-timestamp: ", timestamp));
  request.fields.push_back(absl::StrCat("webhook-signature: ", *signature));
  request.max_body_bytes = kMaxAnswerBytes;
  request.status_only = true;
  request.timeout = options_.timeout;
  const absl::StatusOr<http::HttpsResponse> response = co_await client_.Send(std::move(request));
  if (!response.ok()) {
    Posted failed = Failed(std::string(response.status().message()));
    failed.cut_off = absl::IsCancelled(response.status());
    co_return failed;
  }

  Posted posted;
  posted.sent = response->status >= 200 && response->status < 300;
  if (posted.sent) co_return posted;
  posted.failure = absl::StrCat("the receiver answered ", response->status);
  if (response->status >= 300 && response->status < 400) {
    absl::StrAppend(&posted.failure, ": redirects are not followed");
  }
  posted.retry_after = response->retry_after;
  posted.gone = response->status == 410;
  co_return posted;
}

}  // namespace mailstead::web
