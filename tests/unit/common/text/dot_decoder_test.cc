#include <string>
#include <vector>

#include "common/text/dot_codec.h"
#include "common/text/line_check.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

struct Decoded {
  std::string text;
  std::string rest;  // the bytes after the end
  bool done = false;
  bool bare = false;
  bool nul = false;

  bool operator==(const Decoded&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Decoded& decoded) {
  return out << testing::PrintToString(decoded.text) << " rest " << testing::PrintToString(decoded.rest)
             << " done=" << decoded.done << " bare=" << decoded.bare << " nul=" << decoded.nul;
}

Decoded DecodePieces(BareLineEnds bare_line_ends, const std::vector<absl::string_view>& pieces) {
  DotDecoder decoder(bare_line_ends);
  Decoded decoded;
  for (const absl::string_view piece : pieces) {
    if (decoded.done) {
      decoded.rest += std::string(piece);
      continue;
    }
    const DotDecoder::Result result = decoder.Decode(piece, decoded.text);
    decoded.done = result.done;
    EXPECT_TRUE(result.done || result.consumed == piece.size());
    decoded.rest += std::string(piece.substr(result.consumed));
  }
  LineCheck check;
  check.Feed(decoded.text);
  decoded.bare = check.saw_bare_line_end();
  decoded.nul = check.saw_nul();
  return decoded;
}

// Decodes whole, byte by byte, and cut in three at every pair of places: all must agree.
Decoded DecodeEveryWay(BareLineEnds bare_line_ends, absl::string_view in) {
  const Decoded whole = DecodePieces(bare_line_ends, {in});
  std::vector<absl::string_view> bytes;
  for (size_t i = 0; i < in.size(); ++i) bytes.push_back(in.substr(i, 1));
  EXPECT_EQ(DecodePieces(bare_line_ends, bytes), whole);
  for (size_t i = 0; i <= in.size(); ++i) {
    for (size_t j = i; j <= in.size(); ++j) {
      EXPECT_EQ(DecodePieces(bare_line_ends, {in.substr(0, i), in.substr(i, j - i), in.substr(j)}), whole)
          << "cut at " << i << " and " << j;
    }
  }
  return whole;
}

Decoded Strict(absl::string_view in) { return DecodeEveryWay(BareLineEnds::kRefuse, in); }
Decoded Normalize(absl::string_view in) { return DecodeEveryWay(BareLineEnds::kNormalize, in); }

void ExpectBoth(absl::string_view in, const Decoded& expected) {
  EXPECT_EQ(Strict(in), expected) << testing::PrintToString(std::string(in));
  EXPECT_EQ(Normalize(in), expected) << testing::PrintToString(std::string(in));
}

TEST(DotDecoderTest, EndsAtTheDotAlone) {
  ExpectBoth(".\r\n", {.text = "", .done = true});
  ExpectBoth("Hello\r\n.\r\n", {.text = "Hello\r\n", .done = true});
  ExpectBoth("\r\n.\r\n", {.text = "\r\n", .done = true});
  ExpectBoth("a\r\n\r\nb\r\n.\r\n", {.text = "a\r\n\r\nb\r\n", .done = true});
}

TEST(DotDecoderTest, LeavesTheNextCommandAlone) {
  ExpectBoth("Hi\r\n.\r\nQUIT\r\n", {.text = "Hi\r\n", .rest = "QUIT\r\n", .done = true});
  ExpectBoth(".\r\n.\r\n", {.text = "", .rest = ".\r\n", .done = true});
}

TEST(DotDecoderTest, TakesStuffingOff) {
  ExpectBoth("..\r\n.\r\n", {.text = ".\r\n", .done = true});
  ExpectBoth("...\r\n.\r\n", {.text = "..\r\n", .done = true});
  ExpectBoth(".x\r\n.\r\n", {.text = "x\r\n", .done = true});
  ExpectBoth("a.\r\n..b.\r\n. c\r\n.\r\n", {.text = "a.\r\n.b.\r\n c\r\n", .done = true});
}

TEST(DotDecoderTest, IsNotDoneBeforeTheEnd) {
  ExpectBoth("", {});
  ExpectBoth("text", {.text = "text"});
  ExpectBoth("text\r\n", {.text = "text\r\n"});
  ExpectBoth("text\r\n.", {.text = "text\r\n"});
  ExpectBoth("text\r\n.\r", {.text = "text\r\n"});
}

TEST(DotDecoderTest, SeesNul) {
  ExpectBoth(absl::string_view("a\0b\r\n.\r\n", 8),
             {.text = std::string("a\0b\r\n", 5), .done = true, .nul = true});
  ExpectBoth(absl::string_view(".\0\r\n.\r\n", 7),
             {.text = std::string("\0\r\n", 3), .done = true, .nul = true});
  // After the end it is not the message's.
  ExpectBoth(absl::string_view(".\r\n\0", 4), {.text = "", .rest = std::string(1, '\0'), .done = true});
}

TEST(DotDecoderTest, KeepsEveryOtherByte) {
  std::string all;
  for (int c = 1; c < 256; ++c) {
    if (c != '\r' && c != '\n') all.push_back(static_cast<char>(c));
  }
  for (const BareLineEnds mode : {BareLineEnds::kRefuse, BareLineEnds::kNormalize}) {
    EXPECT_EQ(DecodePieces(mode, {all, "\r\n.\r\n"}), (Decoded{.text = all + "\r\n", .done = true}));
  }
}

// What smuggling attacks send in place of <CRLF>.<CRLF>: none may end the message.
TEST(DotDecoderTest, OnlyCrlfDotCrlfEndsTheMessage) {
  for (const absl::string_view fake_end :
       {"\n.\r\n", "\r\n.\n", "\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n", "\r\n.\r\r\n",
        "\r\n..\r\n", "\r\n.\r.\r\n", "\n\n.\r\n", "\r\n.\n.\r\n", "\r\n\r.\r\n"}) {
    const std::string in = "a" + std::string(fake_end) + "MAIL FROM:<b@c>\r\n";
    EXPECT_FALSE(Strict(in).done) << testing::PrintToString(std::string(fake_end));
    EXPECT_FALSE(Normalize(in).done) << testing::PrintToString(std::string(fake_end));
    const bool is_stuffing = fake_end == "\r\n..\r\n";
    EXPECT_EQ(Strict(in).bare, !is_stuffing) << testing::PrintToString(std::string(fake_end));
    EXPECT_FALSE(Normalize(in).bare);
  }
}

TEST(DotDecoderTest, TheTrueEndStillEndsAMessageThatWillBeRefused) {
  for (const absl::string_view fake_end :
       {"\n.\r\n", "\r\n.\n", "\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r\r\n"}) {
    const Decoded decoded = Strict("a" + std::string(fake_end) + "b\r\n.\r\nQUIT\r\n");
    EXPECT_TRUE(decoded.done && decoded.bare) << testing::PrintToString(std::string(fake_end));
    EXPECT_EQ(decoded.rest, "QUIT\r\n");
  }
}

TEST(DotDecoderTest, AnEndRightAfterABareCrIsAnEnd) {
  // The CR in front is bare; the CRLF after it is whole.
  EXPECT_EQ(Strict("a\r\r\n.\r\n"), (Decoded{.text = "a\r\r\n", .done = true, .bare = true}));
  EXPECT_EQ(Normalize("a\r\r\n.\r\n"), (Decoded{.text = "a\r\n", .done = true}));
}

TEST(DotDecoderTest, NormalizingMakesOneLineEndOfCrCrLf) {
  EXPECT_EQ(Normalize("a\r\r\nb\r\r\n\r\r\nc\r\n.\r\n"),
            (Decoded{.text = "a\r\nb\r\n\r\nc\r\n", .done = true}));
  // Of three CRs the first is one for itself; without an LF each is.
  EXPECT_EQ(Normalize("a\r\r\r\nb\r\n.\r\n"), (Decoded{.text = "a\r\n\r\nb\r\n", .done = true}));
  EXPECT_EQ(Normalize("a\r\rb\r\n.\r\n"), (Decoded{.text = "a\r\n\r\nb\r\n", .done = true}));
  EXPECT_EQ(Normalize("a\r\r\rb\r\n.\r\n"), (Decoded{.text = "a\r\n\r\n\r\nb\r\n", .done = true}));
  // A dot on its line before it is content.
  EXPECT_EQ(Normalize("a\r\n.\r\r\nb\r\n.\r\n"), (Decoded{.text = "a\r\n.\r\nb\r\n", .done = true}));
  EXPECT_EQ(Normalize("a\r\r.\r\nb\r\n.\r\n"), (Decoded{.text = "a\r\n\r\n.\r\nb\r\n", .done = true}));
}

TEST(DotDecoderTest, NormalizesBareLineEnds) {
  EXPECT_EQ(Normalize("a\nb\rc\r\n.\r\n"), (Decoded{.text = "a\r\nb\r\nc\r\n", .done = true}));
  EXPECT_EQ(Normalize("\n\n\r\n.\r\n"), (Decoded{.text = "\r\n\r\n\r\n", .done = true}));
  EXPECT_EQ(Normalize("\n\r.\r\n"), (Decoded{.text = "\r\n\r\n.\r\n"}));
}

TEST(DotDecoderTest, NormalizingTakesStuffingOffAfterABareLineEnd) {
  EXPECT_EQ(Normalize("a\n..b\n.c\r\n.\r\n"), (Decoded{.text = "a\r\n.b\r\nc\r\n", .done = true}));
}

TEST(DotDecoderTest, NormalizingKeepsADotThatIsAloneButNotTheEnd) {
  EXPECT_EQ(Normalize("a\n.\r\nb\r\n.\r\n"), (Decoded{.text = "a\r\n.\r\nb\r\n", .done = true}));
  EXPECT_EQ(Normalize("a\r\n.\nb\r\n.\r\n"), (Decoded{.text = "a\r\n.\r\nb\r\n", .done = true}));
  EXPECT_EQ(Normalize("a\r\n.\rb\r\n.\r\n"), (Decoded{.text = "a\r\n.\r\nb\r\n", .done = true}));
  EXPECT_EQ(Normalize("a\r.\rb\r\n.\r\n"), (Decoded{.text = "a\r\n.\r\nb\r\n", .done = true}));
}

TEST(DotDecoderTest, DecodesWhatIsLongerThanAnyRead) {
  std::string in, expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string line(static_cast<size_t>(i) % 77, 'x');
    in += (i % 3 == 0 ? ".." : "") + line + "\r\n";
    expected += (i % 3 == 0 ? "." : "") + line + "\r\n";
  }
  in += ".\r\n";
  std::vector<absl::string_view> pieces;
  for (size_t at = 0; at < in.size(); at += 4093) pieces.push_back(absl::string_view(in).substr(at, 4093));
  EXPECT_EQ(DecodePieces(BareLineEnds::kRefuse, pieces), (Decoded{.text = expected, .done = true}));
}

}  // namespace
}  // namespace mailstead
