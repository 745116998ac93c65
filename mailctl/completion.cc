#include "mailctl/completion.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "mailctl/command_table.h"

namespace mailstead::ctl {
namespace {

std::string Nouns() {
  return absl::StrJoin(AllNouns(), " ",
                       [](std::string* out, const Noun& noun) { absl::StrAppend(out, noun.name); });
}

std::string Verbs(absl::string_view noun) {
  std::vector<absl::string_view> verbs;
  for (const Command* command : CommandsOf(noun)) {
    if (!command->verb.empty()) verbs.push_back(command->verb);
  }
  return absl::StrJoin(verbs, " ");
}

// "--json --quota_bytes= --disabled=yes --disabled=no"
std::string OptionWords(const std::vector<Option>& options) {
  std::vector<std::string> words;
  for (const Option& option : options) {
    if (option.choices.empty()) {
      words.push_back(absl::StrCat("--", option.name, option.value.empty() ? "" : "="));
      continue;
    }
    for (const absl::string_view choice : absl::StrSplit(option.choices, '|')) {
      words.push_back(absl::StrCat("--", option.name, "=", choice));
    }
  }
  return absl::StrJoin(words, " ");
}

// Whether a positional argument of the command is a file.
bool TakesFile(const Command& command) {
  for (const Positional& positional : command.positionals) {
    if (positional.name == "FILE") return true;
  }
  return false;
}

// For text between single quotes in the shell.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

}  // namespace

std::string BashCompletion() {
  std::string verbs;
  for (const Noun& noun : AllNouns()) {
    if (!Verbs(noun.name).empty())
      absl::StrAppend(&verbs, "    ", noun.name, ") words='", Verbs(noun.name), "' ;;\n");
  }
  absl::StrAppend(&verbs, "    completion) words='bash zsh fish' ;;\n", "    help) words=$nouns ;;\n");
  std::string options;
  for (const Command& command : AllCommands()) {
    const std::string pattern = absl::StrCat("'", command.noun, " ", command.verb, "'");
    absl::StrAppend(&options, "    ", command.verb.empty() ? absl::StrCat("'", command.noun, "'*") : pattern,
                    ") options='", OptionWords(command.options), "'", TakesFile(command) ? " files=1" : "",
                    " ;;\n");
  }
  return absl::StrCat(
      "# bash completion for mailctl; made by: mailctl completion bash\n"
      "_mailctl() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} nouns='",
      Nouns(),
      "'\n"
      "  local words='' options='' files='' noun='' verb='' word i\n"
      "  # \"=\" is a word of its own to bash: look at the line up to the cursor instead.\n"
      "  local line=${COMP_LINE:0:COMP_POINT}\n"
      "  local last=${line##* }\n"
      "  local -a before\n"
      "  read -ra before <<< \"${line%\"$last\"}\"\n"
      "  for ((i = 1; i < ${#before[@]}; i++)); do\n"
      "    word=${before[i]}\n"
      "    [[ $word == -* ]] && continue\n"
      "    if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi\n"
      "  done\n"
      "  case \"$noun\" in\n"
      "    '') words=$nouns ;;\n",
      verbs,
      "  esac\n"
      "  case \"$noun $verb\" in\n",
      options,
      "  esac\n"
      "  options=\"$options ",
      OptionWords(GlobalOptions()),
      "\"\n"
      "  COMPREPLY=()\n"
      "  if [[ $last == --*file=* || $last == --output=* || $last == --tls_*=* ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -f -- \"${last#*=}\")\n"
      "  elif [[ $last == -* ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$last\")\n"
      "    # Bash replaces only what stands behind the last \"=\".\n"
      "    if [[ $last == *=* ]]; then COMPREPLY=(\"${COMPREPLY[@]#*=}\"); fi\n"
      "    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi\n"
      "  elif [[ -z $noun || -z $verb && -n $words ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$last\")\n"
      "  elif [[ -n $files ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
      "  fi\n"
      "}\n"
      "complete -F _mailctl mailctl\n");
}

std::string ZshCompletion() {
  std::string nouns;
  for (const Noun& noun : AllNouns()) {
    absl::StrAppend(&nouns, "    ", Quoted(absl::StrCat(noun.name, ":", noun.summary)), "\n");
  }
  std::string verbs;
  for (const Noun& noun : AllNouns()) {
    if (Verbs(noun.name).empty()) continue;
    absl::StrAppend(&verbs, "    ", noun.name, ")\n      words_of=(\n");
    for (const Command* command : CommandsOf(noun.name)) {
      absl::StrAppend(&verbs, "        ", Quoted(absl::StrCat(command->verb, ":", command->summary)), "\n");
    }
    absl::StrAppend(&verbs, "      ) ;;\n");
  }
  std::string options;
  for (const Command& command : AllCommands()) {
    absl::StrAppend(&options, "    ",
                    command.verb.empty() ? absl::StrCat("'", command.noun, " '*")
                                         : absl::StrCat("'", command.noun, " ", command.verb, "'"),
                    ") options=(", OptionWords(command.options), ")", TakesFile(command) ? " files=1" : "",
                    " ;;\n");
  }
  return absl::StrCat(
      "#compdef mailctl\n"
      "# zsh completion for mailctl; made by: mailctl completion zsh\n"
      "_mailctl() {\n"
      "  local noun='' verb='' word files=''\n"
      "  local -a nouns words_of options\n"
      "  nouns=(\n",
      nouns,
      "  )\n"
      "  for word in ${words[2,CURRENT-1]}; do\n"
      "    [[ $word == -* ]] && continue\n"
      "    if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi\n"
      "  done\n"
      "  case $noun in\n"
      "    '') words_of=($nouns) ;;\n"
      "    help) words_of=($nouns) ;;\n"
      "    completion) words_of=(bash zsh fish) ;;\n",
      verbs,
      "  esac\n"
      "  case \"$noun $verb\" in\n",
      options,
      "  esac\n"
      "  options+=(",
      OptionWords(GlobalOptions()),
      ")\n"
      "  if [[ ${words[CURRENT]} == --*file=* || ${words[CURRENT]} == --output=* || ${words[CURRENT]} == "
      "--tls_*=* ]]; then\n"
      "    compset -P '*=' && _files\n"
      "  elif [[ ${words[CURRENT]} == -* ]]; then\n"
      "    compadd -S '' -- ${(M)options:#*=}\n"
      "    compadd -- ${options:#*=}\n"
      "  elif [[ -z $noun || -z $verb && ${#words_of} -gt 0 ]]; then\n"
      "    _describe command words_of\n"
      "  elif [[ -n $files ]]; then\n"
      "    _files\n"
      "  fi\n"
      "}\n"
      "_mailctl \"$@\"\n");
}

std::string FishCompletion() {
  std::string text =
      "# fish completion for mailctl; made by: mailctl completion fish\n"
      "complete -c mailctl -f\n";
  const auto options = [&](absl::string_view condition, const std::vector<Option>& list) {
    for (const Option& option : list) {
      absl::StrAppend(&text, "complete -c mailctl", condition, " -l ", option.name);
      if (option.letter != 0) absl::StrAppend(&text, " -s ", std::string(1, option.letter));
      if (!option.choices.empty()) {
        absl::StrAppend(&text, " -x -a ", Quoted(absl::StrReplaceAll(option.choices, {{"|", " "}})));
      } else if (option.value == "FILE") {
        absl::StrAppend(&text, " -r -F");
      } else if (!option.value.empty()) {
        absl::StrAppend(&text, " -x");
      }
      absl::StrAppend(&text, " -d ", Quoted(option.help), "\n");
    }
  };
  for (const Noun& noun : AllNouns()) {
    absl::StrAppend(&text, "complete -c mailctl -n __fish_use_subcommand -a ", noun.name, " -d ",
                    Quoted(noun.summary), "\n");
  }
  options("", GlobalOptions());
  for (const Command& command : AllCommands()) {
    std::string condition = absl::StrCat("__fish_seen_subcommand_from ", command.noun);
    if (!command.verb.empty()) {
      absl::StrAppend(
          &text, "complete -c mailctl -n ",
          Quoted(absl::StrCat(condition, "; and not __fish_seen_subcommand_from ", Verbs(command.noun))),
          " -a ", command.verb, " -d ", Quoted(command.summary), "\n");
      absl::StrAppend(&condition, "; and __fish_seen_subcommand_from ", command.verb);
    }
    if (TakesFile(command)) absl::StrAppend(&text, "complete -c mailctl -n ", Quoted(condition), " -F\n");
    options(absl::StrCat(" -n ", Quoted(condition)), command.options);
  }
  return absl::StrCat(text,
                      "complete -c mailctl -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n"
                      "complete -c mailctl -n '__fish_seen_subcommand_from help' -a '",
                      Nouns(), "'\n");
}

}  // namespace mailstead::ctl
