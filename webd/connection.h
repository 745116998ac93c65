// One client's connection from its begin to its end: what comes before the first request, the session of the version of HTTP
// that the client speaks, and the end.
#pragma once

#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/frontend/connection_set.h"
#include "common/net/connection_counter.h"
#include "webd/answerer.h"
#include "webd/client_link.h"
#include "webd/connection_context.h"

namespace mailstead::web {

// Belongs to the single-threaded executor of its socket; every function is called there.
class Connection final : public frontend::Connection {
 public:
  // `context` outlives it.
  Connection(const ConnectionContext& context, asio::ip::tcp::socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves the client to the end; then nothing of it is left. Once.
  asio::awaitable<void> Run();

  asio::any_io_executor executor() override { return link_.stream().executor(); }
  // The process ends: close after the request in progress, at once when there is none. A stream ends with an error that says so.
  void Drain() override { link_.Drain(); }
  // The time for that is over: close now.
  void Close() override { link_.Close(); }

 private:
  // Before the first request: PROXY header, counting, TLS. False: there is none.
  asio::awaitable<bool> Prepare();
  asio::awaitable<bool> ReadProxyHeader();
  asio::awaitable<bool> Admit();
  asio::awaitable<bool> HandshakeTls();
  asio::awaitable<void> Serve(bool speaks_http2);
  // By ALPN, and without TLS by how the client begins.
  asio::awaitable<bool> SpeaksHttp2();

  const ConnectionContext& context_;
  ClientLink link_;
  Answerer answerer_;
  net::ConnectionCounter::Place place_;
};

}  // namespace mailstead::web
