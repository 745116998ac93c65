#include "smtpd/inbound/pipeline/chunk_decoder.h"

#include <string>

#include "common/text/line_check.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

struct Decoded {
  std::string bytes;
  bool bare_line_end;
  bool nul;
  bool operator==(const Decoded&) const = default;
};

Decoded Decode(absl::string_view in, BareLineEnds rule, size_t step) {
  ChunkDecoder decoder(rule);
  Decoded result;
  for (size_t i = 0; i < in.size(); i += step) decoder.Decode(in.substr(i, step), result.bytes);
  decoder.Finish(result.bytes);
  LineCheck check;
  check.Feed(result.bytes);
  check.Finish();
  result.bare_line_end = check.saw_bare_line_end();
  result.nul = check.saw_nul();
  return result;
}

// Any split gives the same.
Decoded DecodeAllWays(absl::string_view in, BareLineEnds rule) {
  const Decoded whole = Decode(in, rule, in.size() + 1);
  for (size_t step = 1; step <= in.size(); ++step)
    EXPECT_EQ(Decode(in, rule, step), whole) << in << " by " << step;
  return whole;
}

TEST(ChunkDecoder, KeepsGoodBytes) {
  for (const char* text : {"", "a", "a\r\n", "\r\n\r\n", ".\r\n.\r\n", "no end"}) {
    const Decoded decoded = DecodeAllWays(text, BareLineEnds::kRefuse);
    EXPECT_EQ(decoded.bytes, text);
    EXPECT_FALSE(decoded.bare_line_end) << text;
    EXPECT_FALSE(decoded.nul);
    EXPECT_EQ(DecodeAllWays(text, BareLineEnds::kNormalize).bytes, text);
  }
}

TEST(ChunkDecoder, SeesBareLineEnds) {
  for (const char* text : {"\n", "a\nb", "\r", "a\rb", "\r\r\n", "a\r\n\n", "a\n\r", "x\r"}) {
    EXPECT_TRUE(DecodeAllWays(text, BareLineEnds::kRefuse).bare_line_end) << text;
    EXPECT_FALSE(DecodeAllWays(text, BareLineEnds::kNormalize).bare_line_end) << text;
  }
}

TEST(ChunkDecoder, NormalizesThem) {
  EXPECT_EQ(DecodeAllWays("a\nb\rc\r\nd\r", BareLineEnds::kNormalize).bytes, "a\r\nb\r\nc\r\nd\r\n");
  EXPECT_EQ(DecodeAllWays("\r\r\n\n", BareLineEnds::kNormalize).bytes, "\r\n\r\n") << "CR CR LF is one";
  EXPECT_EQ(DecodeAllWays("\r\r\r\n", BareLineEnds::kNormalize).bytes, "\r\n\r\n");
  EXPECT_EQ(DecodeAllWays("\r\rx\r\r", BareLineEnds::kNormalize).bytes, "\r\n\r\nx\r\n\r\n");
}

TEST(ChunkDecoder, SeesNul) {
  EXPECT_TRUE(DecodeAllWays(absl::string_view("a\0b", 3), BareLineEnds::kRefuse).nul);
}

}  // namespace
}  // namespace mailstead::smtp
