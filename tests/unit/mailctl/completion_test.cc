#include "mailctl/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mailctl/command_table.h"

namespace mailstead::ctl {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

// What bash offers with the cursor at the end of `line`. Bash splits at "=" too (COMP_WORDBREAKS), but the
// script looks at the line itself, so the last word is all that matters of COMP_WORDS.
std::vector<std::string> BashOffers(const std::string& line) {
  const std::string script =
      ::testing::TempDir() + "/mailctl-completion-" + std::to_string(getpid()) + ".bash";
  std::ofstream(script) << BashCompletion() << "compopt() { :; }\n"
                        << "COMP_LINE='" << line << "'\nCOMP_POINT=${#COMP_LINE}\n"
                        << "COMP_WORDS=(mailctl \"${COMP_LINE##* }\")\nCOMP_CWORD=1\n"
                        << "_mailctl\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
  FILE* pipe = popen(absl::StrCat("bash --norc -u ", script, " 2>&1").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string text;
  char buffer[4096];
  while (const size_t got = fread(buffer, 1, sizeof(buffer), pipe)) text.append(buffer, got);
  EXPECT_EQ(pclose(pipe), 0) << text;
  unlink(script.c_str());
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

TEST(CompletionTest, BashOffersNounsAndVerbs) {
  EXPECT_THAT(BashOffers("mailctl "), IsSupersetOf({"domain", "account", "status", "help"}));
  EXPECT_THAT(BashOffers("mailctl a"), ElementsAre("account", "alias", "audit"));
  EXPECT_THAT(BashOffers("mailctl account im"), ElementsAre("import"));
  EXPECT_THAT(BashOffers("mailctl --json alias r"), ElementsAre("remove"));
  EXPECT_THAT(BashOffers("mailctl completion z"), ElementsAre("zsh"));
  EXPECT_THAT(BashOffers("mailctl help dom"), ElementsAre("domain"));
}

TEST(CompletionTest, BashOffersOptionsOfTheCommand) {
  EXPECT_THAT(BashOffers("mailctl account set demo@example.test --q"),
              ElementsAre("--quota_bytes=", "--quota_messages="));
  EXPECT_THAT(BashOffers("mailctl domain list --"), Contains("--json"));
  EXPECT_THAT(BashOffers("mailctl domain list --"), Not(Contains("--quota_bytes=")));
  EXPECT_THAT(BashOffers("mailctl account import --existing=s"), ElementsAre("skip"));
}

TEST(CompletionTest, EveryCommandIsInEveryShell) {
  for (const Command& command : AllCommands()) {
    SCOPED_TRACE(command.name());
    for (const std::string& script : {BashCompletion(), ZshCompletion(), FishCompletion()}) {
      EXPECT_THAT(script, HasSubstr(std::string(command.noun)));
      EXPECT_THAT(script, HasSubstr(std::string(command.verb)));
      for (const Option& option : command.options) EXPECT_THAT(script, HasSubstr(std::string(option.name)));
    }
  }
}

}  // namespace
}  // namespace mailstead::ctl
