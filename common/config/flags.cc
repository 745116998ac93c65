#include "common/config/flags.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"

namespace mailstead::config {
namespace {

constexpr absl::string_view kFlagFile = "flagfile";
constexpr size_t kMaxShownValueBytes = 80;

const Option* Find(const Options& options, absl::string_view name) {
  for (const Option& option : options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

// `shown_name` is how the flag was given: "--threads", "SMTPD_THREADS", "/etc/smtpd.flags:3: --threads".
absl::Status SetFlag(const Option& option, absl::string_view value, absl::string_view shown_name) {
  const absl::Status status = option.set(value);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(
      shown_name, ": \"", absl::CHexEscape(value.substr(0, kMaxShownValueBytes)), "\": ", status.message()));
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

absl::Status UnknownFlag(const Options& options, absl::string_view where, absl::string_view name) {
  const Option* nearest = nullptr;
  // Farther away than this it is another word, not a slip of the finger.
  size_t least = 3;
  for (const Option& option : options) {
    const size_t distance = EditDistance(name.substr(0, kMaxShownValueBytes), option.name);
    if (distance < least) {
      least = distance;
      nearest = &option;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      where, "--", absl::CHexEscape(name.substr(0, kMaxShownValueBytes)), ": unknown flag; ",
      nearest == nullptr ? "--help lists them" : absl::StrCat("did you mean --", nearest->name, "?")));
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

// The switch that --noname turns off, if there is one.
const Option* FindNegated(const Options& options, const WrittenFlag& written) {
  absl::string_view name = written.name;
  if (written.value.has_value() || !absl::ConsumePrefix(&name, "no")) return nullptr;
  const Option* const option = Find(options, name);
  return option != nullptr && option->is_switch ? option : nullptr;
}

// Sets a flag that was given with its value or needs none. `where` is put before the flag's name in an error.
absl::Status SetWritten(const Options& options, const WrittenFlag& written, absl::string_view where) {
  const std::string shown_name = absl::StrCat(where, "--", written.name);
  if (const Option* const option = Find(options, written.name); option != nullptr) {
    if (written.value.has_value()) return SetFlag(*option, *written.value, shown_name);
    if (option->is_switch) return SetFlag(*option, "true", shown_name);
    return absl::InvalidArgumentError(absl::StrCat(shown_name, ": needs a value"));
  }
  if (const Option* const option = FindNegated(options, written); option != nullptr) {
    return SetFlag(*option, "false", shown_name);
  }
  return UnknownFlag(options, where, written.name);
}

absl::Status SetFromEnvironment(const Program& program, const Options& options,
                                const Environment& environment) {
  // Variables with our prefix that are no flag are left alone: Kubernetes makes SMTPD_SERVICE_HOST and the
  // like for a service called smtpd.
  for (const Option& option : options) {
    const std::string name = EnvironmentName(program.name, option.name);
    const std::optional<std::string> value = environment(name);
    if (value.has_value()) RETURN_IF_ERROR(SetFlag(option, *value, name));
  }
  return absl::OkStatus();
}

absl::Status SetFromFile(const Options& options, const std::string& path) {
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
    RETURN_IF_ERROR(SetWritten(options, TakeApart(text), where));
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
bool TakesNext(const Options& options, const WrittenFlag& written) {
  if (written.value.has_value()) return false;
  if (written.name == kFlagFile) return true;
  const Option* const option = Find(options, written.name);
  return option != nullptr && !option->is_switch;
}

absl::StatusOr<Sorted> Sort(const Options& options, const std::vector<char*>& arguments) {
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
    if (TakesNext(options, written)) {
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

absl::StatusOr<CommandLine> SetFlags(const Program& program, const Options& options,
                                     const std::vector<char*>& arguments, const Environment& environment) {
  ASSIGN_OR_RETURN(Sorted sorted, Sort(options, arguments));
  if (sorted.result.help || sorted.result.version) return sorted.result;
  RETURN_IF_ERROR(SetFromEnvironment(program, options, environment));
  if (sorted.flag_files.empty()) {
    const std::optional<std::string> path = environment(EnvironmentName(program.name, kFlagFile));
    if (path.has_value() && !path->empty()) sorted.flag_files.push_back(*path);
  }
  for (const std::string& path : sorted.flag_files) RETURN_IF_ERROR(SetFromFile(options, path));
  for (const WrittenFlag& written : sorted.flags) RETURN_IF_ERROR(SetWritten(options, written, ""));
  return std::move(sorted.result);
}

std::string HelpText(const Program& program, const Options& options) {
  std::vector<const Option*> sorted;
  for (const Option& option : options) sorted.push_back(&option);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  std::string text = absl::StrCat(program.usage,
                                  "\n\nFlags (also in a --flagfile=PATH, one --name=value a line, and as "
                                  "environment variables):\n");
  for (const Option* option : sorted) {
    absl::StrAppend(&text, "\n  --", option->name, "=", option->default_text, "\n      ", option->help,
                    "\n      ", EnvironmentName(program.name, option->name), "\n");
  }
  absl::StrAppend(&text, "\n  --help, --version\n");
  return text;
}

}  // namespace mailstead::config
