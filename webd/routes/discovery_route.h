// What mail programs are told of how they reach this server (discovery/settings.h): of domains whose mail is taken here, to everybody.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "webd/answerer.h"
#include "webd/exchange.h"
#include "webd/routes/route.h"

namespace mailstead::web {

class DiscoveryRoute {
 public:
  // All outlive it.
  DiscoveryRoute(Answerer& answerer, Exchange& exchange, const Route& route)
      : answerer_(answerer), context_(answerer.context()), exchange_(exchange), route_(route) {}
  DiscoveryRoute(const DiscoveryRoute&) = delete;
  DiscoveryRoute& operator=(const DiscoveryRoute&) = delete;

  // To the end of the answer. Once.
  asio::awaitable<void> Run();

 private:
  asio::awaitable<void> Refuse(absl::Status error);
  // The document.
  asio::awaitable<absl::StatusOr<std::string>> Config();
  asio::awaitable<absl::StatusOr<std::string>> Autodiscover();
  asio::awaitable<absl::StatusOr<std::string>> ReadBody();
  // As the directory has it.
  asio::awaitable<absl::StatusOr<std::string>> FindDomain(std::string name);

  Answerer& answerer_;
  const ConnectionContext& context_;
  Exchange& exchange_;
  const Route& route_;
};

}  // namespace mailstead::web
