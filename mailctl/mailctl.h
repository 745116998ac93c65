// The program without its process: words in, text and an exit code out.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "mailctl/exit_code.h"
#include "mailctl/settings.h"

namespace mailstead::ctl {

struct Streams {
  int input_fd = 0;
  int prompt_fd = 2;
  std::ostream& out;
  std::ostream& err;
};

// Parses `words` (without the program's name), runs the command, prints its error.
ExitCode Run(const std::vector<std::string>& words, const Surroundings& surroundings, const Streams& streams);

}  // namespace mailstead::ctl
