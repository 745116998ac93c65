#include "smtpd/outbound/content.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::smtp::outbound {
namespace {

TEST(ContentTest, IsFoundWhateverThePieces) {
  const struct {
    absl::string_view name;
    std::string message;
    bool eight_bit;
    bool utf8_header;
    bool bad_octets;
  } rows[] = {
      {"empty", "", false, false, false},
      {"plain", "Subject: a\r\n\r\nb\r\n", false, false, false},
      {"no end of line", "Subject: a\r\n\r\nb", false, false, false},
      {"UTF-8 in the text", "Subject: a\r\n\r\n\xc3\xa4\r\n", true, false, false},
      {"UTF-8 in a field", "Subject: \xc3\xa4\r\n\r\nb\r\n", true, true, false},
      {"UTF-8 in the last field, and no text", "From: a\r\nSubject: \xc3\xa4", true, true, false},
      {"UTF-8 in a continued line", "Subject: a\r\n \xc3\xa4\r\n\r\nb\r\n", true, true, false},
      {"ISO 8859-1 in a field", "Subject: \xe4\r\n\r\nb\r\n", true, false, false},
      {"UTF-8 in the middle of a long field",
       absl::StrCat("X: ", std::string(40'000, 'x'), "\xc3\xa4", "\r\n\r\n"), true, false, false},
      {"CR", "Subject: a\r\n\r\na\rb\r\n", false, false, true},
      {"LF", "Subject: a\r\n\r\na\nb\r\n", false, false, true},
      {"CR at the end", "Subject: a\r\n\r\nb\r", false, false, true},
      {"LF in the header", "Subject: a\n\r\nb\r\n", false, false, true},
      {"NUL", std::string("Subject: a\r\n\r\n\0\r\n", 17), false, false, true},
  };
  for (const auto& row : rows) {
    for (const size_t piece_bytes : {size_t{1}, size_t{3}, row.message.size() + 1}) {
      ContentCheck check;
      for (size_t at = 0; at < row.message.size(); at += piece_bytes) {
        check.Feed(absl::string_view(row.message).substr(at, piece_bytes));
      }
      const Content content = check.Finish();
      EXPECT_EQ(content.size_bytes, row.message.size()) << row.name;
      EXPECT_EQ(content.eight_bit, row.eight_bit) << row.name;
      EXPECT_EQ(content.bad_octets, row.bad_octets) << row.name;
      // A field beyond what is kept of one that comes in pieces is not looked at to its end.
      if (row.message.size() < kMaxHeaderFieldBytes) {
        EXPECT_EQ(content.utf8_header, row.utf8_header) << row.name;
      }
    }
  }
}

}  // namespace
}  // namespace mailstead::smtp::outbound
