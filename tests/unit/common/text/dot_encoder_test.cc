#include <string>
#include <vector>

#include "common/text/dot_codec.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

std::string EncodePieces(const std::vector<absl::string_view>& pieces) {
  DotEncoder encoder;
  std::string out;
  for (const absl::string_view piece : pieces) encoder.Encode(piece, out);
  encoder.Finish(out);
  return out;
}

// Encodes whole, byte by byte, and cut in three at every pair of places: all must agree.
std::string Encode(absl::string_view in) {
  const std::string whole = EncodePieces({in});
  std::vector<absl::string_view> bytes;
  for (size_t i = 0; i < in.size(); ++i) bytes.push_back(in.substr(i, 1));
  EXPECT_EQ(EncodePieces(bytes), whole);
  for (size_t i = 0; i <= in.size(); ++i) {
    for (size_t j = i; j <= in.size(); ++j) {
      EXPECT_EQ(EncodePieces({in.substr(0, i), in.substr(i, j - i), in.substr(j)}), whole);
    }
  }
  return whole;
}

TEST(DotEncoderTest, StuffsDotsAtTheStartOfLinesOnly) {
  EXPECT_EQ(Encode("a.b.\r\n"), "a.b.\r\n.\r\n");
  EXPECT_EQ(Encode(".\r\n"), "..\r\n.\r\n");
  EXPECT_EQ(Encode("..\r\n.x\r\ny\r\n"), "...\r\n..x\r\ny\r\n.\r\n");
  EXPECT_EQ(Encode("a\r\n.\r\n"), "a\r\n..\r\n.\r\n");
}

TEST(DotEncoderTest, EndsALineThatHasNoEnd) {
  EXPECT_EQ(Encode("a"), "a\r\n.\r\n");
  EXPECT_EQ(Encode("a\r\nb"), "a\r\nb\r\n.\r\n");
  EXPECT_EQ(Encode("a\r\n."), "a\r\n..\r\n.\r\n");
  EXPECT_EQ(Encode("a\r"), "a\r\r\n.\r\n");
  EXPECT_EQ(Encode("a\n"), "a\n\r\n.\r\n");
  EXPECT_EQ(Encode("\n"), "\n\r\n.\r\n");
}

TEST(DotEncoderTest, AddsNoLineToWholeMessages) {
  EXPECT_EQ(Encode(""), ".\r\n");
  EXPECT_EQ(Encode("\r\n"), "\r\n.\r\n");
  EXPECT_EQ(Encode("a\r\n\r\n"), "a\r\n\r\n.\r\n");
}

// A client that takes LF for a line end must not see the end of the reply inside a message.
TEST(DotEncoderTest, StuffsAfterABareLf) {
  EXPECT_EQ(Encode("a\n.\r\n+OK\r\n"), "a\n..\r\n+OK\r\n.\r\n");
  EXPECT_EQ(Encode("a\n.\n"), "a\n..\n\r\n.\r\n");
}

TEST(DotEncoderTest, DecodingGivesTheMessageBack) {
  for (const absl::string_view message :
       {"", "\r\n", ".\r\n", "..\r\n", "a\r\n.\r\n..\r\n.b\r\n\r\n.\r\n", "x.\r\n.y.\r\n"}) {
    const std::string encoded = Encode(message);
    DotDecoder decoder(BareLineEnds::kRefuse);
    std::string decoded;
    const DotDecoder::Result result = decoder.Decode(encoded, decoded);
    EXPECT_TRUE(result.done);
    EXPECT_EQ(result.consumed, encoded.size());
    EXPECT_EQ(decoded, message);
  }
}

}  // namespace
}  // namespace mailstead
