#include "pop3d/server.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "asio/post.hpp"
#include "common/base/status.h"
#include "common/obs/log.h"

namespace mailstead::pop3 {
namespace {

// After the connections are cut: what a call to the store may still take.
constexpr absl::Duration kCutOffTime = absl::Seconds(5);

}  // namespace

absl::Status Server::Listen(const std::string& name, const std::vector<std::string>& addresses,
                            bool implicit_tls) {
  for (const std::string& address : addresses) {
    ASSIGN_OR_RETURN(std::unique_ptr<net::Listener> listener,
                     net::Listener::Start(threads_, {.address = address},
                                          [this, implicit_tls](asio::ip::tcp::socket socket) {
                                            return Serve(std::move(socket), implicit_tls);
                                          }));
    obs::LogInfo("listening",
                 {{"listener", name}, {"address", listener->address()}, {"port", listener->port()}});
    listeners_.push_back(std::move(listener));
  }
  return absl::OkStatus();
}

asio::awaitable<void> Server::Serve(asio::ip::tcp::socket socket, bool implicit_tls) {
  const auto connection = std::make_shared<Connection>(std::move(socket), implicit_tls, context_);
  Enter(connection);
  const auto leave = absl::MakeCleanup([&] { Leave(connection); });
  co_await connection->Run();
}

void Server::Enter(const std::shared_ptr<Connection>& connection) {
  absl::MutexLock lock(&mutex_);
  connections_.insert(connection);
  if (draining_) connection->Drain();
}

void Server::Leave(const std::shared_ptr<Connection>& connection) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(connection);
}

void Server::Tell(void (Connection::*what)()) {
  std::vector<std::shared_ptr<Connection>> connections;
  {
    absl::MutexLock lock(&mutex_);
    connections.assign(connections_.begin(), connections_.end());
  }
  for (std::shared_ptr<Connection>& connection : connections) {
    asio::any_io_executor executor = connection->executor();
    asio::post(executor, [connection = std::move(connection), what] { ((*connection).*what)(); });
  }
}

bool Server::WaitUntilEmpty(absl::Duration timeout) {
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return connections_.empty(); };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
}

bool Server::Drain(absl::Duration timeout) {
  for (const std::unique_ptr<net::Listener>& listener : listeners_) listener->Stop();
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
  }
  // While their I/O threads are there.
  listeners_.clear();
  Tell(&Connection::Drain);
  if (WaitUntilEmpty(timeout)) return true;
  Tell(&Connection::Abort);
  return WaitUntilEmpty(kCutOffTime);
}

}  // namespace mailstead::pop3
