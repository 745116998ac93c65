#include "common/config/flags.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/base/status.h"

namespace mailstead::config {
namespace {

using absl::CommandLineFlag;

constexpr absl::string_view kFlagFile = "flagfile";
constexpr size_t kMaxShownValueBytes = 80;

// Abseil defines some flags of its own (--undefok, --fromenv, ...) in programs that link its parser.
bool IsOurs(const CommandLineFlag& flag) { return !absl::StrContains(flag.Filename(), "absl/flags/"); }

CommandLineFlag* FindOurs(absl::string_view name) {
  CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
  return flag != nullptr && IsOurs(*flag) ? flag : nullptr;
}

// In alphabetical order.
std::vector<CommandLineFlag*> OurFlags() {
  std::vector<CommandLineFlag*> flags;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (IsOurs(*flag)) flags.push_back(flag);
  }
  std::sort(flags.begin(), flags.end(), [](const auto* a, const auto* b) { return a->Name() < b->Name(); });
  return flags;
}

template <typename Number>
std::string WholeNumber() {
  return absl::StrCat("must be a whole number from ", std::numeric_limits<Number>::min(), " to ",
                      std::numeric_limits<Number>::max());
}

// `parser_error` is Abseil's: "Illegal value 'x' specified for flag 'f'; what the type's own parser says".
std::string WhatIsAllowed(const CommandLineFlag& flag, absl::string_view parser_error) {
  if (flag.IsOfType<bool>()) return "must be true or false";
  if (flag.IsOfType<int32_t>()) return WholeNumber<int32_t>();
  if (flag.IsOfType<uint32_t>()) return WholeNumber<uint32_t>();
  if (flag.IsOfType<int64_t>()) return WholeNumber<int64_t>();
  if (flag.IsOfType<uint64_t>()) return WholeNumber<uint64_t>();
  if (flag.IsOfType<double>() || flag.IsOfType<float>()) return "must be a number";
  if (flag.IsOfType<absl::Duration>()) return "must be a duration such as 500ms, 10s, 5m or 1h30m";
  const size_t semicolon = parser_error.rfind("; ");
  if (semicolon == absl::string_view::npos) return "is not a value of this flag";
  return std::string(parser_error.substr(semicolon + 2));
}

// `shown_name` is how the flag was given: "--threads", "SMTPD_THREADS", "/etc/smtpd.flags:3: --threads".
absl::Status SetFlag(CommandLineFlag& flag, absl::string_view value, absl::string_view shown_name) {
  std::string error;
  if (flag.ParseFrom(value, &error)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(shown_name, ": \"",
                                                 absl::CHexEscape(value.substr(0, kMaxShownValueBytes)),
                                                 "\": ", WhatIsAllowed(flag, error)));
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

absl::Status UnknownFlag(absl::string_view where, absl::string_view name) {
  const CommandLineFlag* nearest = nullptr;
  // Farther away than this it is another word, not a slip of the finger.
  size_t least = 3;
  for (const CommandLineFlag* flag : OurFlags()) {
    const size_t distance = EditDistance(name.substr(0, kMaxShownValueBytes), flag->Name());
    if (distance < least) {
      least = distance;
      nearest = flag;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      where, "--", absl::CHexEscape(name.substr(0, kMaxShownValueBytes)), ": unknown flag; ",
      nearest == nullptr ? "--help lists them" : absl::StrCat("did you mean --", nearest->Name(), "?")));
}

// One flag as written, taken apart. `value` is absent for --name.
struct WrittenFlag {
  absl::string_view name;
  std::optional<absl::string_view> value;
};

WrittenFlag TakeApart(absl::string_view argument) {
  argument.remove_prefix(absl::StartsWith(argument, "--") ? 2 : 1);
  const size_t equals = argument.find('=');
  if (equals == absl::string_view::npos) return {.name = argument, .value = std::nullopt};
  return {.name = argument.substr(0, equals), .value = argument.substr(equals + 1)};
}

// The flag that --noname turns off, if there is one.
CommandLineFlag* FindNegated(const WrittenFlag& written) {
  absl::string_view name = written.name;
  if (written.value.has_value() || !absl::ConsumePrefix(&name, "no")) return nullptr;
  CommandLineFlag* const flag = FindOurs(name);
  return flag != nullptr && flag->IsOfType<bool>() ? flag : nullptr;
}

// Sets a flag that was given with its value or needs none. `where` is put before the flag's name in an error.
absl::Status SetWritten(const WrittenFlag& written, absl::string_view where) {
  if (CommandLineFlag* const flag = FindOurs(written.name); flag != nullptr) {
    const std::string shown_name = absl::StrCat(where, "--", written.name);
    if (written.value.has_value()) return SetFlag(*flag, *written.value, shown_name);
    if (flag->IsOfType<bool>()) return SetFlag(*flag, "true", shown_name);
    return absl::InvalidArgumentError(absl::StrCat(shown_name, ": needs a value"));
  }
  if (CommandLineFlag* const flag = FindNegated(written); flag != nullptr) {
    return SetFlag(*flag, "false", absl::StrCat(where, "--", written.name));
  }
  return UnknownFlag(where, written.name);
}

absl::Status SetFromEnvironment(const Program& program, const Environment& environment) {
  // Variables with our prefix that are no flag are left alone: Kubernetes makes SMTPD_SERVICE_HOST and the
  // like for a service called smtpd.
  for (CommandLineFlag* flag : OurFlags()) {
    const std::string name = EnvironmentName(program.name, flag->Name());
    const std::optional<std::string> value = environment(name);
    if (value.has_value()) RETURN_IF_ERROR(SetFlag(*flag, *value, name));
  }
  return absl::OkStatus();
}

absl::Status SetFromFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", kFlagFile, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  int line_number = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text[0] == '#') continue;
    const std::string where = absl::StrCat(path, ":", line_number, ": ");
    if (text[0] != '-') return absl::InvalidArgumentError(absl::StrCat(where, "a line must be --name=value"));
    RETURN_IF_ERROR(SetWritten(TakeApart(text), where));
  }
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat("--", kFlagFile, ": cannot read ", path));
  return absl::OkStatus();
}

