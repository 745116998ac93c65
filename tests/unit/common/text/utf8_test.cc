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

}  // namespace
}  // namespace mailstead
