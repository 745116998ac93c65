// Shell completions, made from the table of commands. Pure.
#pragma once

#include <string>

namespace mailstead::ctl {

std::string BashCompletion();
std::string ZshCompletion();
std::string FishCompletion();

}  // namespace mailstead::ctl
