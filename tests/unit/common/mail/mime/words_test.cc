#include "common/mail/mime/words.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

TEST(DecodeText, Reads) {
  struct {
    const char* value;
    const char* text;
  } cases[] = {
      {"", ""},
      {" plain text ", "plain text"},
      {" folded\r\n text\n\tmore", "folded text\tmore"},
      {"=?utf-8?q?=C3=A4?=", "ä"},
      {"=?UTF-8?B?w6Q=?=", "ä"},
      {"=?iso-8859-1?Q?a_b=E4_?= c", "a bä  c"},
      {"=?utf-8*en?q?a?=", "a"},
      // RFC 2047 section 8.
      {"(=?us-ascii?Q?a?=)", "(a)"},
      {"(=?us-ascii?Q?a?= b)", "(a b)"},
      {"(=?us-ascii?Q?a?= =?us-ascii?Q?b?=)", "(ab)"},
      {"(=?us-ascii?Q?a?=\r\n   =?us-ascii?Q?b?=)", "(ab)"},
      {"(=?us-ascii?Q?a_b?=)", "(a b)"},
      {"(=?us-ascii?Q?a?= =?iso-8859-1?Q?_b?=)", "(a b)"},
      // What writers do.
      {"a=?utf-8?q?b?=c", "abc"},
      {"=?utf-8?q?a?==?utf-8?q?b?=", "ab"},
      {"=?utf-8?q?a b?=", "a b"},
      {"=?utf-8?b?w?= =?utf-8?b?6Q=?=", "\xef\xbf\xbd"},
      {"=?utf-8?q?=C3?= =?utf-8?b?pA==?=", "ä"},
      {"=?utf-8?q?=C3?= =?iso-8859-1?q?=A4?=", "\xef\xbf\xbd¤"},
      {"=?utf-8?q?=C3?= x", "\xef\xbf\xbd x"},
      {"\xe4 and \xc3\xa4", "ä and ä"},
      {"\xe4 =?utf-8?q?=C3=A4?=", "ä ä"},
      {"=?x-none?q?=E4?= =?x-none?q?=E4?=", "=?x-none?q?=E4?= =?x-none?q?=E4?="},
      // What is no word.
      {"=?", "=?"},
      {"=?utf-8?q?a", "=?utf-8?q?a"},
      {"=?utf-8?q?a?", "=?utf-8?q?a?"},
      {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
      {"=?utf 8?q?a?=", "=?utf 8?q?a?="},
      {"=??q?a?=", "=??q?a?="},
      {"=?=?utf-8?q?a?=", "=?a"},
      // What must not become more than a line.
      {"=?utf-8?q?a=0D=0Ab=00?=",
       "a\xef\xbf\xbd\xef\xbf\xbd"
       "b\xef\xbf\xbd"},
      {"a\rb",
       "a\xef\xbf\xbd"
       "b"},
  };
  const Charsets charsets;
  for (const auto& c : cases) EXPECT_EQ(DecodeText(c.value, charsets), c.text) << c.value;
}

TEST(DecodeText, TakesAsLongAsItsText) {
  const Charsets charsets;
  std::string begun, words;
  while (begun.size() < 32'768) begun += "=?u?q?x ";
  while (words.size() < 32'768) words += "=?utf-8?q?x?= ";
  EXPECT_EQ(DecodeText(begun, charsets) + " ", begun);
  EXPECT_EQ(DecodeText(words, charsets).size(), (words.size() + 13) / 14);
}

TEST(EncodedWordBytes, FindsTheEnd) {
  EXPECT_EQ(EncodedWordBytes("=?utf-8?q?a?= b"), 13u);
  EXPECT_EQ(EncodedWordBytes(" =?utf-8?q?a?="), 0u);
  EXPECT_EQ(EncodedWordBytes("=?utf-8?q?a?"), 0u);
}

}  // namespace
}  // namespace mailstead::mime
