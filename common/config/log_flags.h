// --log_format and --log_level, the same in every server.
#pragma once

#include "absl/strings/string_view.h"
#include "common/config/option.h"
#include "common/obs/log.h"

namespace mailstead::config {

struct LogFlags {
  obs::LogFormat format = obs::LogFormat::kLogfmt;
  obs::LogLevel level = obs::LogLevel::kInfo;
};

// `flags` outlives the rows.
Options OptionsOf(LogFlags& flags);

// Before threads start. Nobody waits for who reads the log. What gRPC has to say goes to the log, too.
void SetUpLog(absl::string_view program, const LogFlags& flags);

}  // namespace mailstead::config
