// From the words of the shell to a command and its arguments. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mailctl/command.h"

namespace mailstead::ctl {

struct CommandLine {
  // nullptr when no command is named: with `noun` set after "mailctl account --help", else after "mailctl
  // --help".
  const Command* command = nullptr;
  absl::string_view noun;
  // --help was given: show it instead of running the command.
  bool help = false;
  bool version = false;
  // Global options are among them.
  Arguments arguments;
};

// `words` without the program's name. Usage errors say what is allowed. Options may stand anywhere; "--" ends
// them.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& words);

}  // namespace mailstead::ctl
