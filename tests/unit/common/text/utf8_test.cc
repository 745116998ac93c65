#include "common/text/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(Utf8Test, TakesTheFirstAndLastOfEachLength) {
  for (const absl::string_view text :
       {"", "A", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
        "Gr\xc3\xbc\xc3\x9f"
        "e \xe2\x82\xac \xf0\x9f\x93\xa7"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << text;
  }
  EXPECT_TRUE(IsValidUtf8(absl::string_view("\0", 1)));
}

TEST(Utf8Test, RefusesTheNeighbours) {
  for (const absl::string_view text : {
           "\x80",  // a continuation alone
           "\xbf",
           "\xc0\x80",          // overlong NUL
           "\xc1\xbf",          // overlong, two bytes
           "\xe0\x9f\xbf",      // overlong, three bytes
           "\xed\xa0\x80",      // the first surrogate
           "\xed\xbf\xbf",      // the last surrogate
           "\xf0\x8f\xbf\xbf",  // overlong, four bytes
           "\xf4\x90\x80\x80",  // U+110000
           "\xf5\x80\x80\x80", "\xff", "\xfe",
           "\xc3"
           "A",
           "\xe2\x82"
           "A",
           "\xf0\x9f\x93"
           "A",                             // cut off by ASCII
           "\xe2\xc3\xa4", "\xf0\xc3\xa4",  // cut off by another sequence
       }) {
    EXPECT_FALSE(IsValidUtf8(text)) << testing::PrintToString(std::string(text));
    EXPECT_FALSE(IsValidUtf8("ok" + std::string(text) + "ok")) << testing::PrintToString(std::string(text));
  }
}

TEST(Utf8Test, RefusesEverySequenceThatIsCutOff) {
  for (const std::string text : {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x93\xa7"}) {
    for (size_t size = 1; size < text.size(); ++size) EXPECT_FALSE(IsValidUtf8(text.substr(0, size))) << size;
    EXPECT_TRUE(IsValidUtf8(text));
  }
}

TEST(Utf8Test, TellsAscii) {
  EXPECT_TRUE(IsAscii(""));
  EXPECT_TRUE(IsAscii("abc\x7f"));
  EXPECT_FALSE(IsAscii("abc\x80"));
  EXPECT_FALSE(IsAscii("\xc3\xa4"));
}

TEST(Utf8Test, PrefixesEndWithACharacter) {
  const std::string euro =
      "a\xe2\x82\xac"
      "b";
  const char* expected[] = {"",
                            "a",
                            "a",
                            "a",
                            "a\xe2\x82\xac",
                            "a\xe2\x82\xac"
                            "b",
                            "a\xe2\x82\xac"
                            "b"};
  for (size_t size = 0; size <= 6; ++size) EXPECT_EQ(Utf8Prefix(euro, size), expected[size]) << size;
  EXPECT_EQ(Utf8Prefix("\xf0\x9f\x93\xa7", 3), "");
  // What is no UTF-8 is cut near by.
  EXPECT_GE(Utf8Prefix(std::string(100, '\xbf'), 50).size(), 47u);
}

TEST(PrintableUtf8Test, IsOneLineThatDoesNothingToItsReader) {
  const auto shown = [](absl::string_view text) { return PrintableUtf8(text, 100); };
  EXPECT_EQ(shown("a ~\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb1"), "a ~\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb1");
  EXPECT_EQ(shown("a\tb"), "a b");
  EXPECT_EQ(shown(absl::string_view("\0\r\n\x1b\x7f", 5)), "?????");
  // C1, and the first that is none.
  EXPECT_EQ(shown("\xc2\x80\xc2\x9f\xc2\xa0"), "??\xc2\xa0");
  // Each byte that is no UTF-8.
  EXPECT_EQ(shown("\xff\xc3\xed\xa0\x80z"), "?????z");
  // U+200E, U+2028, U+202E, U+2066, U+2069 and their neighbours U+200D, U+2010, U+202F, U+2065, U+206A.
  EXPECT_EQ(shown("\xe2\x80\x8e\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9"), "?????");
  const absl::string_view neighbours = "\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa";
  EXPECT_EQ(shown(neighbours), neighbours);
}

TEST(PrintableUtf8Test, IsCutBetweenCharacters) {
  EXPECT_EQ(PrintableUtf8("abc", 3), "abc");
  EXPECT_EQ(PrintableUtf8("abc", 2), "ab");
  EXPECT_EQ(PrintableUtf8("a\xe2\x82\xac", 4), "a\xe2\x82\xac");
  EXPECT_EQ(PrintableUtf8("a\xe2\x82\xac", 3), "a");
  EXPECT_EQ(PrintableUtf8("a", 0), "");
}

}  // namespace
}  // namespace mailstead
