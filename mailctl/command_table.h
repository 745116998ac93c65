// Every command there is.
#pragma once

#include <vector>

#include "mailctl/arguments.h"
#include "mailctl/command.h"

namespace mailstead::ctl {

struct Noun {
  absl::string_view name;
  absl::string_view summary;
};

// In the order of the help text; the commands of a noun stand together.
const std::vector<Command>& AllCommands();
// The first words, in the same order.
const std::vector<Noun>& AllNouns();
// Options that every command takes.
const std::vector<Option>& GlobalOptions();

// nullptr when there is none. `verb` is empty for a command of one word.
const Command* FindCommand(absl::string_view noun, absl::string_view verb);
// The commands that begin with this word; empty when there are none.
std::vector<const Command*> CommandsOf(absl::string_view noun);

}  // namespace mailstead::ctl
