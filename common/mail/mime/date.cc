#include "common/mail/mime/date.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "common/mail/mime/tokens.h"

namespace mailstead::mime {
namespace {

// A date has six words, or eight with hyphens.
constexpr size_t kMaxWordCount = 16;

constexpr absl::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr absl::string_view kDays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

struct Zone {
  absl::string_view name;
  int hours;
};
constexpr Zone kZones[] = {{"ut", 0},   {"utc", 0},  {"gmt", 0},  {"z", 0},    {"est", -5}, {"edt", -4},
                           {"cst", -6}, {"cdt", -5}, {"mst", -7}, {"mdt", -6}, {"pst", -8}, {"pdt", -7}};

bool IsNumber(absl::string_view word, int& number) {
  return word.size() <= 4 && word.find_first_not_of("0123456789") == word.npos &&
         absl::SimpleAtoi(word, &number);
}

class DateReader {
 public:
  bool TakeWord(absl::string_view word) {
    int number = 0;
    if (word.front() == '+' || word.front() == '-') return TakeOffset(word);
    if (absl::StrContains(word, ":")) return TakeTime(word);
    if (IsNumber(word, number)) return TakeNumber(word, number);
    return TakeName(word);
  }

  std::optional<Date> Result() const {
    if (day_ == 0 || month_ == 0 || year_ < 0 || hour_ < 0) return std::nullopt;
    const absl::CivilDay day(year_, month_, day_);
    // A day that its month does not have would be one of the next month.
    if (day.day() != day_ || day.month() != month_) return std::nullopt;
    const absl::CivilSecond second(year_, month_, day_, hour_, minute_, second_);
    Date date;
    date.time = absl::FromCivil(second, absl::UTCTimeZone()) - absl::Minutes(offset_minutes_);
    date.offset_minutes = offset_minutes_;
    date.is_offset_known = is_offset_known_;
    return date;
  }

 private:
  bool TakeNumber(absl::string_view digits, int number) {
    if (day_ == 0) {
      day_ = number;
      return number >= 1 && number <= 31 && digits.size() <= 2;
    }
    if (year_ >= 0 || digits.size() < 2) return false;
    // Section 4.3.
    year_ = digits.size() == 2   ? number + (number < 50 ? 2000 : 1900)
            : digits.size() == 3 ? number + 1900
                                 : number;
    return year_ >= 1900;
  }

  bool TakeTime(absl::string_view word) {
    const std::vector<absl::string_view> parts = absl::StrSplit(word, ':');
    if (hour_ >= 0 || parts.size() < 2 || parts.size() > 3) return false;
    for (const absl::string_view part : parts) {
      if (part.empty() || part.size() > 2) return false;
    }
    if (!IsNumber(parts[0], hour_) || !IsNumber(parts[1], minute_)) return false;
    if (parts.size() == 3 && !IsNumber(parts[2], second_)) return false;
    // 60 is a leap second.
    return hour_ <= 23 && minute_ <= 59 && second_ <= 60;
  }

  bool TakeOffset(absl::string_view word) {
    int number = 0;
    if (has_zone_ || word.size() != 5 || !IsNumber(word.substr(1), number) || number % 100 > 59) return false;
    has_zone_ = true;
    offset_minutes_ = (number / 100 * 60 + number % 100) * (word.front() == '-' ? -1 : 1);
    is_offset_known_ = word != "-0000";
    return true;
  }

  bool TakeName(absl::string_view word) {
    const std::string name = absl::AsciiStrToLower(word);
    const absl::string_view three = absl::string_view(name).substr(0, 3);
    if (month_ == 0 && name.size() >= 3) {
      for (size_t i = 0; i < 12; ++i) {
        if (three == kMonths[i]) {
          month_ = static_cast<int>(i) + 1;
          return true;
        }
      }
    }
    for (const absl::string_view day : kDays) {
      if (three == day && hour_ < 0) return true;
    }
    // What stands behind the time and is no zone that we know: "+0200 CEST" has it for its reader.
    if (hour_ < 0) return false;
    for (const Zone& zone : kZones) {
      if (has_zone_ || name != zone.name) continue;
      offset_minutes_ = zone.hours * 60;
      is_offset_known_ = true;
    }
    has_zone_ = true;
    return true;
  }

  // 0 and -1 where none has been read.
  int day_ = 0;
  int month_ = 0;
  int year_ = -1;
  int hour_ = -1;
  int minute_ = 0;
  int second_ = 0;
  bool has_zone_ = false;
  int offset_minutes_ = 0;
  bool is_offset_known_ = false;
};

// A hyphen inside of a date, as in 14-Nov-2023, or in front of an offset that nothing parts from its time.
bool PartsWords(char c, const std::string& word) { return c == '-' && !word.empty(); }

// The words, without comments and commas; hyphens part words of a date but not an offset.
std::vector<std::string> Words(absl::string_view value) {
  std::vector<std::string> words;
  while (SkipBlanksAndComments(value), !value.empty()) {
    std::string word;
    while (!value.empty() && !IsWhite(value.front()) && value.front() != '(' && value.front() != ',' &&
           !PartsWords(value.front(), word)) {
      word.push_back(value.front());
      value.remove_prefix(1);
    }
    if (!word.empty()) words.push_back(std::move(word));
    if (words.size() > kMaxWordCount) return {};
    // What ended the word, unless it is a blank or a comment.
    if (!value.empty() &&
        (value.front() == ',' || (value.front() == '-' && !absl::StrContains(words.back(), ":")))) {
      value.remove_prefix(1);
    }
  }
  return words;
}

}  // namespace

std::optional<Date> ParseDate(absl::string_view value) {
  DateReader reader;
  for (const std::string& word : Words(value)) {
    if (!reader.TakeWord(word)) return std::nullopt;
  }
  return reader.Result();
}

}  // namespace mailstead::mime
