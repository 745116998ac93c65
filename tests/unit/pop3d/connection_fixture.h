// A connection under test with a store behind it; the connection is all on one io_context.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "common/base/byte_budget.h"
#include "common/net/connection_counter.h"
#include "common/net/tls_context.h"
#include "common/store/lease_keeper.h"
#include "common/store/store_api.h"
#include "gtest/gtest.h"
#include "pop3d/connection.h"
#include "pop3d/listing_cache.h"
#include "pop3d/metrics.h"
#include "prometheus/registry.h"
#include "tests/unit/pop3d/pop_store.h"

namespace mailstead::pop3 {

// Made in memory once: making a key takes time.
inline const net::TlsContext& TestCertificate() {
  static const std::unique_ptr<net::TlsContext> tls =
      *net::TlsContext::Create({.self_signed_name = "mail.example.test"});
  return *tls;
}

struct PopService {
  PopService() {
    context.session.hostname = "mail.example.test";
    context.timeouts.commit_retry_for = absl::Seconds(5);
  }

  // A test that failed in the middle may have left sessions; they use what is destroyed here.
  ~PopService() {
    Tell(&Connection::Close);
    const auto all_ended = [this] {
      return std::all_of(connections.begin(), connections.end(),
                         [](const auto& weak) { return weak.expired(); });
    };
    EXPECT_TRUE(Until(all_ended));
    // And what releases maildrops.
    bool ended = false;
    asio::co_spawn(io, leases.End(), [&ended](std::exception_ptr) { ended = true; });
    EXPECT_TRUE(Until([&ended] { return ended; }));
  }

  // Runs the connections until it is so.
  testing::AssertionResult Until(const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!done()) {
      if (absl::Now() > deadline) return testing::AssertionFailure() << "not in time";
      if (io.stopped()) io.restart();
      io.run_one_for(std::chrono::milliseconds(1));
    }
    return testing::AssertionSuccess();
  }

  asio::awaitable<void> Serve(asio::ip::tcp::socket socket) {
    const auto connection = std::make_shared<Connection>(context, std::move(socket));
    connections.push_back(connection);
    co_await connection->Run();
  }
  void Tell(void (Connection::*what)()) {
    for (const std::weak_ptr<Connection>& weak : connections) {
      if (const auto connection = weak.lock()) ((*connection).*what)();
    }
  }

  asio::io_context io{1};
  PopStore store;
  store::StoreApi api{store.way};
  prometheus::Registry registry;
  Metrics metrics{registry};
  net::ConnectionCounter counter{3, 2};
  store::LeaseKeeper leases{api, io.get_executor(), {.holder = "test"}};
  ListingCache listings{kListingCacheBytes};
  ByteBudget read_ahead{kReadAheadBytesInAll};
  ConnectionContext context{.tls = &TestCertificate(),
                            .counter = counter,
                            .store = api,
                            .leases = leases,
                            .listings = listings,
                            .read_ahead = read_ahead,
                            .metrics = metrics};
  std::vector<std::weak_ptr<Connection>> connections;
};

}  // namespace mailstead::pop3
