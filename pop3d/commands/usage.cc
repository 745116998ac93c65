#include <string>

#include "common/base/check.h"
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Usage(const Command& command) {
  const Verb* verb = FindVerb(command.keyword);
  CHECK(verb != nullptr);
  return Step::Mistake(ReplyId::kBadSyntax, {std::string(verb->usage)});
}

}  // namespace mailstead::pop3::commands
