#include "common/config/option.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/config/flags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

enum class LineEnds { kRefuse, kNormalize };

absl::Status CheckEven(const std::string& text) {
  return text.size() % 2 == 0 ? absl::OkStatus() : absl::InvalidArgumentError(text + " is odd");
}

struct Limits {
  size_t max_recipients = 1000;
  int64_t max_message_bytes = int64_t{1} << 34;
  absl::Duration timeout = absl::Minutes(5);
  LineEnds line_ends = LineEnds::kNormalize;
  std::vector<std::string> listen = {"[::]:25", "[::1]:2525"};
  std::string file;
};

class OptionTest : public ::testing::Test {
 protected:
  const Option& Row(absl::string_view name) {
    for (const Option& option : options) {
      if (option.name == name) return option;
    }
    ADD_FAILURE() << name;
    return options.front();
  }
  std::vector<std::string> Errors() {
    Checker check;
    CheckOptions(options, check);
    return check.errors();
  }

  Limits limits;
  const Options options = {
      Flag("max_recipients", limits.max_recipients, Between(1, 100'000), "recipients"),
      Flag("max_message_bytes", limits.max_message_bytes, Between(0, int64_t{1} << 40), "size"),
      Flag("timeout", limits.timeout, Between(absl::Seconds(1), absl::Hours(1)), "wait"),
      Flag("line_ends", limits.line_ends,
           {{"refuse", LineEnds::kRefuse}, {"normalize", LineEnds::kNormalize}}, "bare ones"),
      Flag("listen", limits.listen, CheckEven, "addresses"),
      Flag("file", limits.file, CheckEven, "path")};
};

TEST_F(OptionTest, TheDefaultIsWhatTheVariableHolds) {
  EXPECT_EQ(Row("max_recipients").default_text, "1000");
  EXPECT_EQ(Row("max_message_bytes").default_text, "17179869184");
  EXPECT_EQ(Row("timeout").default_text, "5m");
  EXPECT_EQ(Row("line_ends").default_text, "normalize");
  EXPECT_EQ(Row("listen").default_text, "[::]:25,[::1]:2525");
  EXPECT_EQ(Row("file").default_text, "");
  EXPECT_EQ(limits.listen.size(), 2u);
}

TEST_F(OptionTest, ValuesReachTheirVariables) {
  ASSERT_TRUE(Row("max_recipients").set("100000").ok());
  ASSERT_TRUE(Row("max_message_bytes").set("8589934592").ok());
  ASSERT_TRUE(Row("timeout").set("1h").ok());
  ASSERT_TRUE(Row("line_ends").set("refuse").ok());
  ASSERT_TRUE(Row("listen").set("ab, cd,,").ok());
  ASSERT_TRUE(Row("file").set("abcd").ok());
  EXPECT_EQ(limits.max_recipients, 100'000u);
  EXPECT_EQ(limits.max_message_bytes, int64_t{1} << 33);
  EXPECT_EQ(limits.timeout, absl::Hours(1));
  EXPECT_EQ(limits.line_ends, LineEnds::kRefuse);
  EXPECT_THAT(limits.listen, ElementsAre("ab", " cd"));
  EXPECT_EQ(limits.file, "abcd");
}

TEST_F(OptionTest, WhatIsNoValueIsSaidAtOnce) {
  EXPECT_EQ(Row("max_recipients").set("many").message(),
            "must be a whole number from -2147483648 to 2147483647");
  EXPECT_EQ(Row("max_message_bytes").set("").message(),
            "must be a whole number from -9223372036854775808 to 9223372036854775807");
  EXPECT_EQ(Row("timeout").set("5").message(), "must be a duration such as 500ms, 10s, 5m or 1h30m");
  EXPECT_EQ(limits.max_recipients, 1000u);
  EXPECT_EQ(limits.timeout, absl::Minutes(5));
}

TEST_F(OptionTest, WhatIsOutOfBoundsIsCollected) {
  EXPECT_THAT(Errors(), ElementsAre("--listen: [::]:25 is odd"));
  EXPECT_TRUE(Row("listen").set("").ok());
  EXPECT_THAT(Errors(), IsEmpty());
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"max_recipients", "0"},
                                                        {"max_message_bytes", "-1"},
                                                        {"timeout", "999ms"},
                                                        {"line_ends", "maybe"},
                                                        {"listen", "a,bb,c"},
                                                        {"file", "abc"}}) {
    EXPECT_TRUE(Row(name).set(value).ok()) << name;
  }
  EXPECT_THAT(Errors(), ElementsAre("--max_recipients: 0 is not in 1 to 100000",
                                    "--max_message_bytes: -1 is not in 0 to 1099511627776",
                                    "--timeout: 999ms is not in 1s to 1h",
                                    "--line_ends: \"maybe\" is not one of refuse, normalize",
                                    "--listen: a is odd", "--listen: c is odd", "--file: abc is odd"));
}

TEST_F(OptionTest, TheEndsOfAnIntervalAreAllowed) {
  ASSERT_TRUE(Row("listen").set("").ok());
  for (const absl::string_view value : {"1", "100000"}) {
    ASSERT_TRUE(Row("max_recipients").set(value).ok());
    EXPECT_THAT(Errors(), IsEmpty()) << value;
  }
  for (const absl::string_view value : {"1s", "1h"}) {
    ASSERT_TRUE(Row("timeout").set(value).ok());
    EXPECT_THAT(Errors(), IsEmpty()) << value;
  }
}

TEST_F(OptionTest, TablesAreJoined) {
  bool verbose = false;
  Options both = {Flag("verbose", verbose, "say more")};
  Append(both, {Flag("file", limits.file, "path")});
  const std::string help = HelpText({.name = "testd", .usage = "Tests."}, both);
  EXPECT_THAT(help, HasSubstr("\n  --file=\n      path\n      TESTD_FILE\n"));
  EXPECT_THAT(help, HasSubstr("\n  --verbose=false\n      say more\n      TESTD_VERBOSE\n"));
  EXPECT_TRUE(both.front().is_switch);
}

}  // namespace
}  // namespace mailstead::config
