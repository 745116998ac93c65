#include "common/mailauth/canonical.h"

#include <gtest/gtest.h>

#include <string>

namespace mailstead::mailauth {
namespace {

std::string Body(absl::string_view body, Canonicalization form, size_t piece_bytes = 0) {
  std::string out;
  const auto sink = [&out](absl::string_view piece) { out.append(piece.data(), piece.size()); };
  BodyCanonicalizer canonicalizer(form);
  if (piece_bytes == 0) piece_bytes = std::max<size_t>(body.size(), 1);
  for (; !body.empty(); body.remove_prefix(std::min(body.size(), piece_bytes))) {
    canonicalizer.Feed(body.substr(0, piece_bytes), sink);
  }
  canonicalizer.Finish(sink);
  return out;
}

TEST(Canonical, Bodies) {
  const struct {
    std::string body;
    std::string simple;
    std::string relaxed;
  } kTable[] = {
      // RFC 6376 sections 3.4.3 and 3.4.4: an empty body, and one of empty lines.
      {"", "\r\n", ""},
      {"\r\n", "\r\n", ""},
      {"\r\n\r\n\r\n", "\r\n", ""},
      // Section 3.4.5.
      {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
      // Empty lines between.
      {"a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
      {"\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
      // No line end at the end.
      {"a", "a\r\n", "a\r\n"},
      {"a\r\nb", "a\r\nb\r\n", "a\r\nb\r\n"},
      {"a \t", "a \t\r\n", "a\r\n"},
      // Lines of blanks are empty in the relaxed form only.
      {"a\r\n \t\r\n\r\n", "a\r\n \t\r\n", "a\r\n"},
      {" \t\r\n", " \t\r\n", ""},
      {"  ", "  \r\n", ""},
      {"a\r\n \r\nb\r\n", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"},
      {"\t a  b\t\r\n", "\t a  b\t\r\n", " a b\r\n"},
      // Octets over 127, and other white space than SP and HTAB, are characters.
      {"\xe4 \xc2\xa0  \xff\v\f\r\n", "\xe4 \xc2\xa0  \xff\v\f\r\n", "\xe4 \xc2\xa0 \xff\v\f\r\n"},
      // A CR or LF by itself is one, too.
      {"a\rb\nc\r\r\n", "a\rb\nc\r\r\n", "a\rb\nc\r\r\n"},
      {"a \r", "a \r\r\n", "a \r\r\n"},
      {"a \n\r\n", "a \n\r\n", "a \n\r\n"},
  };
  for (const auto& row : kTable) {
    for (size_t piece_bytes = 0; piece_bytes < 5; ++piece_bytes) {
      EXPECT_EQ(Body(row.body, Canonicalization::kSimple, piece_bytes), row.simple) << row.body;
      EXPECT_EQ(Body(row.body, Canonicalization::kRelaxed, piece_bytes), row.relaxed) << row.body;
    }
  }
}

TEST(Canonical, ALongLineStaysALine) {
  const std::string line(100'000, 'x');
  EXPECT_EQ(Body(line + "\r\n", Canonicalization::kRelaxed, 997), line + "\r\n");
}

// What is held back is a number, not bytes; it comes in pieces of a bounded size.
TEST(Canonical, AMillionEmptyLinesTakeNoMemory) {
  std::string lines;
  for (int i = 0; i < 1'000'000; ++i) lines += "\r\n";
  size_t bytes = 0;
  size_t longest = 0;
  const auto sink = [&](absl::string_view piece) {
    bytes += piece.size();
    longest = std::max(longest, piece.size());
  };
  BodyCanonicalizer canonicalizer(Canonicalization::kRelaxed);
  canonicalizer.Feed(lines, sink);
  EXPECT_EQ(bytes, 0u);
  canonicalizer.Feed("x", sink);
  EXPECT_EQ(bytes, lines.size() + 1);
  EXPECT_LE(longest, 64u);
  canonicalizer.Feed(lines, sink);
  canonicalizer.Finish(sink);
  EXPECT_EQ(bytes, lines.size() + 3);
}

TEST(Canonical, Fields) {
  const struct {
    std::string field;
    std::string simple;
    std::string relaxed;
  } kTable[] = {
      // Section 3.4.5.
      {"A: X\r\n", "A: X\r\n", "a:X\r\n"},
      {"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
      // Without its line end.
      {"A: X", "A: X\r\n", "a:X\r\n"},
      {"Subject:\r\n", "Subject:\r\n", "subject:\r\n"},
      {"Subject: \t \r\n", "Subject: \t \r\n", "subject:\r\n"},
      {"Subject:\r\n \r\n\t\r\n", "Subject:\r\n \r\n\t\r\n", "subject:\r\n"},
      {"Subject:\r\n  a\r\n", "Subject:\r\n  a\r\n", "subject:a\r\n"},
      {"SUBJECT: a : b:\r\n", "SUBJECT: a : b:\r\n", "subject:a : b:\r\n"},
      {"X\t : \xc3\xa4  \xe4\r\n", "X\t : \xc3\xa4  \xe4\r\n", "x:\xc3\xa4 \xe4\r\n"},
      // A CR or LF by itself is a character.
      {"A: a\rb\nc\r\n", "A: a\rb\nc\r\n", "a:a\rb\nc\r\n"},
      {"A: a\r\r\n", "A: a\r\r\n", "a:a\r\r\n"},
      {"no colon", "no colon\r\n", "no colon:\r\n"},
      {":", ":\r\n", ":\r\n"},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(CanonicalField(row.field, Canonicalization::kSimple), row.simple) << row.field;
    EXPECT_EQ(CanonicalField(row.field, Canonicalization::kRelaxed), row.relaxed) << row.field;
  }
}

}  // namespace
}  // namespace mailstead::mailauth
