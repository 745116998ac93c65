#include <memory>
#include <vector>

#include "bench/load/load.h"

namespace mailstead::bench {
namespace {

asio::awaitable<void> Open(Client& client, const Target& target) {
  co_await client.Connect(target, nullptr);
  co_await client.ReadLine();
}

// Session s opens every connection whose number is s modulo the number of sessions.
asio::awaitable<void> OpenShare(std::vector<std::unique_ptr<Client>>& clients, const Options& options,
                                size_t session) {
  for (size_t i = session; i < clients.size(); i += options.sessions)
    co_await Open(*clients[i], options.target);
}

}  // namespace

Result HoldIdle(asio::io_context& io, const Options& options, const std::function<void()>& held) {
  std::vector<std::unique_ptr<Client>> clients;
  for (size_t i = 0; i < options.count; ++i) clients.push_back(std::make_unique<Client>(io.get_executor()));
  const absl::Time begin = absl::Now();
  RunSessions(io, options.sessions, [&](size_t session) { return OpenShare(clients, options, session); });
  Result result{.done = options.count, .elapsed = absl::Now() - begin};
  held();
  return result;
}

}  // namespace mailstead::bench
