// stored: owns everything that must last, behind a gRPC API (proto/mailstead).
#include <string>

#include "common/config/log_flags.h"
#include "common/config/privacy.h"
#include "common/config/version.h"
#include "common/net/descriptor_limit.h"
#include "common/net/shutdown.h"
#include "common/obs/log.h"
#include "stored/flags.h"
#include "stored/stored.h"

namespace net = mailstead::net;
namespace obs = mailstead::obs;
namespace stored = mailstead::stored;

int main(int argc, char** argv) {
  mailstead::config::KeepFilesPrivate();
  net::BlockSignals();
  net::RaiseDescriptorLimit();
  const stored::Flags flags = stored::ReadFlags(argc, argv);
  mailstead::config::SetUpLog("stored", flags.log);
  stored::Stored store(flags);
  mailstead::config::WarnOfOpenFiles({flags.data_dir, flags.backup_dir, flags.tls_key_file,
                                      flags.smtp_token_file, flags.pop_token_file, flags.relay_token_file,
                                      flags.web_token_file, flags.operator_token_file});
  obs::LogInfo("started", {{"version", std::string(mailstead::config::Version())}, {"engine", flags.engine}});

  // Tokens and certificates are looked at every second.
  const int signal = net::WaitForSignal([] { obs::LogInfo("files_looked_at", {{"ok", true}}); });
  obs::LogInfo("draining", {{"signal", signal}});
  store.Drain();
  obs::LogInfo("stopped", {});
  return 0;
}
