// smtpd: takes mail in by SMTP and hands it to the store, and brings queued mail to other hosts. It keeps nothing.
#include <memory>

#include "common/config/log_flags.h"
#include "common/frontend/daemon.h"
#include "prometheus/registry.h"
#include "smtpd/flags.h"
#include "smtpd/inbound/metrics.h"
#include "smtpd/server.h"

int main(int argc, char** argv) {
  namespace frontend = mailstead::frontend;
  frontend::PrepareProcess();
  const mailstead::smtp::Flags flags = mailstead::smtp::ReadFlags(argc, argv);
  mailstead::config::SetUpLog("smtpd", flags.frontend.log);
  const auto registry = std::make_shared<prometheus::Registry>();
  mailstead::smtp::Metrics metrics(registry);
  frontend::Daemon daemon(
      {.program = "smtpd", .flags = flags.frontend, .registry = registry, .observer = &metrics});
  mailstead::smtp::Server server(flags, daemon, metrics, registry);
  return daemon.Run(server.listening(), server.hooks());
}
