#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include "mailctl/connect.h"
#include "mailctl/mailctl.h"

int main(int argc, char** argv) {
  // What it writes is mail and lists of accounts.
  umask(077);
  // A reader that went away ends what is printed, not what is done: half an import would be worse.
  signal(SIGPIPE, SIG_IGN);
  // mailctl says itself what went wrong; gRPC's own lines would only repeat it. Set it to see them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  mailstead::ctl::Surroundings surroundings;
  surroundings.getenv = [](const char* name) -> const char* { return ::getenv(name); };
  surroundings.connect = mailstead::ctl::ConnectByGrpc;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) surroundings.program_path = program.string();

  const std::vector<std::string> words(argv + 1, argv + argc);
  const mailstead::ctl::Streams streams{STDIN_FILENO, STDERR_FILENO, std::cout, std::cerr};
  return static_cast<int>(mailstead::ctl::Run(words, surroundings, streams));
}
