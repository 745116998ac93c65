#include "common/config/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/config/flags.h"
#include "common/config/option.h"
#include "common/config/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// A type with a parser of its own, as programs have for words.
enum class Colour { kRed, kBlue };
bool AbslParseFlag(absl::string_view text, Colour* colour, std::string* error) {
  if (text == "red" || text == "blue") {
    *colour = text == "red" ? Colour::kRed : Colour::kBlue;
    return true;
  }
  *error = "must be red or blue";
  return false;
}
std::string AbslUnparseFlag(Colour colour) { return colour == Colour::kRed ? "red" : "blue"; }

namespace mailstead::config {
namespace {

using ::testing::HasSubstr;

constexpr Program kProgram{"testd", "Serves tests."};

struct TestFlags {
  int32_t test_count = 7;
  uint64_t test_bytes = 1;
  bool test_switch = false;
  std::string test_name = "default";
  absl::Duration test_wait = absl::Seconds(1);
  double test_ratio = 0.5;
  Colour test_colour = Colour::kRed;
};

Options OptionsOf(TestFlags& flags) {
  return {
      Flag("test_count", flags.test_count, "How many"),     Flag("test_bytes", flags.test_bytes, "How much"),
      Flag("test_switch", flags.test_switch, "Whether"),    Flag("test_name", flags.test_name, "Which"),
      Flag("test_wait", flags.test_wait, "How long"),       Flag("test_ratio", flags.test_ratio, "What part"),
      Flag("test_colour", flags.test_colour, "What colour")};
}

class FlagsTest : public ::testing::Test {
 protected:
  absl::StatusOr<CommandLine> Set(std::vector<std::string> arguments) {
    texts = std::move(arguments);
    texts.insert(texts.begin(), "testd");
    std::vector<char*> argv;
    for (std::string& text : texts) argv.push_back(text.data());
    return SetFlags(kProgram, options, argv, [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end()) return std::nullopt;
      return found->second;
    });
  }
  std::string Error(std::vector<std::string> arguments) {
    const absl::Status status = Set(std::move(arguments)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << "one line";
    return std::string(status.message());
  }
  std::string WriteFile(const std::string& text) {
    const std::string path =
        absl::StrCat(::testing::TempDir(), "config_test.", ::getpid(), ".", files.size());
    std::ofstream(path) << text;
    files.push_back(path);
    return path;
  }
  ~FlagsTest() override {
    for (const std::string& path : files) ::unlink(path.c_str());
  }

  TestFlags flags;
  const Options options = OptionsOf(flags);
  std::map<std::string, std::string> environment;
  std::vector<std::string> texts;
  std::vector<std::string> files;
};

TEST_F(FlagsTest, DefaultsStayWhenNothingIsSaid) {
  ASSERT_TRUE(Set({}).ok());
  EXPECT_EQ(flags.test_count, 7);
}

TEST_F(FlagsTest, EachSourceWinsOverTheOneBefore) {
  environment["TESTD_TEST_COUNT"] = "1";
  ASSERT_TRUE(Set({}).ok());
  EXPECT_EQ(flags.test_count, 1);
  const std::string file = WriteFile("--test_count=2\n");
  ASSERT_TRUE(Set({"--flagfile=" + file}).ok());
  EXPECT_EQ(flags.test_count, 2);
  // Wherever the flag file stands.
  ASSERT_TRUE(Set({"--test_count=3", "--flagfile", file}).ok());
  EXPECT_EQ(flags.test_count, 3);
  ASSERT_TRUE(Set({"--flagfile", file, "--test_count=3"}).ok());
  EXPECT_EQ(flags.test_count, 3);
}

TEST_F(FlagsTest, SourcesMix) {
  environment["TESTD_TEST_NAME"] = "from environment";
  environment["TESTD_TEST_WAIT"] = "2m";
  const std::string file = WriteFile("# limits\n\n  --test_wait=3m  \n--test_switch\r\n-test_bytes=9\n");
  ASSERT_TRUE(Set({"--flagfile=" + file, "--test_count", "5"}).ok());
  EXPECT_EQ(flags.test_name, "from environment");
  EXPECT_EQ(flags.test_wait, absl::Minutes(3));
  EXPECT_TRUE(flags.test_switch);
  EXPECT_EQ(flags.test_bytes, 9u);
  EXPECT_EQ(flags.test_count, 5);
}

TEST_F(FlagsTest, AnEmptyVariableIsAValue) {
  environment["TESTD_TEST_NAME"] = "";
  ASSERT_TRUE(Set({}).ok());
  EXPECT_EQ(flags.test_name, "");
  environment["TESTD_TEST_COUNT"] = "";
  EXPECT_THAT(Error({}), HasSubstr("TESTD_TEST_COUNT: \"\": must be a whole number"));
}

TEST_F(FlagsTest, TheFlagFileMayComeFromTheEnvironment) {
  environment["TESTD_FLAGFILE"] = WriteFile("--test_count=2\n");
  ASSERT_TRUE(Set({}).ok());
  EXPECT_EQ(flags.test_count, 2);
}

TEST_F(FlagsTest, TakesAllWaysToWriteAFlag) {
  ASSERT_TRUE(Set({"--test_count=1", "-test_bytes=2", "--test_name", "--dashes", "-test_switch"}).ok());
  EXPECT_EQ(flags.test_count, 1);
  EXPECT_EQ(flags.test_bytes, 2u);
  EXPECT_EQ(flags.test_name, "--dashes");
  EXPECT_TRUE(flags.test_switch);
  ASSERT_TRUE(Set({"--notest_switch", "--test_name="}).ok());
  EXPECT_FALSE(flags.test_switch);
  EXPECT_EQ(flags.test_name, "");
  ASSERT_TRUE(Set({"--test_switch=yes", "--test_count=-4", "--test_name=a=b"}).ok());
  EXPECT_TRUE(flags.test_switch);
  EXPECT_EQ(flags.test_count, -4);
  EXPECT_EQ(flags.test_name, "a=b");
}

TEST_F(FlagsTest, TheLastOfTheSameFlagWins) {
  ASSERT_TRUE(Set({"--test_count=1", "--test_count=2"}).ok());
  EXPECT_EQ(flags.test_count, 2);
}

TEST_F(FlagsTest, PositionalArgumentsStandAnywhere) {
  const absl::StatusOr<CommandLine> line =
      Set({"account", "--test_count=2", "-", "add", "--", "--test_count=3", "x"});
  ASSERT_TRUE(line.ok()) << line.status();
  const std::vector<std::string> positional(line->positional.begin(), line->positional.end());
  EXPECT_THAT(positional, ::testing::ElementsAre("testd", "account", "-", "add", "--test_count=3", "x"));
  EXPECT_EQ(flags.test_count, 2);
}

TEST_F(FlagsTest, BadValuesNameTheFlagAndWhatIsAllowed) {
  EXPECT_EQ(Error({"--test_count=x"}),
            "--test_count: \"x\": must be a whole number from -2147483648 to 2147483647");
  EXPECT_EQ(Error({"--test_count=2147483648"}),
            "--test_count: \"2147483648\": must be a whole number from -2147483648 to 2147483647");
  EXPECT_EQ(Error({"--test_bytes=-1"}),
            "--test_bytes: \"-1\": must be a whole number from 0 to 18446744073709551615");
  EXPECT_EQ(Error({"--test_switch=perhaps"}), "--test_switch: \"perhaps\": must be true or false");
  EXPECT_EQ(Error({"--test_wait", "5"}),
            "--test_wait: \"5\": must be a duration such as 500ms, 10s, 5m or 1h30m");
  EXPECT_EQ(Error({"--test_ratio=much"}), "--test_ratio: \"much\": must be a number");
  EXPECT_EQ(Error({"--test_colour=green"}), "--test_colour: \"green\": must be red or blue");
  EXPECT_EQ(Error({"--test_count"}), "--test_count: needs a value");
}

TEST_F(FlagsTest, BadValuesElsewhereSayWhere) {
  environment["TESTD_TEST_WAIT"] = "soon";
  EXPECT_EQ(Error({}), "TESTD_TEST_WAIT: \"soon\": must be a duration such as 500ms, 10s, 5m or 1h30m");
  environment.clear();
  const std::string file = WriteFile("# a comment\n--test_count=many\n");
  EXPECT_EQ(Error({"--flagfile=" + file}),
            file + ":2: --test_count: \"many\": must be a whole number from -2147483648 to 2147483647");
  const std::string words = WriteFile("test_count=1\n");
  EXPECT_EQ(Error({"--flagfile=" + words}), words + ":1: a line must be --name=value");
  EXPECT_THAT(Error({"--flagfile=/nowhere/at.all"}), HasSubstr("--flagfile: cannot read /nowhere/at.all"));
  EXPECT_EQ(Error({"--flagfile"}), "--flagfile: needs a value");
}

TEST_F(FlagsTest, ValuesThatAreShownStayOnOneLine) {
  EXPECT_THAT(Error({"--test_count=a\nb"}), HasSubstr("\"a\\nb\""));
  EXPECT_LT(Error({"--test_count=" + std::string(10'000, '9')}).size(), 300u);
}

TEST_F(FlagsTest, UnknownFlagsAreNamedWithTheNearest) {
  EXPECT_EQ(Error({"--test_cuont=1"}), "--test_cuont: unknown flag; did you mean --test_count?");
  EXPECT_EQ(Error({"--bogus"}), "--bogus: unknown flag; --help lists them");
  EXPECT_EQ(Error({"--notest_count"}), "--notest_count: unknown flag; did you mean --test_count?");
  const std::string file = WriteFile("--bogus=1\n");
  EXPECT_EQ(Error({"--flagfile=" + file}), file + ":1: --bogus: unknown flag; --help lists them");
}

TEST_F(FlagsTest, OtherVariablesWithOurPrefixAreLeftAlone) {
  environment["TESTD_SERVICE_HOST"] = "10.0.0.1";
  EXPECT_TRUE(Set({}).ok());
}

TEST_F(FlagsTest, HelpNamesFlagDefaultMeaningAndVariable) {
  EXPECT_TRUE(Set({"--help"})->help);
  EXPECT_TRUE(Set({"-h"})->help);
  EXPECT_TRUE(Set({"--version"})->version);
  const std::string help = HelpText(kProgram, options);
  EXPECT_THAT(help, ::testing::StartsWith("Serves tests.\n"));
  EXPECT_THAT(help, HasSubstr("\n  --test_wait=1s\n      How long\n      TESTD_TEST_WAIT\n"));
}

// The process as a whole: what is printed and how it ends.
using ParseCommandLineDeathTest = ::testing::Test;

TestFlags RunWith(std::vector<std::string> arguments) {
  TestFlags flags;
  arguments.insert(arguments.begin(), "testd");
  std::vector<char*> argv;
  for (std::string& text : arguments) argv.push_back(text.data());
  // What a caller sees of standard output, too.
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  ParseCommandLine(kProgram, OptionsOf(flags), static_cast<int>(argv.size()), argv.data());
  return flags;
}

TEST(ParseCommandLineDeathTest, EndsWithOneLineAndStatusTwo) {
  EXPECT_EXIT(RunWith({"--test_count=x"}), ::testing::ExitedWithCode(2),
              "^testd: --test_count: \"x\": must be a whole number from -2147483648 to 2147483647\n$");
  EXPECT_EXIT(RunWith({"--bogus"}), ::testing::ExitedWithCode(2),
              "^testd: --bogus: unknown flag; --help lists them\n$");
  EXPECT_EXIT(
      RunWith({"test_count=3", "b"}), ::testing::ExitedWithCode(2),
      "^testd: \"test_count=3\": is no flag; they are written --name=value, and --help lists them\n$");
  EXPECT_EXIT((::setenv("TESTD_TEST_COUNT", "x", 1), RunWith({})), ::testing::ExitedWithCode(2),
              "^testd: TESTD_TEST_COUNT: \"x\": ");
}

TEST(ParseCommandLineDeathTest, ServesHelpAndVersion) {
  EXPECT_EXIT(RunWith({"--version"}), ::testing::ExitedWithCode(0),
              absl::StrCat("^testd ", std::string(Version()), "\n$"));
  EXPECT_EXIT(RunWith({"--help", "--test_count=x"}), ::testing::ExitedWithCode(0), "^Serves tests\\.");
}

TEST(ParseCommandLineDeathTest, ReadsTheRealEnvironment) {
  EXPECT_EXIT(
      {
        ::setenv("TESTD_TEST_COUNT", "42", 1);
        std::exit(RunWith({}).test_count == 42 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(CheckerTest, DurationsIncludeTheirEnds) {
  Checker check;
  check.Within("wait", absl::Seconds(1), absl::Seconds(1), absl::Minutes(1));
  check.Within("wait", absl::Minutes(1), absl::Seconds(1), absl::Minutes(1));
  EXPECT_TRUE(check.errors().empty());
  check.Within("wait", absl::Milliseconds(999), absl::Seconds(1), absl::Minutes(1));
  ASSERT_EQ(check.errors().size(), 1u);
  EXPECT_THAT(check.errors()[0], testing::HasSubstr("--wait: 999ms is not in 1s to 1m"));
}

TEST(CheckerTest, RangesIncludeTheirEnds) {
  Checker check;
  check.Range("n", 1, 1, 10);
  check.Range("n", 10, 1, 10);
  EXPECT_TRUE(check.errors().empty());
  check.Range("n", 0, 1, 10);
  check.Range("n", 11, 1, 10);
  EXPECT_THAT(check.errors(),
              ::testing::ElementsAre("--n: 0 is not in 1 to 10", "--n: 11 is not in 1 to 10"));
}

TEST(CheckerTest, CollectsAllThatIsImpossible) {
  Checker check;
  check.OneOf("log_format", "json", {"logfmt", "json"});
  check.That(true, "tls_key", "needed with --tls_cert");
  check.Ok("tls_cert", absl::OkStatus());
  EXPECT_TRUE(check.errors().empty());
  check.ExitIfBad("testd");
  check.OneOf("log_format", "xml", {"logfmt", "json"});
  check.That(false, "tls_key", "needed with --tls_cert");
  check.Ok("tls_cert", absl::InvalidArgumentError("cannot read /x"));
  EXPECT_THAT(check.errors(),
              ::testing::ElementsAre("--log_format: \"xml\" is not one of logfmt, json",
                                     "--tls_key: needed with --tls_cert", "--tls_cert: cannot read /x"));
}

TEST(CheckerDeathTest, EndsTheProgramWithALineForEach) {
  Checker check;
  check.That(false, "a", "first");
  check.That(false, "b", "second");
  EXPECT_EXIT(check.ExitIfBad("testd"), ::testing::ExitedWithCode(2),
              "^testd: --a: first\ntestd: --b: second\n$");
}

class SecretFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Read(const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    return ReadSecretFile(path);
  }
  ~SecretFileTest() override { ::unlink(path.c_str()); }

  const std::string path = absl::StrCat(::testing::TempDir(), "secret_test.", ::getpid());
};

TEST_F(SecretFileTest, IsTheFirstLine) {
  EXPECT_EQ(*Read("s3cret"), "s3cret");
  EXPECT_EQ(*Read("s3cret\n"), "s3cret");
  EXPECT_EQ(*Read("s3cret\r\nmore\n"), "s3cret");
  EXPECT_EQ(*Read(" with spaces \t\n"), " with spaces");
}

TEST_F(SecretFileTest, ErrorsNameTheFileAndNothingOfItsContent) {
  const absl::Status missing = ReadSecretFile(path + ".missing").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr(path + ".missing"));
  EXPECT_EQ(Read("").status().code(), absl::StatusCode::kInvalidArgument);
  const absl::Status empty = Read("\nhidden\n").status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(empty.message()),
              ::testing::AllOf(HasSubstr(path), ::testing::Not(HasSubstr("hidden"))));
  EXPECT_EQ(Read(std::string(5000, 'x')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadSecretFile(::testing::TempDir()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mailstead::config
