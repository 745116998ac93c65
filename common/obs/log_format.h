// How a log line is written. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/obs/log.h"

namespace mailstead::obs {

// A longer value is cut at a character's end and marked with an ellipsis.
inline constexpr size_t kMaxLogValueBytes = 1024;

// The level as it stands in a line: "debug", "info", "warning", "error".
absl::string_view LevelName(LogLevel level);

// One line without its line end. Printable whatever the values hold: control characters, invisible direction
// marks and bytes that are not UTF-8 are written as \uXXXX. JSON is always valid JSON, and valid UTF-8.
// `program` may be empty.
std::string FormatLogLine(LogFormat format, absl::Time time, LogLevel level, absl::string_view program,
                          absl::string_view event, absl::Span<const Field> fields);

}  // namespace mailstead::obs
