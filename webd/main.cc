// webd: the store's API for who speaks HTTP. It keeps nothing; any number of them may run, be killed, and be added.
#include <memory>

#include "common/config/log_flags.h"
#include "common/frontend/daemon.h"
#include "prometheus/registry.h"
#include "webd/flags.h"
#include "webd/metrics.h"
#include "webd/server.h"

int main(int argc, char** argv) {
  namespace frontend = mailstead::frontend;
  frontend::PrepareProcess();
  const mailstead::web::Flags flags = mailstead::web::ReadFlags(argc, argv);
  mailstead::config::SetUpLog("webd", flags.frontend.log);
  const auto registry = std::make_shared<prometheus::Registry>();
  mailstead::web::Metrics metrics(*registry);
  frontend::Daemon daemon({.program = "webd", .flags = flags.frontend, .registry = registry});
  mailstead::web::Server server(flags, daemon, metrics);
  return daemon.Run(server.listening(), server.hooks());
}
