// What stands behind ParseCommandLine: finding, naming and setting flags, with errors as values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/config.h"
#include "common/config/option.h"

namespace mailstead::config {

// Gives an environment variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The environment variable of a flag: "SMTPD_MAX_CONNECTIONS" for "smtpd" and "max_connections".
std::string EnvironmentName(absl::string_view program, absl::string_view flag);

struct CommandLine {
  // What is not a flag, with argv[0] in front.
  std::vector<char*> positional;
  bool help = false;
  bool version = false;
};

// Sets the options' variables from the environment, then from the flag files, then from the arguments, so
// that the last one wins.
//
// Arguments: --name=value, --name value, --name and --noname for truth values, one dash as good as two; --
// ends the flags; --flagfile=PATH may come more than once. Positional arguments may stand between flags. A
// flag file has one --name=value a line; empty lines and lines that begin with # are left out.
//
// InvalidArgument with one line that names the flag as it was given and what is allowed. What was set before
// the error stays set.
absl::StatusOr<CommandLine> SetFlags(const Program& program, const Options& options,
                                     const std::vector<char*>& arguments, const Environment& environment);

// The text of --help: usage, and each flag with its default, meaning and environment variable, in
// alphabetical order.
std::string HelpText(const Program& program, const Options& options);

}  // namespace mailstead::config
