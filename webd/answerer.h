// Who answers a request: which part of webd it is for, by its path.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/rpc/transport.h"
#include "webd/connect/call.h"
#include "webd/connection_context.h"
#include "webd/exchange.h"
#include "webd/journal.h"
#include "webd/routes/route.h"

namespace mailstead::net {
class Stream;
}

namespace mailstead::web {

// Why an answer comes to nothing though the request is good.
absl::Status NoMemory();
absl::Status ShuttingDown();

// Of one connection, whose requests may be answered at the same time.
class Answerer {
 public:
  // All outlive it. The client is that of `stream`.
  Answerer(const ConnectionContext& context, Journal& journal, const net::Stream& stream)
      : context_(context), journal_(journal), stream_(stream) {}
  Answerer(const Answerer&) = delete;
  Answerer& operator=(const Answerer&) = delete;

  const ConnectionContext& context() const { return context_; }
  Journal& journal() const { return journal_; }
  const net::Stream& stream() const { return stream_; }

  // Of a call of the store in the name of who has shown this.
  rpc::CallOptions OptionsFor(std::string authorization, absl::Duration timeout) const;

  asio::awaitable<void> Answer(Exchange& exchange);
  // Says as JSON why the request comes to nothing. `method`: of the API; empty: none.
  asio::awaitable<void> Refuse(Exchange& exchange, Refusal refusal, absl::string_view method = "");
  // False: the GET has a body, and was refused, or its client has gone. Chunks and HTTP/2 may say behind the head only that there
  // is none, as some libraries do.
  asio::awaitable<bool> AwaitNoBody(Exchange& exchange, absl::string_view method);
  // Tells the journal that the answer is given.
  void Answered(const Exchange& exchange, absl::string_view method, const absl::Status& status);

 private:
  asio::awaitable<void> Dispatch(Exchange& exchange);
  asio::awaitable<void> AnswerPreflight(Exchange& exchange);
  asio::awaitable<void> AnswerRoute(Exchange& exchange, const Route& route);

  const ConnectionContext& context_;
  Journal& journal_;
  const net::Stream& stream_;
};

}  // namespace mailstead::web
