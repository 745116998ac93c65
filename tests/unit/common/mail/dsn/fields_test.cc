#include "common/mail/dsn/fields.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace mailstead::dsn {
namespace {

std::string Field(absl::string_view name, const std::vector<std::string>& lines) {
  std::string out;
  AppendField(name, lines, out);
  return out;
}

TEST(Printable, IsOneLineOfText) {
  struct {
    absl::string_view text;
    const char* ascii;
    const char* utf8;
  } cases[] = {
      {"plain text", "plain text", "plain text"},
      {"  two  blanks\t", "two  blanks", "two  blanks"},
      {"a \t\r\n b", "a  b", "a  b"},
      {"a\r\nBcc: b@c.test", "a Bcc: b@c.test", "a Bcc: b@c.test"},
      {absl::string_view("a\0b\x1b[1m\x7f", 8), "a b [1m", "a b [1m"},
      {"b\xc3\xb6se", "b?se", "b\xc3\xb6se"},
      {"\xe2\x82\xac\xf0\x9f\x93\xa7", "??", "\xe2\x82\xac\xf0\x9f\x93\xa7"},
      // No UTF-8: a '?' for each byte.
      {"b\xf6se\xff", "b?se?", "b?se?"},
      // U+0085 ends a line for some.
      {"a\xc2\x85"
       "b",
       "a b", "a b"},
      {"", "", ""},
      {"\r\n", "", ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Printable(c.text, false), c.ascii) << c.text;
    EXPECT_EQ(Printable(c.text, true), c.utf8) << c.text;
  }
}

TEST(PrintableLines, AreTheLinesOfAReply) {
  EXPECT_EQ(PrintableLines("550-a\r\n550-b\n\n550 c", false, 100),
            (std::vector<std::string>{"550-a", "550-b", "550 c"}));
  EXPECT_EQ(PrintableLines("550 abc", false, 5), (std::vector<std::string>{"550 a"}));
  EXPECT_TRUE(PrintableLines("\r\n \t\n", false, 100).empty());
}

TEST(AppendField, FoldsAtBlanks) {
  EXPECT_EQ(Field("Status", {"5.1.1"}), "Status: 5.1.1\r\n");
  EXPECT_EQ(Field("Diagnostic-Code", {"smtp; 550-a", "550 b"}), "Diagnostic-Code: smtp; 550-a\r\n 550 b\r\n");
  // 78 characters, and one more.
  const std::string word(65, 'x');
  EXPECT_EQ(Field("Name", {absl::StrCat("y ", word, " 12345")}),
            absl::StrCat("Name: y ", word, "\r\n 12345\r\n"));
  EXPECT_EQ(Field("Name", {absl::StrCat("y ", word, " 1234")}), absl::StrCat("Name: y ", word, " 1234\r\n"));
}

TEST(AppendField, UnfoldsToWhatItWas) {
  for (size_t size : {1, 40, 71, 72, 73, 200, 899}) {
    const std::string value =
        absl::StrCat("first ", std::string(size, 'a'), " ", std::string(size, 'b'), " last");
    const std::string field = Field("Name", {value});
    EXPECT_EQ(absl::StrReplaceAll(field, {{"\r\n", ""}}), absl::StrCat("Name: ", value)) << size;
    for (const absl::string_view line : absl::StrSplit(field, "\r\n")) EXPECT_LE(line.size(), 998u);
  }
}

TEST(AppendField, HasNoLineOfBlanksAlone) {
  for (size_t blanks : {1, 2, 63, 64, 65, 200, 2000}) {
    const std::string value =
        absl::StrCat(std::string(60, 'x'), std::string(blanks, ' '), std::string(60, 'y'));
    const std::string field = Field("Name", {value});
    EXPECT_EQ(std::vector<absl::string_view>(absl::StrSplit(field, "\r\n")).size(), 3u) << blanks;
    const std::string unfolded = absl::StrReplaceAll(field, {{"\r\n", ""}});
    EXPECT_TRUE(blanks > 64 || unfolded == absl::StrCat("Name: ", value)) << blanks;
    EXPECT_FALSE(absl::StrContains(field, " \r\n"));
  }
}

TEST(AppendField, BreaksWhatNoLineCanHave) {
  const std::string field = Field("Name", {std::string(3000, 'x')});
  const std::vector<std::string> lines = absl::StrSplit(field, "\r\n");
  EXPECT_EQ(lines.size(), 5u);
  for (size_t i = 1; i + 1 < lines.size(); ++i) EXPECT_EQ(lines[i].substr(0, 2), " x");
  for (const std::string& line : lines) EXPECT_LE(line.size(), 998u);
}

TEST(HasBadLine, LooksForWhatNoLineMayHave) {
  EXPECT_FALSE(HasBadLine(""));
  EXPECT_FALSE(HasBadLine("a\r\n\r\nb"));
  EXPECT_FALSE(HasBadLine(absl::StrCat(std::string(998, 'x'), "\r\n", std::string(998, 'x'))));
  EXPECT_TRUE(HasBadLine(absl::StrCat("a\r\n", std::string(999, 'x'), "\r\n")));
  for (const absl::string_view bad :
       {absl::string_view("a\rb\r\n"), absl::string_view("a\nb\r\n"), absl::string_view("a\r"),
        absl::string_view("\n"), absl::string_view("a\0b", 3)}) {
    EXPECT_TRUE(HasBadLine(bad));
  }
}

// RFC 3461 section 9.1, RFC 6533 section 3.
TEST(TypedAddress, HasTheTypeOfItsCharacters) {
  EXPECT_EQ(TypedAddress("bob@remote.test", false), "rfc822; bob@remote.test");
  EXPECT_EQ(TypedAddress("\"a  b\"@remote.test", true), "rfc822; \"a  b\"@remote.test");
  EXPECT_EQ(TypedAddress("b\xc3\xb6"
                         "b+x@\xe4\xbe\x8b.test",
                         false),
            "utf-8; b\\x{F6}b\\x{2B}x@\\x{4F8B}.test");
  EXPECT_EQ(TypedAddress("\xf0\x9f\x93\xa7@remote.test", false), "utf-8; \\x{1F4E7}@remote.test");
  EXPECT_EQ(TypedAddress("b\xc3\xb6"
                         "b@remote.test",
                         true),
            "utf-8; b\xc3\xb6"
            "b@remote.test");
  EXPECT_EQ(TypedAddress("b\xf6"
                         "b@remote.test",
                         true),
            "utf-8; b?b@remote.test");
}

TEST(TypedOriginalRecipient, KeepsItsType) {
  EXPECT_EQ(TypedOriginalRecipient("rfc822;Al+ice@a.test", false), "rfc822; Al+ice@a.test");
  EXPECT_EQ(TypedOriginalRecipient("x400;/c=de/", false), "x400; /c=de/");
  EXPECT_EQ(TypedOriginalRecipient("UTF-8;b\xc3\xb6"
                                   "b@a.test",
                                   false),
            "UTF-8; b\\x{F6}b@a.test");
  EXPECT_EQ(TypedOriginalRecipient("utf-8;b\xc3\xb6"
                                   "b@a.test",
                                   true),
            "utf-8; b\xc3\xb6"
            "b@a.test");
}

}  // namespace
}  // namespace mailstead::dsn
