#include "webd/connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/net/proxy_protocol.h"
#include "common/net/tls_context.h"
#include "webd/http1_session.h"
#include "webd/http2_session.h"
#include "webd/limits.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

}  // namespace

Connection::Connection(const ConnectionContext& context, asio::ip::tcp::socket socket)
    : context_(context),
      link_(context, std::move(socket)),
      answerer_(context, link_.journal(), link_.stream()) {}

Connection::~Connection() = default;

asio::awaitable<void> Connection::Run() {
  const bool ready = co_await Prepare();
  if (ready) {
    const bool speaks_http2 = co_await SpeaksHttp2();
    co_await Serve(speaks_http2);
  }
  place_ = {};
  co_await link_.LeaveGently();
  link_.stream().Close();
  link_.journal().Closed(link_.end_reason());
}

asio::awaitable<void> Connection::Serve(bool speaks_http2) {
  if (speaks_http2) {
    Http2Session session(link_, answerer_);
    co_await session.Run();
  } else {
    Http1Session session(link_, answerer_);
    co_await session.Run();
  }
}

// --- Before the first request

asio::awaitable<bool> Connection::Prepare() {
  const bool has_header = co_await ReadProxyHeader();
  if (!has_header) co_return false;
  const bool admitted = co_await Admit();
  if (!admitted || !context_.implicit_tls) co_return admitted;
  co_return co_await HandshakeTls();
}

asio::awaitable<bool> Connection::ReadProxyHeader() {
  const ClientLink::Waiting waiting(link_);
  const absl::Status status =
      co_await net::ReadProxyHeader(link_.stream(), context_.proxy_networks, context_.timeouts.proxy_header);
  if (status.ok()) co_return true;
  link_.journal().ProxyHeaderRefused(status);
  link_.End("proxy_failed");
  co_return false;
}

asio::awaitable<bool> Connection::Admit() {
  using Verdict = net::ConnectionCounter::Verdict;
  const Verdict verdict = context_.counter.Admit(link_.stream().peer_address(), place_);
  if (verdict == Verdict::kAdmitted) {
    link_.journal().Admitted();
    co_return true;
  }
  link_.journal().ConnectionRefused(verdict == Verdict::kTooManyInAll ? "too_many_connections"
                                                                      : "too_many_connections_from_address");
  // With TLS the words would cost a handshake, which is what a flood of connections wants of us.
  if (!context_.implicit_tls) co_await link_.WriteAll(std::string(kTooMany), kRefusalTimeout);
  link_.End("refused");
  co_return false;
}

asio::awaitable<bool> Connection::HandshakeTls() {
  const ClientLink::Waiting waiting(link_);
  const absl::Status status =
      co_await link_.stream().StartTls(*context_.tls, context_.timeouts.tls_handshake);
  if (status.ok()) co_return true;
  link_.journal().TlsFailed(status);
  link_.End("tls_failed");
  co_return false;
}

// RFC 9113 section 3.3: a client that knows that we speak it begins with it.
asio::awaitable<bool> Connection::SpeaksHttp2() {
  if (link_.stream().tls() != nullptr) co_return link_.stream().tls()->alpn == "h2";
  absl::Time deadline = absl::InfiniteFuture();
  while (!link_.ended()) {
    const absl::string_view begin = link_.input().bytes().substr(0, kHttp2Preface.size());
    if (begin == kHttp2Preface) co_return true;
    if (!absl::StartsWith(kHttp2Preface, begin)) co_return false;
    const bool begun = !begin.empty();
    if (begun && deadline == absl::InfiniteFuture())
      deadline = context_.steady.Now() + context_.timeouts.head;
    const absl::Status status = co_await link_.AwaitInput(
        begun ? std::max(deadline - context_.steady.Now(), absl::ZeroDuration()) : context_.timeouts.idle);
    if (status.ok()) continue;
    // Clients may come and go as they like.
    if (!begun && absl::IsUnavailable(status)) link_.End("done");
    link_.EndFor(status, begun ? "timeout" : "idle");
  }
  co_return false;
}

}  // namespace mailstead::web
