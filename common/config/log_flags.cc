#include "common/config/log_flags.h"

#include "common/rpc/grpc_log.h"

namespace mailstead::config {

using obs::LogFormat;
using obs::LogLevel;

Options OptionsOf(LogFlags& flags) {
  return {
      Flag("log_format", flags.format, {{"logfmt", LogFormat::kLogfmt}, {"json", LogFormat::kJson}},
           "logfmt or json"),
      Flag("log_level", flags.level,
           {{"debug", LogLevel::kDebug},
            {"info", LogLevel::kInfo},
            {"warning", LogLevel::kWarning},
            {"error", LogLevel::kError}},
           "debug, info, warning or error"),
  };
}

void SetUpLog(absl::string_view program, const LogFlags& flags) {
  obs::SetUpLog(program, flags.format, flags.level);
  obs::WriteLogBehind();
  rpc::TakeGrpcLog();
}

}  // namespace mailstead::config
