// A connection that speaks HTTP/1.1 (RFC 9112) or 1.0: its requests, one after another, out of its bytes, and the answers into them.
#pragma once

#include "asio/awaitable.hpp"
#include "webd/answerer.h"
#include "webd/client_link.h"

namespace mailstead::web {

class Http1Session {
 public:
  // Both outlive it.
  Http1Session(ClientLink& link, Answerer& answerer) : link_(link), answerer_(answerer) {}
  Http1Session(const Http1Session&) = delete;
  Http1Session& operator=(const Http1Session&) = delete;

  // Until the link has ended.
  asio::awaitable<void> Run();

 private:
  class OneExchange;

  // One request, from the wait for it to the end of its answer.
  asio::awaitable<void> ServeOne();
  // False: there is no request, and the connection ends.
  asio::awaitable<bool> ReadHead(OneExchange& exchange);

  ClientLink& link_;
  Answerer& answerer_;
};

}  // namespace mailstead::web
