#include "smtpd/protocol/reply.h"

#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

std::string Format(int code, absl::string_view enhanced, absl::string_view text) {
  std::string out = "before ";
  AppendReply(code, enhanced, text, out);
  return out.substr(7);
}

TEST(AppendReply, WritesOneLine) {
  EXPECT_EQ(Format(250, "2.0.0", "OK"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(Format(354, "", "Go"), "354 Go\r\n");
  // RFC 4954: an empty challenge keeps its blank.
  EXPECT_EQ(Format(334, "", ""), "334 \r\n");
}

TEST(AppendReply, RepeatsTheCodeOnEachLine) {
  EXPECT_EQ(Format(250, "", "host\nSIZE 1\nDSN"), "250-host\r\n250-SIZE 1\r\n250 DSN\r\n");
  EXPECT_EQ(Format(214, "2.0.0", "a\nb"), "214-2.0.0 a\r\n214 2.0.0 b\r\n");
}

}  // namespace
}  // namespace mailstead::smtp