// The arguments in their kinds; nothing is set yet, because flag files come first wherever they stand.
struct Sorted {
  CommandLine result;
  std::vector<std::string> flag_files;
  std::vector<WrittenFlag> flags;
};

bool IsFlagArgument(absl::string_view argument) { return argument.size() >= 2 && argument[0] == '-'; }

// Whether the next argument is the value of `written`.
bool TakesNext(const WrittenFlag& written) {
  if (written.value.has_value()) return false;
  if (written.name == kFlagFile) return true;
  const CommandLineFlag* const flag = FindOurs(written.name);
  return flag != nullptr && !flag->IsOfType<bool>();
}

absl::StatusOr<Sorted> Sort(const std::vector<char*>& arguments) {
  Sorted sorted;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const absl::string_view argument = arguments[i];
    if (i == 0 || !IsFlagArgument(argument)) {
      sorted.result.positional.push_back(arguments[i]);
      continue;
    }
    if (argument == "--") {
      sorted.result.positional.insert(sorted.result.positional.end(), arguments.begin() + i + 1,
                                      arguments.end());
      break;
    }
    WrittenFlag written = TakeApart(argument);
    if (TakesNext(written)) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat("--", written.name, ": needs a value"));
      }
      written.value = arguments[++i];
    }
    if (written.name == kFlagFile) {
      sorted.flag_files.emplace_back(*written.value);
    } else if (written.name == "help" || argument == "-h") {
      sorted.result.help = true;
    } else if (written.name == "version") {
      sorted.result.version = true;
    } else {
      sorted.flags.push_back(written);
    }
  }
  return sorted;
}

}  // namespace

std::string EnvironmentName(absl::string_view program, absl::string_view flag) {
  return absl::AsciiStrToUpper(absl::StrCat(program, "_", flag));
}

absl::StatusOr<CommandLine> SetFlags(const Program& program, const std::vector<char*>& arguments,
                                     const Environment& environment) {
  ASSIGN_OR_RETURN(Sorted sorted, Sort(arguments));
  if (sorted.result.help || sorted.result.version) return sorted.result;
  RETURN_IF_ERROR(SetFromEnvironment(program, environment));
  if (sorted.flag_files.empty()) {
    const std::optional<std::string> path = environment(EnvironmentName(program.name, kFlagFile));
    if (path.has_value() && !path->empty()) sorted.flag_files.push_back(*path);
  }
  for (const std::string& path : sorted.flag_files) RETURN_IF_ERROR(SetFromFile(path));
  for (const WrittenFlag& written : sorted.flags) RETURN_IF_ERROR(SetWritten(written, ""));
  return std::move(sorted.result);
}

std::string HelpText(const Program& program) {
  std::string text = absl::StrCat(program.usage,
                                  "\n\nFlags (also in a --flagfile=PATH, one --name=value a line, and as "
                                  "environment variables):\n");
  for (const CommandLineFlag* flag : OurFlags()) {
    absl::StrAppend(&text, "\n  --", flag->Name(), "=", flag->DefaultValue(), "\n      ", flag->Help(),
                    "\n      ", EnvironmentName(program.name, flag->Name()), "\n");
  }
  absl::StrAppend(&text, "\n  --help, --version\n");
  return text;
}

}  // namespace mailstead::config
