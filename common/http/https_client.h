// Requests over HTTPS to hosts that strangers name: the policies of MTA-STS (RFC 8461), reports of TLS-RPT (RFC 8460),
// webhooks. By libcurl.
//
// SECURITY: only https, unless a request says otherwise; only to the addresses that the caller has looked up and allowed; only
// with a certificate that is good by the system's store for the URL's host. Redirects are not followed; no proxy, password or
// cookie of the environment is used. What a host may send and how long it may take is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/address.hpp"

namespace mailstead::http {

// The port of https (RFC 9110 section 4.2.2).
inline constexpr uint16_t kHttpsPort = 443;

struct HttpsRequest {
  // A host name in ASCII, the port, and the path with its query: "mta-sts.example.org", 443, "/.well-known/mta-sts.txt".
  std::string host;
  uint16_t port = kHttpsPort;
  std::string path;
  // Where the host is: tried by turns. At least one.
  std::vector<asio::ip::address> addresses;
  // HTTP without TLS.
  bool plain = false;
  // The host may also be an address in text (IPv6 in brackets), or a name of one label: where an operator has named it.
  bool any_host = false;
  // "name: value", beside those of libcurl.
  std::vector<std::string> fields;
  // Empty: GET. Else POST of `body` as that media type.
  std::string content_type;
  std::string body;
  // Of the response; more is an error, or is not read where only its status is wanted.
  size_t max_body_bytes = 65'536;
  bool status_only = false;
  // For all of it, from the connection to the last octet, after the request's turn has come.
  absl::Duration timeout = absl::Seconds(60);
};

struct HttpsResponse {
  // 200 to 599: also what is no success.
  int status = 0;
  // As the host wrote it, with its parameters; empty: none.
  std::string content_type;
  std::string body;
  // Retry-After (RFC 9110 section 10.2.3), from now on; zero: none.
  absl::Duration retry_after;
};

struct HttpsUrl {
  std::string host;
  uint16_t port = kHttpsPort;
  // With the query, without a fragment; at least "/".
  std::string path;
  // http.
  bool plain = false;
};

// Takes an https URL apart (RFC 3986) by libcurl's own reading of it. InvalidArgument: another scheme, a user's name in it, or no
// URL at all.
absl::StatusOr<HttpsUrl> ParseHttpsUrl(absl::string_view url);
// The same, and of http URLs.
absl::StatusOr<HttpsUrl> ParseHttpUrl(absl::string_view url);

struct HttpsOptions {
  // Requests that are under way at a time, and that wait for their turn; more fail at once. A slow host holds one up for
  // its timeout and no other.
  size_t max_open = 64;
  size_t max_waiting = 1024;
  // A connection may serve several requests to a host, one after the other.
  bool reuse_connections = false;
  // The certificates that are trusted, a file; empty: SSL_CERT_FILE, or else the system's.
  std::string ca_file;
};

// Thread-safe. Has one thread.
class HttpsClient {
 public:
  explicit HttpsClient(HttpsOptions options = {});
  // What is under way fails with Cancelled. The executors that it was called on outlive it.
  ~HttpsClient();
  HttpsClient(const HttpsClient&) = delete;
  HttpsClient& operator=(const HttpsClient&) = delete;

  // Goes on on the executor that it was called on. InvalidArgument: the host is no name of one, or there is no address. Unavailable: no connection, TLS or HTTP came about, and why;
  // DeadlineExceeded; ResourceExhausted: too much is under way, or the response too large. PermissionDenied: the certificate
  // is not good for the host.
  asio::awaitable<absl::StatusOr<HttpsResponse>> Send(HttpsRequest request);
  // What is under way fails with Cancelled, and so does all that comes later. Once; the destructor does it otherwise.
  void Stop();

 private:
  class Impl;
  // Shared with what waits for an answer.
  const std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::http
