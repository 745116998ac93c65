// What mailctl says about itself; none of these asks the store.
#include "absl/strings/str_cat.h"
#include "mailctl/command_table.h"
#include "mailctl/commands/commands.h"
#include "mailctl/completion.h"
#include "mailctl/exit_code.h"
#include "mailctl/help.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

absl::Status Completion(const Arguments& arguments, Context& context) {
  const std::string shell = arguments.positional(0);
  if (shell == "bash") {
    context.output().Raw(BashCompletion());
  } else if (shell == "zsh") {
    context.output().Raw(ZshCompletion());
  } else if (shell == "fish") {
    context.output().Raw(FishCompletion());
  } else {
    return UsageError(absl::StrCat("no completion for ", shell, ": must be bash, zsh or fish"));
  }
  return absl::OkStatus();
}

absl::Status Version(const Arguments&, Context& context) {
  context.output().JsonText("{\"version\": \"" MAILSTEAD_VERSION "\"}");
  context.output().Line("mailctl " MAILSTEAD_VERSION);
  return absl::OkStatus();
}

absl::Status Help(const Arguments& arguments, Context& context) {
  const auto& words = arguments.positionals();
  if (words.empty()) {
    context.output().Raw(GeneralHelp());
    return absl::OkStatus();
  }
  const std::vector<const Command*> commands = CommandsOf(words[0]);
  if (commands.empty()) return UsageError(absl::StrCat("no such command: ", words[0], " (see mailctl help)"));
  const bool is_one_word = commands.front()->verb.empty();
  if (words.size() == 1 && !is_one_word) {
    context.output().Raw(NounHelp(words[0]));
    return absl::OkStatus();
  }
  const Command* command = FindCommand(words[0], words.size() > 1 ? words[1] : "");
  if (command == nullptr || words.size() > 2) {
    return UsageError(
        absl::StrCat("no such command: ", words[0], " ", words[1], " (see mailctl help ", words[0], ")"));
  }
  context.output().Raw(CommandHelp(*command));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> ProgramCommands() {
  return {
      {"completion",
       "",
       "Print a completion script for a shell.",
       {{"SHELL"}},
       {},
       "SHELL is bash, zsh or fish.",
       "mailctl completion bash > /etc/bash_completion.d/mailctl\n"
       "mailctl completion zsh > /usr/local/share/zsh/site-functions/_mailctl\n"
       "mailctl completion fish > ~/.config/fish/completions/mailctl.fish",
       Completion},
      {"version",
       "",
       "Print the version of mailctl.",
       {},
       {},
       "mailctl status shows the store's.",
       "mailctl version",
       Version},
      {"help",
       "",
       "Show help.",
       {{"COMMAND", /*optional=*/true, /*repeated=*/true}},
       {},
       "",
       "mailctl help account import",
       Help},
  };
}

}  // namespace mailstead::ctl
