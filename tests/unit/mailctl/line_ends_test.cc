#include "mailctl/line_ends.h"

#include <gtest/gtest.h>

namespace mailstead::ctl {
namespace {

// Fed in pieces of `size`; the error, or the bytes that came out.
std::string Converted(const std::string& in, size_t size) {
  LineEnds line_ends;
  std::string out;
  for (size_t at = 0; at < in.size(); at += size) {
    const absl::Status status = line_ends.Convert(absl::string_view(in).substr(at, size), &out);
    if (!status.ok()) return std::string(status.message());
  }
  const absl::Status status = line_ends.Finish();
  return status.ok() ? out : std::string(status.message());
}

TEST(LineEndsTest, Converts) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"a", "a"},
      {"a\n", "a\r\n"},
      {"a\r\n", "a\r\n"},
      {"a\nb\r\nc", "a\r\nb\r\nc"},
      {"\n\n\r\n\n", "\r\n\r\n\r\n\r\n"},
      {"8-bit \xc3\xa4 \xff\n", "8-bit \xc3\xa4 \xff\r\n"},
  };
  for (const auto& [in, out] : cases) {
    for (const size_t size : {1, 2, 3, 1000}) EXPECT_EQ(Converted(in, size), out) << size;
  }
}

TEST(LineEndsTest, RefusesWhatMailCannotCarry) {
  for (const size_t size : {1, 2, 1000}) {
    EXPECT_EQ(Converted("a\nb\rc\n", size), "line 2 of the message has a CR without LF");
    EXPECT_EQ(Converted("a\r\r\n", size), "line 1 of the message has a CR without LF");
    EXPECT_EQ(Converted("a\r", size), "line 1 of the message has a CR without LF");
    EXPECT_EQ(Converted(std::string("a\n\n\0", 4), size), "line 3 of the message has a NUL");
  }
}

}  // namespace
}  // namespace mailstead::ctl
