#include "pop3d/protocol/top_cutter.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

// The pieces of `message`, cut.
std::string Cut(const std::vector<absl::string_view>& pieces, uint64_t lines) {
  TopCutter cutter(lines);
  std::string out;
  for (const absl::string_view piece : pieces) {
    if (cutter.done()) break;
    const size_t taken = cutter.Take(piece);
    out.append(piece.data(), taken);
    if (taken < piece.size()) {
      EXPECT_TRUE(cutter.done());
    }
  }
  return out;
}

struct Case {
  const char* name;
  std::string message;
  uint64_t lines;
  std::string expected;
};

const std::vector<Case>& Cases() {
  static const std::string header = "Subject: a\r\nTo: b\r\n\r\n";
  static const std::vector<Case> cases = {
      {"header and blank line", header + "1\r\n2\r\n3\r\n", 0, header},
      {"one line", header + "1\r\n2\r\n3\r\n", 1, header + "1\r\n"},
      {"two lines", header + "1\r\n2\r\n3\r\n", 2, header + "1\r\n2\r\n"},
      {"as many as there are", header + "1\r\n2\r\n3\r\n", 3, header + "1\r\n2\r\n3\r\n"},
      {"more than there are", header + "1\r\n2\r\n3\r\n", 4, header + "1\r\n2\r\n3\r\n"},
      {"all of them", header + "1\r\n2\r\n", std::numeric_limits<uint64_t>::max(), header + "1\r\n2\r\n"},
      {"blank lines of the body count", header + "\r\n\r\n3\r\n", 2, header + "\r\n\r\n"},
      {"last line without an end", header + "1\r\n2", 2, header + "1\r\n2"},
      {"empty body", header, 5, header},
      {"header without a blank line", "Subject: a\r\n", 0, "Subject: a\r\n"},
      {"header without any line end", "Subject: a", 3, "Subject: a"},
      {"no header", "\r\n1\r\n2\r\n", 1, "\r\n1\r\n"},
      {"no header, no lines", "\r\n1\r\n2\r\n", 0, "\r\n"},
      {"empty message", "", 1, ""},
      {"only a blank line", "\r\n", 0, "\r\n"},
      {"a folded header line of white space is not blank", "A: b\r\n \r\n\r\nbody\r\n", 0,
       "A: b\r\n \r\n\r\n"},
      {"dots are lines like any other", header + ".\r\n..\r\n3\r\n", 2, header + ".\r\n..\r\n"},
      {"bare LF ends a line", "A: b\n\n1\n2\n", 1, "A: b\n\n1\n"},
  };
  return cases;
}

TEST(TopCutter, Whole) {
  for (const Case& c : Cases()) EXPECT_EQ(Cut({c.message}, c.lines), c.expected) << c.name;
}

TEST(TopCutter, EverySplitInTwoAndThree) {
  for (const Case& c : Cases()) {
    const absl::string_view message = c.message;
    for (size_t i = 0; i <= message.size(); ++i) {
      EXPECT_EQ(Cut({message.substr(0, i), message.substr(i)}, c.lines), c.expected) << c.name << " at " << i;
      for (size_t j = i; j <= message.size(); ++j) {
        EXPECT_EQ(Cut({message.substr(0, i), message.substr(i, j - i), message.substr(j)}, c.lines),
                  c.expected)
            << c.name << " at " << i << ", " << j;
      }
    }
  }
}

TEST(TopCutter, ByteByByte) {
  for (const Case& c : Cases()) {
    std::vector<absl::string_view> bytes;
    for (size_t i = 0; i < c.message.size(); ++i) bytes.push_back(absl::string_view(c.message).substr(i, 1));
    EXPECT_EQ(Cut(bytes, c.lines), c.expected) << c.name;
  }
}

TEST(TopCutter, IsDoneAsSoonAsNothingMoreIsWanted) {
  TopCutter cutter(1);
  EXPECT_EQ(cutter.Take("A: b\r\n\r\n1"), 9u);
  EXPECT_FALSE(cutter.done());
  EXPECT_EQ(cutter.Take("\r\n2"), 2u);
  EXPECT_TRUE(cutter.done());
  EXPECT_EQ(cutter.Take("more"), 0u);
}

}  // namespace
}  // namespace mailstead::pop3
