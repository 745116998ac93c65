// The skeleton of a front-end: what smtpd and pop3d have in common from the start of the process to its end.
// A program adds its flags, its listeners and what a connection does:
//
//   int main(int argc, char** argv) {
//     frontend::PrepareProcess();
//     const Flags flags = ReadFlags(argc, argv);
//     frontend::Daemon daemon({.program = "smtpd", .flags = flags.frontend, ...});
//     Server server(flags, daemon, metrics);
//     return daemon.Run(server.listening(), server.hooks());
//   }
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/frontend/flags.h"
#include "common/frontend/listeners.h"
#include "common/frontend/login_watch.h"
#include "common/net/connection_counter.h"
#include "common/net/listener.h"
#include "common/net/tls_context.h"
#include "common/store/store_api.h"

namespace prometheus {
class Registry;
}

namespace mailstead::rpc {
class GrpcTransport;
}

namespace mailstead::frontend {

// First of all in main: signals and descriptors, before there are threads.
void PrepareProcess();

struct DaemonOptions {
  // "smtpd": in the log, and before the errors of a start.
  std::string program;
  Flags flags;
  // Where the program's metrics are.
  std::shared_ptr<prometheus::Registry> registry;
  // Told of the store's failures; may be null. Outlives the daemon.
  store::CallObserver* observer = nullptr;
};

// One kind of listener. Made by ListenFor.
struct Listening {
  // The flag that says where, for errors.
  std::string flag;
  std::function<absl::Status(Listeners& listeners)> open;
};

// Listens on `addresses` for connections of a type: Listeners::Listen<OneConnection>. `name` is for the log:
// "mx". `context` outlives Daemon::Run.
template <typename OneConnection, typename Context>
Listening ListenFor(std::string flag, std::string name, std::vector<std::string> addresses,
                    const Context& context) {
  return {.flag = std::move(flag),
          .open = [name = std::move(name), addresses = std::move(addresses), &context](Listeners& listeners) {
            return listeners.Listen<OneConnection>(name, addresses, context);
          }};
}

// What a program does beside its connections. Each may be empty.
struct Hooks {
  // When the listeners are open.
  std::function<void()> start;
  // Ready when this is OK and the store can serve us. Called from any thread.
  std::function<absl::Status()> health;
  // When the last session has ended, on the first I/O thread; bounded by the daemon.
  std::function<asio::awaitable<void>()> end;
};

// One of a process. What a program's connections use is here; what they use of the program's own is destroyed
// after Run and before the daemon, or later.
class Daemon {
 public:
  // Ends the program, with one line for each file that cannot be used and status 2.
  explicit Daemon(DaemonOptions options);
  // After Run, or before it.
  ~Daemon();

  net::IoThreads& threads();
  store::StoreApi& store();
  // The way to the store's methods, for who calls them in the name of clients.
  rpc::GrpcTransport& transport();
  net::TlsContext& tls();
  net::ConnectionCounter& counter();
  LoginWatch& logins();
  const Flags& flags() const;

  // Listens, which may be on nothing, and serves until SIGTERM or SIGINT comes; then lets sessions end for drain_timeout. Gives the
  // process's exit status, and nothing runs any more then. Ends the program, with one line for each address
  // that cannot be listened on and status 2; and at once, with status 0, when a session hangs in the store.
  int Run(const std::vector<Listening>& listening, Hooks hooks);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::frontend
