#include "common/text/line_check.h"

#include <string>

#include "gtest/gtest.h"

namespace mailstead {
namespace {

struct Seen {
  bool bare_line_end = false;
  bool nul = false;
  bool at_line_start = true;
  bool operator==(const Seen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << "bare=" << seen.bare_line_end << " nul=" << seen.nul << " at_line_start=" << seen.at_line_start;
}

Seen Check(absl::string_view bytes, size_t step) {
  LineCheck check;
  for (size_t i = 0; i < bytes.size(); i += step) check.Feed(bytes.substr(i, step));
  check.Finish();
  return {check.saw_bare_line_end(), check.saw_nul(), check.at_line_start()};
}

// Any split gives the same.
Seen CheckAllWays(absl::string_view bytes) {
  const Seen whole = Check(bytes, bytes.size() + 1);
  for (const size_t step : {1, 2, 3, 7, 63, 64, 65, 66}) EXPECT_EQ(Check(bytes, step), whole) << "by " << step;
  return whole;
}

TEST(LineCheck, TakesWholeLinesAndOneWithoutEnd) {
  for (const char* text : {"", "\r\n", "a\r\n", "\r\n\r\n", "a\r\n\r\nb\r\n", ".\r\n.\r\n", "\xff\x01\x7f\r\n"}) {
    EXPECT_EQ(CheckAllWays(text), (Seen{})) << text;
  }
  EXPECT_EQ(CheckAllWays("no end"), (Seen{.at_line_start = false}));
  EXPECT_EQ(CheckAllWays("a\r\nno end"), (Seen{.at_line_start = false}));
}

TEST(LineCheck, SeesBareLineEnds) {
  for (const char* text : {"\n", "\r", "a\nb\r\n", "a\rb\r\n", "\r\r\n", "a\r\n\n", "a\n\r\n", "a\r\n\r", "\n.\r\n", "\n.\n"}) {
    EXPECT_TRUE(CheckAllWays(text).bare_line_end) << text;
    EXPECT_FALSE(CheckAllWays(text).nul);
  }
}

TEST(LineCheck, ACrWaitsForTheNextByte) {
  LineCheck check;
  check.Feed("a\r");
  EXPECT_FALSE(check.saw_bare_line_end());
  check.Feed("");
  EXPECT_FALSE(check.saw_bare_line_end());
  check.Feed("\n");
  EXPECT_FALSE(check.saw_bare_line_end());
}

// Bytes are looked at in blocks: wherever the bad one stands, it is seen, and no good one is.
TEST(LineCheck, SeesOneBadByteAtEveryPlace) {
  std::string good;
  for (int i = 0; i < 40; ++i) good += std::string(static_cast<size_t>(i % 9), 'x') + "\r\n";
  EXPECT_EQ(CheckAllWays(good), (Seen{}));
  for (size_t at = 0; at < good.size(); ++at) {
    std::string with_nul = good;
    with_nul.insert(at, 1, '\0');
    EXPECT_TRUE(Check(with_nul, with_nul.size()).nul) << at;
    if (at > 0 && good[at - 1] == '\r') continue;  // a CR or LF there makes "\r\r\n" or "\r\n\n", seen below
    for (const char bad : {'\r', '\n'}) {
      std::string with_bare = good;
      with_bare.insert(at, 1, bad);
      EXPECT_TRUE(Check(with_bare, with_bare.size()).bare_line_end) << at;
    }
  }
}

}  // namespace
}  // namespace mailstead
