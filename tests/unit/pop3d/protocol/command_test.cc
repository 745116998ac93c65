#include "pop3d/protocol/command.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(ParseCommand, KeywordInAnyCase) {
  for (const char* line : {"retr 1", "RETR 1", "rEtR 1"}) {
    const auto command = ParseCommand(line);
    ASSERT_TRUE(command.has_value()) << line;
    EXPECT_EQ(command->keyword, "RETR");
    EXPECT_EQ(command->argument, "1");
    EXPECT_TRUE(command->has_argument);
  }
}

TEST(ParseCommand, WithoutArgument) {
  const auto command = ParseCommand("STAT");
  ASSERT_TRUE(command.has_value());
  EXPECT_EQ(command->keyword, "STAT");
  EXPECT_FALSE(command->has_argument);
  EXPECT_EQ(command->argument, "");
}

TEST(ParseCommand, ArgumentIsUntouchedBehindTheFirstSpace) {
  EXPECT_EQ(ParseCommand("PASS  two  spaces ")->argument, " two  spaces ");
  EXPECT_EQ(ParseCommand("PASS p\xC3\xA4ss")->argument, "p\xC3\xA4ss");
  const auto empty = ParseCommand("PASS ");
  EXPECT_TRUE(empty->has_argument);
  EXPECT_EQ(empty->argument, "");
}

TEST(ParseCommand, KeywordHasThreeToSixteenLettersOrDigits) {
  EXPECT_TRUE(ParseCommand("TOP").has_value());
  EXPECT_TRUE(ParseCommand(std::string(16, 'A')).has_value());
  EXPECT_FALSE(ParseCommand("TO").has_value());
  EXPECT_FALSE(ParseCommand(std::string(17, 'A')).has_value());
  EXPECT_FALSE(ParseCommand("").has_value());
  EXPECT_FALSE(ParseCommand(" STAT").has_value());
  EXPECT_FALSE(ParseCommand("ST-T").has_value());
  EXPECT_FALSE(ParseCommand("ST\xC3\x84T").has_value());
}

TEST(ParseCommand, ControlCharactersAreRefusedAnywhere) {
  EXPECT_FALSE(ParseCommand(absl::string_view("RETR\0 1", 7)).has_value());
  EXPECT_FALSE(ParseCommand(absl::string_view("PASS a\0b", 8)).has_value());
  EXPECT_FALSE(ParseCommand("PASS a\tb").has_value());
  EXPECT_FALSE(ParseCommand("PASS a\rb").has_value());
  EXPECT_FALSE(ParseCommand("PASS a\x7F").has_value());
}

TEST(SplitWords, UpToTwo) {
  EXPECT_EQ(SplitWords("")->count, 0);
  EXPECT_EQ(SplitWords("   ")->count, 0);
  const auto one = SplitWords(" 12 ");
  EXPECT_EQ(one->count, 1);
  EXPECT_EQ(one->word[0], "12");
  const auto two = SplitWords("1   10");
  EXPECT_EQ(two->count, 2);
  EXPECT_EQ(two->word[0], "1");
  EXPECT_EQ(two->word[1], "10");
  EXPECT_FALSE(SplitWords("1 2 3").has_value());
}

TEST(ParseNumber, DigitsOnly) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("42"), 42u);
  EXPECT_EQ(ParseNumber("007"), 7u);
  for (const char* word : {"", "-1", "+1", "1.0", "1a", "a1", "0x1", " 1", "1 ", "\xD9\xA1"}) {
    EXPECT_FALSE(ParseNumber(word).has_value()) << word;
  }
}

TEST(ParseNumber, NeverWrapsAround) {
  EXPECT_EQ(ParseNumber("18446744073709551614"), kMax - 1);
  EXPECT_EQ(ParseNumber("18446744073709551615"), kMax);
  EXPECT_EQ(ParseNumber("18446744073709551616"), kMax);
  EXPECT_EQ(ParseNumber("18446744073709551617"), kMax);
  EXPECT_EQ(ParseNumber("99999999999999999999999999999999"), kMax);
}

}  // namespace
}  // namespace mailstead::pop3
