#include "mailctl/help.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mailctl/command_table.h"

namespace mailstead::ctl {
namespace {

// Two columns, the first as wide as its widest cell.
std::string TwoColumns(const std::vector<std::pair<std::string, absl::string_view>>& rows) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string text;
  for (const auto& [left, right] : rows) {
    absl::StrAppend(&text, "  ", left, std::string(width - left.size() + 2, ' '), right, "\n");
  }
  return text;
}

std::string OptionRows(const std::vector<Option>& options) {
  std::vector<std::pair<std::string, absl::string_view>> rows;
  for (const Option& option : options) {
    std::string left = option.letter != 0 ? absl::StrCat("-", std::string(1, option.letter), ", ") : "";
    absl::StrAppend(&left, "--", option.name);
    if (!option.choices.empty()) {
      absl::StrAppend(&left, "=", option.choices);
    } else if (!option.value.empty()) {
      absl::StrAppend(&left, "=", option.value);
    }
    rows.emplace_back(std::move(left), option.help);
  }
  return TwoColumns(rows);
}

constexpr absl::string_view kExitCodes =
    "  0    done\n"
    "  1    refused, or a part of the work failed\n"
    "  2    the command line is wrong\n"
    "  3    not found\n"
    "  4    already exists\n"
    "  5    the store is away, busy or full: try again later\n"
    "  141  done, but the reader of the output went away first\n";

}  // namespace

std::string Synopsis(const Command& command) {
  std::string text = absl::StrCat("mailctl ", command.name());
  for (const Positional& positional : command.positionals) {
    const std::string name = absl::StrCat(positional.name, positional.repeated ? "..." : "");
    absl::StrAppend(&text, positional.optional ? absl::StrCat(" [", name, "]") : absl::StrCat(" ", name));
  }
  if (!command.options.empty()) absl::StrAppend(&text, " [options]");
  return text;
}

std::string GeneralHelp() {
  std::vector<std::pair<std::string, absl::string_view>> nouns;
  for (const Noun& noun : AllNouns()) nouns.emplace_back(std::string(noun.name), noun.summary);
  return absl::StrCat(
      "mailctl: the operator's command line of Mailstead, a client of the store.\n"
      "\n"
      "Usage: mailctl COMMAND [arguments] [options]\n"
      "\n"
      "Commands:\n",
      TwoColumns(nouns),
      "\n"
      "Options of every command:\n",
      OptionRows(GlobalOptions()),
      "\n"
      "The store is found by --store and --token_file, else MAILCTL_STORE and MAILCTL_TOKEN_FILE, else in "
      "the folder\n"
      "$MAILSTEAD_DATA, else in the folder \"data\" beside \"build\". Each option that takes a value may "
      "also stand in\n"
      "the environment: --timeout is MAILCTL_TIMEOUT.\n"
      "\n"
      "Exit codes:\n",
      kExitCodes,
      "\n"
      "Example:\n"
      "  mailctl help account import\n");
}

std::string NounHelp(absl::string_view noun) {
  std::vector<std::pair<std::string, absl::string_view>> rows;
  for (const Command* command : CommandsOf(noun)) rows.emplace_back(Synopsis(*command), command->summary);
  return absl::StrCat(TwoColumns(rows), "\nMore about one of them: mailctl help ", noun, " ",
                      CommandsOf(noun).front()->verb, "\n");
}

std::string CommandHelp(const Command& command) {
  std::string text = absl::StrCat(command.summary, "\n\nUsage: ", Synopsis(command), "\n");
  if (!command.details.empty()) absl::StrAppend(&text, "\n", command.details, "\n");
  if (!command.options.empty()) absl::StrAppend(&text, "\nOptions:\n", OptionRows(command.options));
  absl::StrAppend(&text, "\nExample:\n");
  for (const absl::string_view line : absl::StrSplit(command.example, '\n')) {
    absl::StrAppend(&text, "  ", line, "\n");
  }
  absl::StrAppend(&text, "\nOptions of every command: mailctl help\n");
  return text;
}

}  // namespace mailstead::ctl
