// Help texts, made from the table of commands. Pure.
#pragma once

#include <string>

#include "mailctl/command.h"

namespace mailstead::ctl {

// What mailctl is, its nouns, the options of every command, the exit codes.
std::string GeneralHelp();
// The commands of a noun.
std::string NounHelp(absl::string_view noun);
// One command: synopsis, options, details, example.
std::string CommandHelp(const Command& command);
// "mailctl account add ADDRESS [options]"
std::string Synopsis(const Command& command);

}  // namespace mailstead::ctl
