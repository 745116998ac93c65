#include "common/text/line_length.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

uint64_t LongLine(absl::string_view bytes, size_t step) {
  LineLengthCheck check;
  for (size_t i = 0; i < bytes.size(); i += step) check.Feed(bytes.substr(i, step));
  return check.long_line();
}

// Any split gives the same.
uint64_t LongLineAllWays(absl::string_view bytes) {
  const uint64_t whole = LongLine(bytes, bytes.size() + 1);
  for (const size_t step : {1, 2, 7, 997, 998, 999, 1000, 1001}) EXPECT_EQ(LongLine(bytes, step), whole) << "by " << step;
  return whole;
}

std::string Line(size_t size) { return std::string(size, 'x'); }

TEST(LineLengthCheck, NamesTheFirstLongLine) {
  const struct {
    std::string bytes;
    uint64_t line;
  } kTable[] = {
      {"", 0},
      {"\r\n\r\n", 0},
      {Line(997), 0},
      {Line(998), 0},
      {Line(999), 1},
      {absl::StrCat(Line(997), "\r\n"), 0},
      {absl::StrCat(Line(998), "\r\n"), 0},
      {absl::StrCat(Line(999), "\r\n"), 1},
      // The CR may be that of a CRLF.
      {absl::StrCat(Line(998), "\r"), 0},
      {absl::StrCat(Line(998), "\rx"), 1},
      {absl::StrCat("a\r\n\r\n", Line(998), "\r\n", Line(999), "\r\n", Line(5000), "\r\nb\r\n"), 4},
      {absl::StrCat(Line(998), "\r\n", Line(998), "\r\n", Line(998), "\r\n"), 0},
      {absl::StrCat(Line(998), "\r\n", Line(999)), 2},
      {Line(100'000), 1},
      // Octets count, not characters.
      {absl::StrCat("\xc3\xbc", Line(997), "\r\n"), 1},
      // A dot in front is one of the line.
      {absl::StrCat(".", Line(997), "\r\n"), 0},
      {absl::StrCat(".", Line(998), "\r\n"), 1},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(LongLineAllWays(row.bytes), row.line) << row.bytes.size() << " bytes: " << row.bytes.substr(0, 20);
  }
}

}  // namespace
}  // namespace mailstead
