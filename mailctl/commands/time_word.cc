#include "mailctl/commands/time_word.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

// A thousand years: what is more is mistyped.
constexpr int kMaxDays = 366'000;

bool ReadDuration(absl::string_view word, absl::Duration& duration) {
  int days = 0;
  if (absl::string_view digits = word; absl::ConsumeSuffix(&digits, "d") && absl::SimpleAtoi(digits, &days)) {
    duration = absl::Hours(24) * days;
    return days > 0 && days <= kMaxDays;
  }
  return absl::ParseDuration(word, &duration) && duration > absl::ZeroDuration() &&
         duration <= absl::Hours(24) * kMaxDays;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDurationWord(absl::string_view option, absl::string_view word) {
  absl::Duration duration;
  if (ReadDuration(word, duration)) return duration;
  return UsageError(absl::StrCat("--", option, "=", word, ": must be a time such as 30m, 12h or 90d"));
}

absl::StatusOr<absl::Time> ParseTimeWord(absl::string_view option, absl::string_view word, absl::Time now,
                                         TimeWord where) {
  absl::Duration duration;
  if (ReadDuration(word, duration)) return where == TimeWord::kFuture ? now + duration : now - duration;
  absl::Time time;
  std::string why;
  for (const char* const format : {"%Y-%m-%d", absl::RFC3339_full, "%Y-%m-%dT%H:%M:%S"}) {
    if (absl::ParseTime(format, std::string(word), &time, &why)) return time;
  }
  return UsageError(
      absl::StrCat("--", option, "=", word, ": must be 12h, 90d, 2027-01-31 or 2027-01-31T12:00:00Z"));
}

}  // namespace mailstead::ctl
