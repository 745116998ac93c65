#include "mailctl/command_line.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "mailctl/command_table.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& words) : words_(words) {}

  absl::StatusOr<CommandLine> Parse() {
    bool options_ended = false;
    while (next_ < words_.size()) {
      const std::string& word = words_[next_++];
      // Protocol Buffers carry text as UTF-8 only; said here, it names the argument.
      if (!IsValidUtf8(word)) return UsageError(absl::StrCat("argument ", next_, " is not valid UTF-8"));
      if (!options_ended && word == "--") {
        options_ended = true;
      } else if (!options_ended && word.size() > 1 && word[0] == '-') {
        RETURN_IF_ERROR(TakeOption(word));
      } else {
        RETURN_IF_ERROR(TakeWord(word));
      }
    }
    return Finish();
  }

 private:
  // A word is the noun, then the verb, then a positional argument.
  absl::Status TakeWord(const std::string& word) {
    if (line_.command != nullptr) {
      positionals_.push_back(word);
      return absl::OkStatus();
    }
    if (line_.noun.empty()) {
      const std::vector<const Command*> commands = CommandsOf(word);
      if (commands.empty()) {
        return UsageError(absl::StrCat("no such command: ", word, " (see mailctl help)"));
      }
      line_.noun = commands.front()->noun;
      if (commands.front()->verb.empty()) line_.command = commands.front();
      return absl::OkStatus();
    }
    line_.command = FindCommand(line_.noun, word);
    if (line_.command == nullptr)
      return UsageError(absl::StrCat("no such command: ", line_.noun, " ", word, Verbs()));
    return absl::OkStatus();
  }

  std::string Verbs() const {
    std::vector<absl::string_view> verbs;
    for (const Command* command : CommandsOf(line_.noun)) verbs.push_back(command->verb);
    return absl::StrCat(" (", line_.noun, " has ", absl::StrJoin(verbs, ", "), ")");
  }

  const Option* FindOption(absl::string_view name, char letter) const {
    const auto matches = [&](const Option& option) {
      return letter != 0 ? option.letter == letter : option.name == name;
    };
    if (line_.command != nullptr) {
      const auto& own = line_.command->options;
      if (const auto it = std::find_if(own.begin(), own.end(), matches); it != own.end()) return &*it;
    }
    const auto& global = GlobalOptions();
    const auto it = std::find_if(global.begin(), global.end(), matches);
    return it == global.end() ? nullptr : &*it;
  }

  // "--name", "--name=value", "--name value", "-o value", "-ovalue".
  absl::Status TakeOption(const std::string& word) {
    std::optional<std::string> value;
    const Option* option = nullptr;
    if (absl::StartsWith(word, "--")) {
      std::string name = word.substr(2);
      if (const size_t equals = name.find('='); equals != std::string::npos) {
        value = name.substr(equals + 1);
        name.resize(equals);
      }
      option = FindOption(absl::StrReplaceAll(name, {{"-", "_"}}), 0);
    } else {
      option = FindOption("", word[1]);
      if (word.size() > 2) value = word.substr(2);
    }
    if (option == nullptr) return UnknownOption(word);
    if (option->value.empty()) {
      if (value.has_value()) return UsageError(absl::StrCat("--", option->name, " takes no value"));
      value = "";
    } else if (!value.has_value()) {
      if (next_ == words_.size())
        return UsageError(absl::StrCat("--", option->name, " needs a ", option->value));
      value = words_[next_++];
      if (!IsValidUtf8(*value)) return UsageError(absl::StrCat("argument ", next_, " is not valid UTF-8"));
    }
    RETURN_IF_ERROR(CheckChoice(*option, *value));
    options_[std::string(option->name)].push_back(*value);
    return absl::OkStatus();
  }

  absl::Status UnknownOption(absl::string_view word) const {
    const absl::string_view name = word.substr(0, word.find('='));
    if (line_.command == nullptr) {
      return UsageError(absl::StrCat("unknown option before the command: ", name, " (see mailctl help)"));
    }
    return UsageError(
        absl::StrCat("unknown option: ", name, " (see mailctl help ", line_.command->name(), ")"));
  }

  static absl::Status CheckChoice(const Option& option, const std::string& value) {
    if (option.choices.empty()) return absl::OkStatus();
    const std::vector<std::string> choices = absl::StrSplit(option.choices, '|');
    if (std::find(choices.begin(), choices.end(), value) != choices.end()) return absl::OkStatus();
    return UsageError(
        absl::StrCat("--", option.name, "=", value, ": must be ", absl::StrJoin(choices, " or ")));
  }

  absl::StatusOr<CommandLine> Finish() {
    line_.help = options_.count("help") > 0;
    line_.version = options_.count("version") > 0;
    if (!line_.help && !line_.version) {
      if (line_.command == nullptr) {
        return line_.noun.empty()
                   ? UsageError("no command given (see mailctl help)")
                   : UsageError(absl::StrCat("mailctl ", line_.noun, " needs one more word", Verbs()));
      }
      RETURN_IF_ERROR(CheckPositionals());
    }
    line_.arguments = Arguments(std::move(positionals_), std::move(options_));
    return std::move(line_);
  }

  absl::Status CheckPositionals() const {
    const Command& command = *line_.command;
    size_t required = 0;
    for (const Positional& positional : command.positionals) required += positional.optional ? 0 : 1;
    if (positionals_.size() < required) {
      return UsageError(absl::StrCat("mailctl ", command.name(), " needs ",
                                     command.positionals[positionals_.size()].name, " (see mailctl help ",
                                     command.name(), ")"));
    }
    const bool open_ended = !command.positionals.empty() && command.positionals.back().repeated;
    if (!open_ended && positionals_.size() > command.positionals.size()) {
      return UsageError(absl::StrCat("unexpected argument: ", positionals_[command.positionals.size()],
                                     " (see mailctl help ", command.name(), ")"));
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& words_;
  size_t next_ = 0;
  CommandLine line_;
  std::vector<std::string> positionals_;
  std::map<std::string, std::vector<std::string>> options_;
};

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& words) {
  return Parser(words).Parse();
}

}  // namespace mailstead::ctl
