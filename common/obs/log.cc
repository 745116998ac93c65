#include "common/obs/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>

#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/obs/line_writer.h"
#include "common/obs/log_format.h"

namespace mailstead::obs {
namespace {

// How long a process that ends waits for a reader that does not read.
constexpr absl::Duration kLastPatience = absl::Milliseconds(500);

// Hands each line, which comes whole, to a writer.
class LineSink final : public spdlog::sinks::sink {
 public:
  explicit LineSink(LineWriter& writer) : writer_(writer) {}
  void log(const spdlog::details::log_msg& message) override {
    writer_.Write(absl::string_view(message.payload.data(), message.payload.size()));
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  LineWriter& writer_;
};

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
  // Null until WriteLogBehind.
  LineWriter* writer = nullptr;
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

void WriteLogBehind() {
  Output& output = TheOutput();
  CHECK(output.writer == nullptr);
  const auto tell = [&output](int64_t count) {
    return FormatLogLine(output.format, absl::Now(), LogLevel::kWarning, output.program, "log_lines_dropped",
                         {{"count", count}});
  };
  output.writer = new LineWriter(STDERR_FILENO, kMaxWaitingLogBytes, tell);
  output.logger.sinks() = {std::make_shared<LineSink>(*output.writer)};
  std::atexit(FlushLog);
}

void FlushLog() {
  if (LineWriter* const writer = TheOutput().writer) writer->Flush(kLastPatience);
}

int64_t DroppedLogLines() {
  const LineWriter* const writer = TheOutput().writer;
  return writer == nullptr ? 0 : writer->dropped_count();
}

bool LogEnabled(LogLevel level) { return level >= TheOutput().level.load(std::memory_order_relaxed); }

void Log(LogLevel level, absl::string_view event, std::initializer_list<Field> fields) {
  if (!LogEnabled(level)) return;
  Output& output = TheOutput();
  const std::string line = FormatLogLine(output.format, absl::Now(), level, output.program, event, fields);
  output.logger.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace mailstead::obs
