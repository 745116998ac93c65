#include "smtpd/outbound/sts_source.h"

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/text/utf8.h"

namespace mailstead::smtp::outbound {
namespace {

using mailauth::TlsFailure;

// Of what a library says, for the log.
constexpr size_t kMaxTextBytes = 300;
constexpr int kOk = 200;
// A stranger chooses how many there are.
constexpr size_t kMaxAddressesPerPolicy = 8;

StsSource::Fetched Failed(TlsFailure failure, absl::string_view text) {
  StsSource::Fetched fetched;
  fetched.failure = StsFetchFailure{failure, PrintableUtf8(text, kMaxTextBytes)};
  return fetched;
}

// What may be connected to, of both families.
struct Addresses {
  std::vector<asio::ip::address> allowed;
  // Why there is none.
  std::string why;
};

Addresses AllowedOf(const std::string& host, const std::vector<dns::Answer>& answers,
                    const net::AddressRules& rules) {
  Addresses found;
  found.why = absl::StrCat(host, " has no address");
  for (const dns::Answer& answer : answers) {
    if (answer.outcome == dns::Outcome::kFailed) {
      found.why = absl::StrCat(host, " could not be looked up now (", dns::FailureText(answer.failure), ")");
    }
    for (const dns::Record& record : answer.records) {
      asio::ip::address address;
      if (const auto* ipv4 = std::get_if<dns::Ipv4Bytes>(&record)) address = asio::ip::address_v4(*ipv4);
      if (const auto* ipv6 = std::get_if<dns::Ipv6Bytes>(&record)) address = asio::ip::address_v6(*ipv6);
      const net::AddressVerdict verdict = CheckAddress(address, rules);
      if (verdict == net::AddressVerdict::kAllowed) {
        found.allowed.push_back(address);
      } else {
        found.why = absl::StrCat(host, " has the address ", address.to_string(), " (",
                                 AddressVerdictText(verdict), "), which is not connected to");
      }
    }
  }
  if (found.allowed.size() > kMaxAddressesPerPolicy) found.allowed.resize(kMaxAddressesPerPolicy);
  return found;
}

}  // namespace

HttpsStsSource::HttpsStsSource(dns::Resolver& resolver, http::HttpsClient& client, Options options,
                               Timers& timers)
    : resolver_(resolver), client_(client), options_(std::move(options)), timers_(timers) {}

asio::awaitable<StsSource::Fetched> HttpsStsSource::Fetch(std::string domain) {
  http::HttpsRequest request;
  request.host = mailauth::StsPolicyHost(domain);
  request.port = options_.port;
  request.path = std::string(mailauth::kStsPolicyPath);
  request.max_body_bytes = mailauth::kMaxStsPolicyBytes;
  request.timeout = options_.timeout;
  std::vector<dns::Question> questions = {{request.host, dns::Type::kAaaa}, {request.host, dns::Type::kA}};
  const std::vector<dns::Answer> answers =
      co_await dns::AskAll(resolver_, std::move(questions), timers_.Now() + kStsDnsTimeout);
  Addresses addresses = AllowedOf(request.host, answers, options_.rules);
  if (addresses.allowed.empty()) co_return Failed(TlsFailure::kStsPolicyFetchError, addresses.why);
  request.addresses = std::move(addresses.allowed);
  absl::StatusOr<http::HttpsResponse> response = co_await client_.Send(std::move(request));
  if (!response.ok()) {
    // Section 3.3: the certificate must be for the policy's host.
    co_return Failed(absl::IsPermissionDenied(response.status()) ? TlsFailure::kStsWebpkiInvalid
                                                                 : TlsFailure::kStsPolicyFetchError,
                     response.status().message());
  }
  // Section 3.3: redirects are not followed, and nothing but 200 is a policy.
  if (response->status != kOk) {
    co_return Failed(TlsFailure::kStsPolicyFetchError, absl::StrCat("the server answers ", response->status));
  }
  if (!mailauth::IsStsMediaType(response->content_type)) {
    co_return Failed(TlsFailure::kStsPolicyFetchError,
                     absl::StrCat("the media type is \"", response->content_type, "\", not text/plain"));
  }
  Fetched fetched;
  fetched.file = std::move(response->body);
  co_return fetched;
}

}  // namespace mailstead::smtp::outbound
