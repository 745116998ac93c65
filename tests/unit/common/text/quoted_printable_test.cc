#include "common/text/quoted_printable.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

// RFC 2045 section 6.7, by its rules.
TEST(QuotedPrintable, WritesByTheRules) {
  struct {
    absl::string_view text;
    absl::string_view encoded;
  } cases[] = {
      {"", ""},
      {"plain text: .,;!~", "plain text: .,;!~"},
      {"a=b", "a=3Db"},
      {"Gr\xc3\xbc\xc3\x9f"
       "e",
       "Gr=C3=BC=C3=9Fe"},
      {"blank \r\ntab\t\r\nend ", "blank=20\r\ntab=09\r\nend=20"},
      {"in side\tof", "in side\tof"},
      {"\r\n\r\n", "\r\n\r\n"},
      {"a\rb\nc\r", "a=0Db=0Ac=0D"},
      {absl::string_view("\0\x7f", 2), "=00=7F"},
  };
  for (const auto& c : cases) EXPECT_EQ(EncodeQuotedPrintable(c.text), c.encoded) << c.text;
}

TEST(QuotedPrintable, BreaksLinesAt76) {
  EXPECT_EQ(EncodeQuotedPrintable(std::string(76, 'x')), std::string(76, 'x'));
  EXPECT_EQ(EncodeQuotedPrintable(std::string(77, 'x')), absl::StrCat(std::string(75, 'x'), "=\r\nxx"));
  EXPECT_EQ(EncodeQuotedPrintable(absl::StrCat(std::string(76, 'x'), "\r\ny")),
            absl::StrCat(std::string(76, 'x'), "\r\ny"));
  for (size_t lead = 0; lead < 80; ++lead) {
    const std::string encoded =
        EncodeQuotedPrintable(absl::StrCat(std::string(lead, 'x'), std::string(60, '\xe4')));
    for (const absl::string_view line : absl::StrSplit(encoded, "\r\n")) EXPECT_LE(line.size(), 76u) << lead;
  }
}

}  // namespace
}  // namespace mailstead
