#include "smtpd/outbound/asked_wait.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace mailstead::smtp::outbound {
namespace {

// Words by which greylisting hosts ask for another try.
constexpr absl::string_view kAsking[] = {"again", "retry",     "greylist", "graylist",
                                         "later", "come back", "wait"};

// Longer numbers are no waits.
constexpr size_t kMaxDigits = 6;

std::optional<absl::Duration> UnitOf(absl::string_view word) {
  if (absl::StartsWith(word, "sec") || word == "s") return absl::Seconds(1);
  if (absl::StartsWith(word, "min") || word == "m") return absl::Minutes(1);
  if (absl::StartsWith(word, "hour") || absl::StartsWith(word, "hr") || word == "h") return absl::Hours(1);
  return std::nullopt;
}

// "00:04:59" at the beginning of `text`: hours, minutes, seconds.
std::optional<absl::Duration> ClockAt(absl::string_view text) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(text.substr(0, text.find_first_not_of("0123456789:")), ':');
  int64_t hours = 0;
  int64_t minutes = 0;
  int64_t seconds = 0;
  const bool is_clock = parts.size() == 3 && !parts[0].empty() && parts[0].size() <= 3 &&
                        parts[1].size() == 2 && parts[2].size() == 2 && absl::SimpleAtoi(parts[0], &hours) &&
                        absl::SimpleAtoi(parts[1], &minutes) && absl::SimpleAtoi(parts[2], &seconds);
  if (!is_clock || minutes > 59 || seconds > 59) return std::nullopt;
  return absl::Hours(hours) + absl::Minutes(minutes) + absl::Seconds(seconds);
}

}  // namespace

std::optional<absl::Duration> AskedWait(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  const bool asks = std::any_of(std::begin(kAsking), std::end(kAsking),
                                [&](absl::string_view word) { return absl::StrContains(lower, word); });
  if (!asks) return std::nullopt;
  // Elsewhere it is a time of day.
  constexpr char kIn[] = " in ";
  for (size_t in = lower.find(kIn); in != std::string::npos; in = lower.find(kIn, in + 1)) {
    const std::optional<absl::Duration> clock = ClockAt(absl::string_view(lower).substr(in + strlen(kIn)));
    if (clock.has_value()) return std::min(*clock, kMostAskedWait);
  }
  absl::string_view rest = lower;
  while (!rest.empty()) {
    const size_t start = rest.find_first_of("0123456789");
    if (start == absl::string_view::npos) return std::nullopt;
    // A digit of a word, an address or a longer number is none.
    const bool apart = start == 0 || (!absl::ascii_isalnum(rest[start - 1]) && rest[start - 1] != '.' &&
                                      rest[start - 1] != ':' && rest[start - 1] != '-');
    size_t end = rest.find_first_not_of("0123456789", start);
    if (end == absl::string_view::npos) end = rest.size();
    const absl::string_view digits = rest.substr(start, end - start);
    rest.remove_prefix(end);
    int64_t number = 0;
    if (!apart || digits.size() > kMaxDigits || !absl::SimpleAtoi(digits, &number)) continue;
    const absl::string_view after = absl::StripLeadingAsciiWhitespace(rest);
    const size_t word_end = after.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
    const std::optional<absl::Duration> unit = UnitOf(after.substr(0, word_end));
    if (unit.has_value()) return std::min(number * *unit, kMostAskedWait);
  }
  return std::nullopt;
}

}  // namespace mailstead::smtp::outbound
