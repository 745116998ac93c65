#include "webd/webhooks/poster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "webd/webhooks/payload.h"
#include "webd/webhooks/signature.h"

namespace mailstead::web {
namespace {

namespace fv1 = frontend::v1;
using Addresses = std::vector<asio::ip::address>;

// Nobody reads what a receiver says beside its status.
constexpr size_t kMaxAnswerBytes = 4096;
constexpr size_t kMaxWaiting = 4096;
// What a look-up may leave, as libcurl knows no less.
constexpr absl::Duration kLeastTimeout = absl::Milliseconds(1);

http::HttpsOptions ClientOptions(const PosterOptions& options) {
  http::HttpsOptions client;
  client.max_open = options.max_open;
  client.max_waiting = kMaxWaiting;
  client.reuse_connections = true;
  return client;
}

dns::HostFinderOptions FinderOptions(const PosterOptions& options) {
  dns::HostFinderOptions finder;
  finder.timeout = options.timeout;
  finder.servers = options.dns_servers;
  return finder;
}

Posted Failed(const absl::Status& why) {
  Posted posted;
  posted.failure = std::string(why.message());
  posted.cut_off = absl::IsCancelled(why);
  return posted;
}

// By each of the secrets, with a space between.
absl::StatusOr<std::string> SignaturesOf(const std::vector<std::string>& secrets, absl::string_view id,
                                         int64_t timestamp, absl::string_view body) {
  std::vector<std::string> signatures;
  for (const std::string& secret : secrets) {
    ASSIGN_OR_RETURN(signatures.emplace_back(), WebhookSignature(secret, id, timestamp, body));
  }
  return absl::StrJoin(signatures, " ");
}

}  // namespace

Poster::Poster(asio::any_io_executor executor, PosterOptions options)
    : options_(std::move(options)),
      finder_(std::move(executor), FinderOptions(options_)),
      client_(ClientOptions(options_)) {}

asio::awaitable<absl::StatusOr<Addresses>> Poster::AddressesOf(const http::HttpsUrl& url) {
  std::string bare = url.host;
  if (bare.size() > 2 && bare.front() == '[') bare = bare.substr(1, bare.size() - 2);
  Addresses found;
  asio::error_code no_address;
  const asio::ip::address literal = asio::ip::make_address(bare, no_address);
  if (!no_address) {
    found = {literal};
  } else {
    CO_ASSIGN_OR_RETURN(found, co_await finder_.Find(url.host));
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
  const absl::Time deadline = Clock::Steady().Now() + options_.timeout;
  const absl::StatusOr<http::HttpsUrl> url = http::ParseHttpUrl(webhook.url());
  if (!url.ok()) co_return Failed(url.status());
  // As they are with this URL: while the host is looked up they may be changed.
  std::vector<std::string> secrets = {webhook.secret()};
  if (!webhook.old_secret().empty()) secrets.push_back(webhook.old_secret());
  absl::StatusOr<Addresses> addresses = co_await AddressesOf(*url);
  if (!addresses.ok()) co_return Failed(addresses.status());
  absl::StatusOr<std::string> body = WebhookBody(event, options_.public_url);
  if (!body.ok()) co_return Failed(body.status());
  // Of this try: receivers refuse what is old, so that nobody sends it again.
  const int64_t timestamp = absl::ToUnixSeconds(Clock::System().Now());
  const absl::StatusOr<std::string> signatures = SignaturesOf(secrets, event.event_id(), timestamp, *body);
  if (!signatures.ok()) co_return Failed(signatures.status());

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
  request.fields.push_back(absl::StrCat("webhook-signature: ", *signatures));
  request.max_body_bytes = kMaxAnswerBytes;
  request.status_only = true;
  request.timeout = std::max(deadline - Clock::Steady().Now(), kLeastTimeout);
  const absl::StatusOr<http::HttpsResponse> response = co_await client_.Send(std::move(request));
  if (absl::IsDeadlineExceeded(response.status())) {
    // Of which the look-up has had its part.
    co_return Failed(absl::DeadlineExceededError(
        absl::StrCat("no whole response within ", absl::FormatDuration(options_.timeout))));
  }
  if (!response.ok()) co_return Failed(response.status());

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
