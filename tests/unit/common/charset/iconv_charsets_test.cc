#include "common/charset/iconv_charsets.h"

#include <string>

#include "common/mail/mime/words.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(IconvCharsets, DecodesInAnyPieces) {
  struct {
    const char* name;
    const char* bytes;
    const char* text;
  } cases[] = {
      {"ISO-2022-JP", "\x1b$B$3$s$K$A$O\x1b(B!", "こんにちは!"},
      {"Shift_JIS", "\x82\xb1\x82\xf1", "こん"},
      {"windows-31j", "\x87\x40", "①"},
      {"EUC-JP", "\xa4\xb3\xa4\xf3", "こん"},
      {"GB2312", "\xc4\xe3\xba\xc3", "你好"},
      {"gbk", "\x81\x40", "丂"},
      {"gb18030", "\x81\x30\x84\x36", "¥"},
      {"Big5", "\xa7\x41\xa6\x6e", "你好"},
      {"EUC-KR", "\xbe\xc8\xb3\xe7", "안녕"},
      {"ks_c_5601-1987", "\xbe\xc8", "안"},
      {"utf-7", "a+AOQ-b", "aäb"},
      // Broken ones.
      {"EUC-JP", "\xa4\xb3\xa4", "こ\xef\xbf\xbd"},
      {"EUC-JP", "\xff\xa4\xb3", "\xef\xbf\xbdこ"},
      {"Shift_JIS", "\x82", "\xef\xbf\xbd"},
  };
  const IconvCharsets foreign;
  const mime::Charsets charsets(&foreign);
  for (const auto& c : cases) {
    ASSERT_TRUE(charsets.Knows(c.name)) << c.name;
    EXPECT_EQ(charsets.Decode(c.name, c.bytes), c.text) << c.name;
    std::string by_byte;
    const auto decoder = charsets.Open(c.name);
    for (const char byte : std::string(c.bytes)) decoder->Feed(absl::string_view(&byte, 1), by_byte);
    decoder->Finish(by_byte);
    EXPECT_EQ(by_byte, c.text) << c.name;
  }
}

TEST(IconvCharsets, ConvertsMoreThanItsBuffer) {
  const IconvCharsets foreign;
  std::string bytes, text;
  for (int i = 0; i < 10'000; ++i) bytes += "\xa4\xb3", text += "こ";
  EXPECT_EQ(mime::Charsets(&foreign).Decode("euc-jp", bytes), text);
}

TEST(IconvCharsets, KnowsAllOfItsList) {
  const IconvCharsets foreign;
  const mime::Charsets charsets(&foreign);
  for (const char* name : {"big5", "big5-hkscs", "gb2312", "gbk", "gb18030", "iso-2022-jp", "iso-2022-jp-2",
                           "shift_jis", "shift-jis", "windows-31j", "cp932", "euc-jp", "euc-kr",
                           "ks_c_5601-1987", "cp949", "iso-2022-kr", "utf-7"}) {
    EXPECT_TRUE(charsets.Knows(name)) << name;
  }
}

TEST(IconvCharsets, OpensNothingThatIsNotOnItsList) {
  const IconvCharsets foreign;
  for (const char* name :
       {"iso-2022-cn-ext", "hz-gb-2312", "utf-8//ignore", "char", "wchar_t", "utf-8", "ebcdic-us", ""}) {
    EXPECT_EQ(foreign.Open(name), nullptr) << name;
  }
}

TEST(IconvCharsets, WordsMaySplitCharacters) {
  const IconvCharsets foreign;
  const mime::Charsets charsets(&foreign);
  EXPECT_EQ(mime::DecodeText("=?gb2312?b?xOM=?= =?GB2312?b?ug==?= =?gb2312?b?ww==?= x", charsets), "你好 x");
  EXPECT_EQ(mime::DecodeText("=?iso-2022-jp?b?GyRCJDMbKEI=?=", charsets), "こ");
}

}  // namespace
}  // namespace mailstead
