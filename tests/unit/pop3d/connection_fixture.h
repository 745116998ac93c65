// A connection under test with a FakeStore behind it, all on one io_context.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "common/net/connection_counter.h"
#include "common/net/tls_context.h"
#include "pop3d/connection.h"
#include "pop3d/lease_keeper.h"
#include "pop3d/metrics.h"
#include "prometheus/registry.h"
#include "tests/unit/pop3d/fake_store.h"

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
    Tell(&Connection::Abort);
    const auto all_ended = [this] {
      return std::all_of(connections.begin(), connections.end(),
                         [](const auto& weak) { return weak.expired(); });
    };
    for (int i = 0; i < 1000 && !all_ended(); ++i) {
      if (io.stopped()) io.restart();
      io.run_one_for(std::chrono::milliseconds(10));
    }
  }

  asio::awaitable<void> Serve(asio::ip::tcp::socket socket) {
    const auto connection = std::make_shared<Connection>(std::move(socket), implicit_tls, context);
    connections.push_back(connection);
    co_await connection->Run();
  }
  void Tell(void (Connection::*what)()) {
    for (const std::weak_ptr<Connection>& weak : connections) {
      if (const auto connection = weak.lock()) ((*connection).*what)();
    }
  }

  asio::io_context io{1};
  FakeStore store;
  prometheus::Registry registry;
  Metrics metrics{registry};
  net::ConnectionCounter counter{3, 2};
  LeaseKeeper leases{store, io.get_executor(), {.holder = "test"}};
  ConnectionContext context{
      .tls = &TestCertificate(), .counter = counter, .store = store, .leases = leases, .metrics = metrics};
  bool implicit_tls = false;
  std::vector<std::weak_ptr<Connection>> connections;
};

}  // namespace mailstead::pop3
