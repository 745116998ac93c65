#include "common/config/option.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"

namespace mailstead::config {
namespace internal {
namespace {

// A number that is far from what is allowed is refused where it is read, as one that no int holds.
absl::Status ParseNumber(absl::string_view text, Interval<int64_t> allowed, int64_t& into) {
  int32_t small = 0;
  if (allowed.min < std::numeric_limits<int32_t>::min() ||
      allowed.max > std::numeric_limits<int32_t>::max()) {
    return Parse(text, into);
  }
  RETURN_IF_ERROR(Parse(text, small));
  into = small;
  return absl::OkStatus();
}

}  // namespace

std::string AllowedNumbers(absl::string_view min, absl::string_view max) {
  return absl::StrCat("must be a whole number from ", min, " to ", max);
}

Option NumberFlag(std::string name, int64_t default_value, std::function<void(int64_t)> assign,
                  Interval<int64_t> allowed, std::string help) {
  const auto given = std::make_shared<int64_t>(default_value);
  const auto set = [given, allowed, assign = std::move(assign)](absl::string_view text) {
    RETURN_IF_ERROR(ParseNumber(text, allowed, *given));
    assign(*given);
    return absl::OkStatus();
  };
  const auto check = [given, allowed, name](Checker& to) {
    to.Range(name, *given, allowed.min, allowed.max);
  };
  return {.name = std::move(name),
          .help = std::move(help),
          .default_text = absl::StrCat(default_value),
          .set = set,
          .check = check};
}

Option WordFlag(std::string name, size_t default_index, std::function<void(size_t)> assign,
                std::vector<absl::string_view> words, std::string help) {
  const auto given = std::make_shared<std::string>(words[default_index]);
  const auto set = [given, words, assign = std::move(assign)](absl::string_view text) {
    *given = std::string(text);
    const auto found = std::find(words.begin(), words.end(), text);
    if (found != words.end()) assign(static_cast<size_t>(std::distance(words.begin(), found)));
    return absl::OkStatus();
  };
  const auto check = [given, words, name](Checker& to) { to.OneOf(name, *given, words); };
  return {.name = std::move(name),
          .help = std::move(help),
          .default_text = std::string(words[default_index]),
          .set = set,
          .check = check};
}

}  // namespace internal

void Append(Options& options, Options more) {
  options.insert(options.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void CheckOptions(const Options& options, Checker& check) {
  for (const Option& option : options) {
    if (option.check) option.check(check);
  }
}

Option Flag(std::string name, absl::Duration& variable, Interval<absl::Duration> allowed, std::string help) {
  Option option = Flag(std::move(name), variable, std::move(help));
  option.check = [&variable, allowed, name = option.name](Checker& to) {
    to.Within(name, variable, allowed.min, allowed.max);
  };
  return option;
}

Option Flag(std::string name, std::string& variable, TextCheck check, std::string help) {
  Option option = Flag(std::move(name), variable, std::move(help));
  option.check = [&variable, check, name = option.name](Checker& to) {
    if (!variable.empty()) to.Ok(name, check(variable));
  };
  return option;
}

Option Flag(std::string name, std::vector<std::string>& variable, TextCheck check, std::string help) {
  const auto set = [&variable](absl::string_view text) {
    variable = absl::StrSplit(text, ',', absl::SkipWhitespace());
    return absl::OkStatus();
  };
  const auto check_each = [&variable, check, name](Checker& to) {
    for (const std::string& item : variable) to.Ok(name, check(item));
  };
  return {.name = std::move(name),
          .help = std::move(help),
          .default_text = absl::StrJoin(variable, ","),
          .set = set,
          .check = check_each};
}

}  // namespace mailstead::config
