// The change feed as Server-Sent Events: WatchService.Watch by GET. The id of an event is its cursor, in base64 as URLs have it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "webd/answerer.h"
#include "webd/exchange.h"
#include "webd/store_stream.h"

namespace mailstead::web {

class WatchRoute {
 public:
  // Both outlive it. Of a GET without a body.
  WatchRoute(Answerer& answerer, Exchange& exchange)
      : answerer_(answerer), context_(answerer.context()), exchange_(exchange) {}
  WatchRoute(const WatchRoute&) = delete;
  WatchRoute& operator=(const WatchRoute&) = delete;

  // To the end of the answer. Once.
  asio::awaitable<void> Run();

 private:
  // Waits for what the store tells next, as events. Errors: why it tells nothing any more.
  asio::awaitable<absl::StatusOr<std::string>> Next(StoreStream& answers);
  // Of a message WatchResponse.
  absl::StatusOr<std::string> EventsOf(const std::string& response) const;
  absl::StatusOr<std::string> EventOf(absl::string_view event) const;
  asio::awaitable<void> Forward(StoreStream& answers);
  asio::awaitable<void> Refuse(absl::Status error);

  Answerer& answerer_;
  const ConnectionContext& context_;
  Exchange& exchange_;
};

}  // namespace mailstead::web
