// The DNS and the web, for commands that look at them: calls return when they are done.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/use_future.hpp"
#include "common/dns/ares_resolver.h"
#include "common/http/https_client.h"
#include "mailctl/dns_check/domain_check.h"

namespace mailstead::ctl {

class Network {
 public:
  // `servers` as in --dns_servers; empty: the system's. Usage error: they are none.
  static absl::StatusOr<std::unique_ptr<Network>> Create(absl::string_view servers);
  ~Network();

  dns::Resolver& resolver() { return *resolver_; }
  // Who is asked, for a person.
  std::string ServersText() const;
  const PolicyFetcher& fetch_policy() const { return fetch_policy_; }
  // Whether the resolver's word on DNSSEC is known to be so: asks it for something that is signed.
  bool KnowsDnssec();

  // What `task` gives.
  template <typename T>
  T Run(asio::awaitable<T> task) {
    auto result = asio::co_spawn(context_, std::move(task), asio::use_future);
    while (result.wait_for(std::chrono::seconds(0)) != std::future_status::ready) context_.run_one();
    return result.get();
  }

 private:
  Network() = default;
  asio::awaitable<absl::StatusOr<std::string>> FetchPolicy(std::string domain);

  asio::io_context context_{1};
  // What waits for another thread is no work of the context's own.
  const asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::unique_ptr<dns::AresResolver> resolver_;
  PolicyFetcher fetch_policy_;
  http::HttpsClient https_;
};

}  // namespace mailstead::ctl
