// What webd is beside the skeleton of a front-end: what its connections share, and where it listens for them.
#pragma once

#include <memory>
#include <vector>

#include "common/base/byte_budget.h"
#include "common/frontend/daemon.h"
#include "webd/connection_context.h"
#include "webd/flags.h"
#include "webd/http/cors.h"
#include "webd/routes/document_route.h"
#include "webd/translate/codec.h"
#include "webd/translate/methods.h"

namespace mailstead::web {

class Metrics;
class Senders;

class Server {
 public:
  // `daemon` and `metrics` outlive it; it outlives the daemon's Run.
  Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // For Daemon::Run.
  std::vector<frontend::Listening> listening() const;
  frontend::Hooks hooks();

 private:
  ConnectionContext MakeContext(bool implicit_tls, frontend::Daemon& daemon, Metrics& metrics);

  const Flags flags_;
  const MethodTable methods_;
  const Translator translator_;
  const CorsPolicy cors_;
  const Documents documents_;
  ByteBudget memory_;
  const ConnectionContext plain_;
  const ConnectionContext tls_;
  // Null: none are sent here.
  std::unique_ptr<Senders> senders_;
};

}  // namespace mailstead::web
