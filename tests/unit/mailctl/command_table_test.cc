#include "mailctl/command_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "mailctl/command_line.h"
#include "mailctl/help.h"

namespace mailstead::ctl {
namespace {

using ::testing::HasSubstr;

TEST(CommandTableTest, HasTheVerbsOfEveryNoun) {
  for (const char* noun : {"domain", "account", "alias"}) {
    for (const char* verb : {"add", "list", "show", "set", "remove"}) {
      EXPECT_NE(FindCommand(noun, verb), nullptr) << noun << " " << verb;
    }
  }
  for (const char* verb : {"set", "list", "show", "remove"}) EXPECT_NE(FindCommand("route", verb), nullptr) << verb;
  for (const char* verb : {"list", "show", "remove"})
    EXPECT_NE(FindCommand("message", verb), nullptr) << verb;
  EXPECT_NE(FindCommand("account", "import"), nullptr);
  for (const char* verb : {"list", "end"}) EXPECT_NE(FindCommand("session", verb), nullptr) << verb;
  for (const char* verb : {"list", "clear"}) EXPECT_NE(FindCommand("lockout", verb), nullptr) << verb;
  EXPECT_NE(FindCommand("account", "password"), nullptr);
  for (const char* word :
       {"deliver", "fetch", "resolve", "status", "verify", "completion", "version", "help"}) {
    EXPECT_NE(FindCommand(word, ""), nullptr) << word;
  }
  EXPECT_EQ(FindCommand("account", ""), nullptr);
  EXPECT_EQ(FindCommand("nothing", "add"), nullptr);
}

TEST(CommandTableTest, NamesAreUniqueAndNounsStandTogether) {
  std::set<std::string> names;
  for (const Command& command : AllCommands())
    EXPECT_TRUE(names.insert(command.name()).second) << command.name();
  std::set<std::string> nouns;
  for (const Noun& noun : AllNouns()) EXPECT_TRUE(nouns.insert(std::string(noun.name)).second) << noun.name;
}

TEST(CommandTableTest, EveryCommandIsComplete) {
  for (const Command& command : AllCommands()) {
    SCOPED_TRACE(command.name());
    EXPECT_NE(command.run, nullptr);
    EXPECT_TRUE(absl::EndsWith(command.summary, "."));
    EXPECT_FALSE(absl::StrContains(command.summary, '\n'));
    for (size_t i = 0; i + 1 < command.positionals.size(); ++i) {
      EXPECT_FALSE(command.positionals[i].repeated);
      EXPECT_LE(command.positionals[i].optional, command.positionals[i + 1].optional)
          << "optional ones come last";
    }
  }
}

TEST(CommandTableTest, OptionsAreUniqueAndExplained) {
  for (const Command& command : AllCommands()) {
    SCOPED_TRACE(command.name());
    std::set<std::string> names;
    std::set<char> letters;
    std::vector<Option> options = GlobalOptions();
    options.insert(options.end(), command.options.begin(), command.options.end());
    for (const Option& option : options) {
      EXPECT_TRUE(names.insert(std::string(option.name)).second) << option.name;
      EXPECT_TRUE(option.letter == 0 || letters.insert(option.letter).second) << option.name;
      EXPECT_TRUE(absl::EndsWith(option.help, ".")) << option.name;
      EXPECT_EQ(option.name, absl::AsciiStrToLower(option.name));
    }
  }
}

// The examples of the help texts are command lines that mailctl takes.
TEST(CommandTableTest, ExamplesParse) {
  for (const Command& command : AllCommands()) {
    ASSERT_FALSE(command.example.empty()) << command.name();
    for (const absl::string_view example : absl::StrSplit(command.example, '\n')) {
      SCOPED_TRACE(example);
      // Without redirections of the shell.
      const absl::string_view call = example.substr(0, example.find_first_of("<>"));
      std::vector<std::string> words = absl::StrSplit(absl::StripAsciiWhitespace(call), ' ');
      ASSERT_EQ(words.front(), "mailctl");
      words.erase(words.begin());
      const auto line = ParseCommandLine(words);
      ASSERT_TRUE(line.ok()) << line.status();
      EXPECT_EQ(line->command, &*FindCommand(command.noun, command.verb));
    }
  }
}

TEST(CommandTableTest, HelpShowsSynopsisOptionsAndExample) {
  for (const Command& command : AllCommands()) {
    const std::string help = CommandHelp(command);
    EXPECT_THAT(help, HasSubstr("Usage: mailctl " + command.name()));
    for (const Option& option : command.options)
      EXPECT_THAT(help, HasSubstr("--" + std::string(option.name)));
    for (const absl::string_view example : absl::StrSplit(command.example, '\n')) {
      EXPECT_THAT(help, HasSubstr("\n  " + std::string(example) + "\n"));
    }
    for (const absl::string_view line : absl::StrSplit(help, '\n')) EXPECT_LE(line.size(), 120u) << line;
  }
}

TEST(CommandTableTest, Synopsis) {
  EXPECT_EQ(Synopsis(*FindCommand("alias", "add")), "mailctl alias add ADDRESS TARGET... [options]");
  EXPECT_EQ(Synopsis(*FindCommand("account", "list")), "mailctl account list [DOMAIN]");
  EXPECT_EQ(Synopsis(*FindCommand("message", "remove")), "mailctl message remove ADDRESS [ID...] [options]");
}

TEST(CommandTableTest, GeneralHelpNamesEverything) {
  const std::string help = GeneralHelp();
  for (const Noun& noun : AllNouns()) EXPECT_THAT(help, HasSubstr("\n  " + std::string(noun.name) + " "));
  for (const Option& option : GlobalOptions()) EXPECT_THAT(help, HasSubstr("--" + std::string(option.name)));
  EXPECT_THAT(help, HasSubstr("Exit codes:"));
}

}  // namespace
}  // namespace mailstead::ctl
