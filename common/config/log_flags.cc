#include "common/config/log_flags.h"

#include <string>

#include "absl/flags/flag.h"
#include "common/config/config.h"
#include "common/obs/log.h"
#include "common/rpc/grpc_log.h"

ABSL_FLAG(std::string, log_format, "logfmt", "logfmt or json");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error");

namespace mailstead::config {
namespace {

obs::LogLevel Level(absl::string_view name) {
  if (name == "debug") return obs::LogLevel::kDebug;
  if (name == "info") return obs::LogLevel::kInfo;
  if (name == "warning") return obs::LogLevel::kWarning;
  return obs::LogLevel::kError;
}

}  // namespace

void CheckLogFlags(Checker& check) {
  check.OneOf("log_format", absl::GetFlag(FLAGS_log_format), {"logfmt", "json"});
  check.OneOf("log_level", absl::GetFlag(FLAGS_log_level), {"debug", "info", "warning", "error"});
}

void SetUpLog(absl::string_view program) {
  const bool json = absl::GetFlag(FLAGS_log_format) == "json";
  obs::SetUpLog(program, json ? obs::LogFormat::kJson : obs::LogFormat::kLogfmt,
                Level(absl::GetFlag(FLAGS_log_level)));
  rpc::TakeGrpcLog();
}

}  // namespace mailstead::config
