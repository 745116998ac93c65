#include "common/obs/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>

#include "absl/time/clock.h"
#include "common/obs/log_format.h"

namespace mailstead::obs {
namespace {

// The one piece of state that is the whole program's: standard error is, too.
struct Output {
  Output() : logger("mailstead", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger.set_level(spdlog::level::trace);
    // The line comes whole; the sink writes it and its line end at once, under its lock.
    logger.set_pattern("%v");
  }

  std::string program;
  LogFormat format = LogFormat::kLogfmt;
  std::atomic<LogLevel> level{LogLevel::kInfo};
  spdlog::logger logger;
};

Output& TheOutput() {
  // Never destroyed: threads may log until the very end.
  static Output& output = *new Output;
  return output;
}

}  // namespace

void SetUpLog(absl::string_view program, LogFormat format, LogLevel level) {
  Output& output = TheOutput();
  output.program = std::string(program);
  output.format = format;
  output.level.store(level, std::memory_order_relaxed);
}

double Milliseconds(absl::Duration duration) {
  return static_cast<double>(absl::ToInt64Microseconds(duration)) / 1000;
}

bool LogEnabled(LogLevel level) { return level >= TheOutput().level.load(std::memory_order_relaxed); }

void Log(LogLevel level, absl::string_view event, std::initializer_list<Field> fields) {
  if (!LogEnabled(level)) return;
  Output& output = TheOutput();
  const std::string line = FormatLogLine(output.format, absl::Now(), level, output.program, event, fields);
  output.logger.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace mailstead::obs
