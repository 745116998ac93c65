// pop3d: POP3 in front of the store. It keeps nothing; any number of them may run, be killed, and be added.
#include <memory>

#include "common/config/log_flags.h"
#include "common/frontend/daemon.h"
#include "pop3d/flags.h"
#include "pop3d/metrics.h"
#include "pop3d/server.h"
#include "prometheus/registry.h"

int main(int argc, char** argv) {
  namespace frontend = mailstead::frontend;
  frontend::PrepareProcess();
  const mailstead::pop3::Flags flags = mailstead::pop3::ReadFlags(argc, argv);
  mailstead::config::SetUpLog("pop3d", flags.frontend.log);
  const auto registry = std::make_shared<prometheus::Registry>();
  mailstead::pop3::Metrics metrics(*registry);
  frontend::Daemon daemon({.program = "pop3d", .flags = flags.frontend, .registry = registry});
  mailstead::pop3::Server server(flags, daemon, metrics);
  return daemon.Run(server.listening(), server.hooks());
}
