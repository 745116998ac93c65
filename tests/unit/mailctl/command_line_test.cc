#include "mailctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Words = std::vector<std::string>;

std::string ErrorOf(const Words& words) {
  const auto line = ParseCommandLine(words);
  if (line.ok()) return "";
  EXPECT_TRUE(IsUsageError(line.status())) << line.status();
  return std::string(line.status().message());
}

TEST(CommandLineTest, NounVerbAndPositionals) {
  const auto line =
      ParseCommandLine({"alias", "add", "sales@example.test", "ann@example.test", "bob@example.test"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->command->name(), "alias add");
  EXPECT_THAT(line->arguments.positionals(),
              ElementsAre("sales@example.test", "ann@example.test", "bob@example.test"));
}

TEST(CommandLineTest, OneWordCommand) {
  const auto line = ParseCommandLine({"deliver", "-", "--to", "a@b"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->command->name(), "deliver");
  EXPECT_THAT(line->arguments.positionals(), ElementsAre("-"));
  EXPECT_EQ(line->arguments.Get("to"), "a@b");
}

TEST(CommandLineTest, OptionsStandAnywhereInEverySpelling) {
  for (const Words& words : {Words{"--json", "account", "set", "a@b", "--quota_bytes=5"},
                             Words{"account", "--json", "set", "--quota_bytes", "5", "a@b"},
                             Words{"account", "set", "--quota-bytes=5", "a@b", "--json"}}) {
    const auto line = ParseCommandLine(words);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->command->name(), "account set");
    EXPECT_THAT(line->arguments.positionals(), ElementsAre("a@b"));
    EXPECT_EQ(line->arguments.Get("quota_bytes"), "5");
    EXPECT_TRUE(line->arguments.Has("json"));
  }
}

TEST(CommandLineTest, Letters) {
  for (const Words& words :
       {Words{"fetch", "a@b", "1", "-o", "file"}, Words{"fetch", "a@b", "1", "-ofile"}}) {
    const auto line = ParseCommandLine(words);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->arguments.Get("output"), "file");
  }
}

TEST(CommandLineTest, DoubleDashEndsOptions) {
  const auto line = ParseCommandLine({"domain", "show", "--", "--json"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_THAT(line->arguments.positionals(), ElementsAre("--json"));
  EXPECT_FALSE(line->arguments.Has("json"));
}

TEST(CommandLineTest, HelpNeedsNothingElse) {
  EXPECT_TRUE(ParseCommandLine({"--help"})->help);
  const auto noun = ParseCommandLine({"account", "-h"});
  ASSERT_TRUE(noun.ok()) << noun.status();
  EXPECT_EQ(noun->noun, "account");
  EXPECT_EQ(noun->command, nullptr);
  const auto verb = ParseCommandLine({"account", "add", "--help"});
  ASSERT_TRUE(verb.ok()) << verb.status();
  EXPECT_EQ(verb->command->name(), "account add");
}

TEST(CommandLineTest, ErrorsSayWhatIsAllowed) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no command given"));
  EXPECT_THAT(ErrorOf({"acount"}), HasSubstr("no such command: acount"));
  EXPECT_THAT(ErrorOf({"domain"}), HasSubstr("(domain has add, list, show, set, dns, check, remove)"));
  EXPECT_THAT(ErrorOf({"domain", "create", "x"}),
              HasSubstr("no such command: domain create (domain has add, list"));
  EXPECT_THAT(ErrorOf({"domain", "add"}), HasSubstr("mailctl domain add needs DOMAIN"));
  EXPECT_THAT(ErrorOf({"alias", "add", "a@b"}), HasSubstr("mailctl alias add needs TARGET"));
  EXPECT_THAT(ErrorOf({"domain", "add", "a", "b"}), HasSubstr("unexpected argument: b"));
  EXPECT_THAT(ErrorOf({"domain", "add", "a", "--pluss=1"}), HasSubstr("unknown option: --pluss (see"));
  EXPECT_THAT(ErrorOf({"--quota_bytes=1", "account", "set", "a@b"}),
              HasSubstr("before the command: --quota_bytes"));
  EXPECT_THAT(ErrorOf({"account", "set", "a@b", "--disabled=perhaps"}), HasSubstr("must be yes or no"));
  EXPECT_THAT(ErrorOf({"account", "set", "a@b", "--quota_bytes"}), HasSubstr("--quota_bytes needs a SIZE"));
  EXPECT_THAT(ErrorOf({"account", "list", "--json=1"}), HasSubstr("--json takes no value"));
  EXPECT_THAT(ErrorOf({"account", "list", "-x"}), HasSubstr("unknown option: -x"));
}

TEST(CommandLineTest, RefusesWhatIsNotUtf8) {
  EXPECT_EQ(ErrorOf({"domain", "add", "\xff.test"}), "argument 3 is not valid UTF-8");
  EXPECT_EQ(ErrorOf({"deliver", "-", "--to", "\xff@b"}), "argument 4 is not valid UTF-8");
  EXPECT_TRUE(ParseCommandLine({"domain", "add",
                                "b\xc3\xbc"
                                "cher.test"})
                  .ok());
}

// A secret among the arguments would be seen by every user of the machine.
TEST(CommandLineTest, NoOptionTakesAPassword) {
  for (const char* option : {"--password=x", "--hash=x", "--password_stdin=x", "--hash_stdin=x"}) {
    EXPECT_NE(ErrorOf({"account", "add", "a@b", option}), "") << option;
  }
}

}  // namespace
}  // namespace mailstead::ctl
