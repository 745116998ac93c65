// Passwords for commands: from a prompt or from standard input, never from the arguments.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "mailctl/command.h"

namespace mailstead::store::v1 {
class Password;
}

namespace mailstead::ctl {

// --password_stdin and --hash_stdin.
std::vector<Option> PasswordOptions();

// By the options: the first line of standard input, or the answer to a prompt. Usage error when both options
// are given, or none while no terminal is there to ask at.
absl::StatusOr<store::v1::Password> ReadPassword(const Arguments& arguments, Context& context);

}  // namespace mailstead::ctl
