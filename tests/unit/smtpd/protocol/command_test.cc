#include "smtpd/protocol/command.h"

#include <string>

#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

TEST(SplitCommand, PartsVerbAndArgument) {
  EXPECT_EQ(SplitCommand("NOOP").verb, "NOOP");
  EXPECT_EQ(SplitCommand("NOOP").argument, "");
  EXPECT_EQ(SplitCommand("NOOP ").argument, "");
  const CommandWords words = SplitCommand("MAIL  FROM:<a b> X=1  ");
  EXPECT_EQ(words.verb, "MAIL");
  EXPECT_EQ(words.argument, "FROM:<a b> X=1");
  EXPECT_EQ(SplitCommand("").verb, "");
  EXPECT_EQ(SplitCommand(" NOOP").verb, "");
}

TEST(HasControlCharacters, FindsThem) {
  EXPECT_FALSE(HasControlCharacters("MAIL FROM:<j\xc3\xbcrgen@x>"));
  EXPECT_TRUE(HasControlCharacters(absl::string_view("a\0b", 3)));
  EXPECT_TRUE(HasControlCharacters("a\tb"));
  EXPECT_TRUE(HasControlCharacters("a\x7f"));
}

TEST(IsHeloName, TakesWhatIsPrintable) {
  for (const char* name : {"a", "mx.example.test", "my_host", "[192.0.2.1]", "[IPv6:2001:db8::1]", "1.2.3",
                           "MY PC", "[IPv6:fe80::1%eth0]", "fe80::1%2", "(unknown)", "<a>", "a;b", "a\"b",
                           "a\\b", "m\xc3\xbcller", "M\xdcLLER-PC", "\xc2\xa0", "\xc2"}) {
    EXPECT_TRUE(IsHeloName(name)) << name;
  }
  for (const absl::string_view name :
       {absl::string_view("a\0b", 3), absl::string_view(""), absl::string_view("a\tb"),
        absl::string_view("a\x1b"), absl::string_view("a\x7f"), absl::string_view("\xc3\xbc\xc2\x85"),
        absl::string_view("\xc2\x9f")}) {
    EXPECT_FALSE(IsHeloName(name)) << name;
  }
  EXPECT_TRUE(IsHeloName(std::string(255, 'a')));
  EXPECT_FALSE(IsHeloName(std::string(256, 'a')));
}

TEST(IsOtherProtocol, KnowsHttpAndTls) {
  EXPECT_TRUE(IsOtherProtocol("GET / HTTP/1.1"));
  EXPECT_TRUE(IsOtherProtocol("post /x HTTP/1.0"));
  EXPECT_TRUE(IsOtherProtocol("\x16\x03\x01"));
  EXPECT_FALSE(IsOtherProtocol("GET"));
  EXPECT_FALSE(IsOtherProtocol("HELP"));
  EXPECT_FALSE(IsOtherProtocol("\x16"));
}

TEST(ParseBdat, ReadsSizeAndLast) {
  const Parsed<BdatArgument> chunk = ParseBdat("1024");
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->size_bytes, 1024u);
  EXPECT_FALSE(chunk->last);
  const Parsed<BdatArgument> last = ParseBdat("0 last");
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->size_bytes, 0u);
  EXPECT_TRUE(last->last);
  const Parsed<BdatArgument> largest = ParseBdat("999999999999999999");
  ASSERT_TRUE(largest.ok());
  EXPECT_EQ(largest->size_bytes, 999'999'999'999'999'999u);
}

TEST(ParseBdat, RefusesTheRest) {
  for (const char* argument :
       {"", "LAST", "-1", "+1", "1x", "0x10", "1 FIRST", "1 LAST 2", "1000000000000000000"}) {
    EXPECT_FALSE(ParseBdat(argument).ok()) << argument;
  }
}

TEST(ParseAuth, TellsAbsentFromEmpty) {
  const Parsed<AuthArgument> absent = ParseAuth("plain");
  ASSERT_TRUE(absent.ok());
  EXPECT_EQ(absent->mechanism, "PLAIN");
  EXPECT_FALSE(absent->initial_response.has_value());
  const Parsed<AuthArgument> empty = ParseAuth("PLAIN =");
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->initial_response, "");
  const Parsed<AuthArgument> given = ParseAuth("SCRAM-SHA-256-PLUS YWJj");
  ASSERT_TRUE(given.ok());
  EXPECT_EQ(given->mechanism, "SCRAM-SHA-256-PLUS");
  EXPECT_EQ(given->initial_response, "abc");
}

TEST(ParseAuth, SaysWhatIsWrong) {
  EXPECT_EQ(ParseAuth("").error(), ParseError::kSyntax);
  EXPECT_EQ(ParseAuth("PL;AIN").error(), ParseError::kSyntax);
  EXPECT_EQ(ParseAuth(std::string(21, 'A')).error(), ParseError::kSyntax);
  EXPECT_TRUE(ParseAuth(std::string(20, 'A')).ok());
  EXPECT_EQ(ParseAuth("PLAIN a").error(), ParseError::kBadBase64);
  EXPECT_EQ(ParseAuth("PLAIN YWJj YWJj").error(), ParseError::kBadBase64);
}

}  // namespace
}  // namespace mailstead::smtp
