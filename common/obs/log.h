// One line per event, in logfmt or JSON, on standard error. No passwords, no bodies.
//
//   LogInfo("delivered", {{"session", id}, {"delivery", delivery_id}, {"bytes", size}});
// gives
//   time=2026-11-23T05:00:00.123Z level=info program=smtpd event=delivered session=... delivery=... bytes=4096
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::obs {

enum class LogFormat { kLogfmt, kJson };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Before threads start. `program` is on every line.
void SetUpLog(absl::string_view program, LogFormat format, LogLevel level);

// From now on lines are written by a thread of their own (line_writer.h): nobody waits for who reads them. Lines that find
// too much waiting are dropped; `log_lines_dropped` says how many, once somebody reads. What waits when the process exits is
// still written, as long as it goes. Once, before threads start.
void WriteLogBehind();
// For a process that leaves without exit(): writes what waits, as long as it goes.
void FlushLog();
// How many lines nobody will see, since the start.
int64_t DroppedLogLines();

struct Field {
  Field(absl::string_view key, absl::string_view value) : key(key), value(value) {}
  Field(absl::string_view key, const std::string& value) : key(key), value(value) {}
  Field(absl::string_view key, const char* value) : key(key), value(value) {}
  Field(absl::string_view key, bool value) : key(key), value(value ? "true" : "false"), bare(true) {}
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  Field(absl::string_view key, Number value) : key(key), value(absl::StrCat(value)), bare(true) {}

  absl::string_view key;
  std::string value;
  // A number or truth value: JSON writes it without quotes.
  bool bare = false;
};

// For fields that end in "_ms": milliseconds, to the microsecond.
double Milliseconds(absl::Duration duration);

bool LogEnabled(LogLevel level);
// `event` is a short lower-case name; values are escaped, so a peer's bytes cannot make a second line. Fields without a
// value are left out.
void Log(LogLevel level, absl::string_view event, std::initializer_list<Field> fields);

inline void LogDebug(absl::string_view event, std::initializer_list<Field> fields) {
  if (LogEnabled(LogLevel::kDebug)) Log(LogLevel::kDebug, event, fields);
}
inline void LogInfo(absl::string_view event, std::initializer_list<Field> fields) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarning(absl::string_view event, std::initializer_list<Field> fields) {
  Log(LogLevel::kWarning, event, fields);
}
inline void LogError(absl::string_view event, std::initializer_list<Field> fields) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace mailstead::obs
