#include "common/mail/mime/transfer_decoder.h"

#include "absl/strings/str_cat.h"
#include "common/mail/mime/limits.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

struct Decoded {
  std::string bytes;
  DefectSet defects;
};

// In pieces of every length; checks that all decode to the same, and that counting counts it.
Decoded Decode(Encoding encoding, absl::string_view text) {
  Decoded decoded;
  for (size_t piece = text.size() + 1; piece-- > 0;) {
    TransferDecoder decoder(encoding), counter(encoding);
    std::string out;
    const size_t length = piece == 0 ? 1 : piece;
    for (size_t at = 0; at < text.size(); at += length) {
      decoder.Feed(text.substr(at, length), &out);
      counter.Feed(text.substr(at, length), nullptr);
    }
    decoder.Finish(&out);
    counter.Finish(nullptr);
    if (piece == text.size()) decoded = {out, decoder.defects()};
    EXPECT_EQ(out, decoded.bytes) << text << " in " << length;
    EXPECT_EQ(decoder.defects(), decoded.defects) << text << " in " << length;
    EXPECT_EQ(decoder.decoded_bytes(), out.size()) << text;
    EXPECT_EQ(counter.decoded_bytes(), out.size()) << text;
    EXPECT_EQ(counter.defects(), decoded.defects) << text;
  }
  return decoded;
}

struct Case {
  std::string text;
  std::string decoded;
  const char* defects;
};

void Check(Encoding encoding, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const Decoded decoded = Decode(encoding, c.text);
    EXPECT_EQ(decoded.bytes, c.decoded) << c.text;
    EXPECT_EQ(decoded.defects.ToString(), c.defects) << c.text;
  }
}

TEST(TransferDecoder, Base64) {
  Check(Encoding::kBase64, {
                               {"", "", ""},
                               {"aGVsbG8=", "hello", ""},
                               {"aGVs\r\nbG8=\r\n", "hello", ""},
                               {"aGVsbA==", "hell", ""},
                               {"a G\tV\ns", "hel", ""},
                               {"+/+/", "\xfb\xff\xbf", ""},
                               {"aGVsbG8", "hello", "base64-length"},
                               {"aGVsbA", "hell", "base64-length"},
                               {"aGVsbA=", "hell", "base64-length"},
                               {"aGVsb", "hel", "base64-length"},
                               {"aGVsb===", "hel", "base64-length"},
                               {"aGV*s", "hel", "base64-garbage"},
                               {std::string("aGV\0s\xff", 6), "hel", "base64-garbage"},
                               {"aGVsbG8==", "hello", "base64-garbage"},
                               {"=", "", "base64-garbage"},
                               {"aA==aA==", "hh", "base64-after-padding"},
                               {"aA=\r\n=\r\naA==", "hh", "base64-after-padding"},
                               {"aA=aA==", "hh", "base64-length base64-after-padding"},
                           });
  // Longer than what is looked at at once.
  std::string text, decoded;
  for (int i = 0; i < 60; ++i) text += "aGVs", decoded += "hel";
  Check(Encoding::kBase64, {{text + "*" + text, decoded + decoded, "base64-garbage"}});
}

TEST(TransferDecoder, QuotedPrintable) {
  Check(Encoding::kQuotedPrintable, {
                                        {"", "", ""},
                                        {"a=3Db=e4", "a=b\xe4", ""},
                                        {"a\r\nb\nc\rd", "a\r\nb\nc\rd", ""},
                                        {"soft=\r\nbreak=\nend=", "softbreakend", ""},
                                        {"soft= \t\r\nbreak= \nend= ", "softbreakend", ""},
                                        {"a  \t\r\nb \nc ", "a\r\nb\nc", ""},
                                        {"a  =20\r\n", "a   \r\n", ""},
                                        {"a \rb", "a \rb", ""},
                                        {"a \r", "a \r", ""},
                                        {"=XY", "=XY", "quoted-printable-garbage"},
                                        {"=4", "=4", "quoted-printable-garbage"},
                                        {"=4Z", "=4Z", "quoted-printable-garbage"},
                                        {"==41", "=A", "quoted-printable-garbage"},
                                        {"= x", "= x", "quoted-printable-garbage"},
                                        {"=\rx", "=\rx", "quoted-printable-garbage"},
                                        {"= \rx", "= \rx", "quoted-printable-garbage"},
                                        {"\xe4\x01", "\xe4\x01", ""},
                                    });
}

TEST(TransferDecoder, HoldsABoundedRunOfBlanks) {
  for (const size_t count : {kMaxHeldBlankBytes - 1, kMaxHeldBlankBytes, kMaxHeldBlankBytes + 1}) {
    const std::string blanks(count, ' ');
    for (const size_t piece : {size_t{1}, size_t{7}, count + 10}) {
      std::string out;
      QuotedPrintableDecoder decoder;
      const std::string text = absl::StrCat("a", blanks, "\r\nb ", "\r\n");
      for (size_t at = 0; at < text.size(); at += piece)
        decoder.Feed(absl::string_view(text).substr(at, piece), &out);
      decoder.Finish(&out);
      EXPECT_EQ(out.size(), (count > kMaxHeldBlankBytes ? count : 0) + 6) << count << " in " << piece;
    }
  }
}

TEST(TransferDecoder, OthersComeAsTheyAre) {
  for (const Encoding encoding : {Encoding::k7Bit, Encoding::k8Bit, Encoding::kBinary, Encoding::kUnknown}) {
    Check(encoding, {{std::string("a=3D \r\n\0\xff", 9), std::string("a=3D \r\n\0\xff", 9), ""}});
  }
}

TEST(Encoding, HasNames) {
  for (const Encoding encoding : {Encoding::k7Bit, Encoding::k8Bit, Encoding::kBinary,
                                  Encoding::kQuotedPrintable, Encoding::kBase64, Encoding::kUnknown}) {
    EXPECT_EQ(EncodingOf(EncodingName(encoding)), encoding);
  }
  EXPECT_EQ(EncodingOf("BASE64"), Encoding::kBase64);
  EXPECT_EQ(EncodingOf(""), Encoding::k7Bit);
  EXPECT_EQ(EncodingOf("x-uuencode"), Encoding::kUnknown);
}

}  // namespace
}  // namespace mailstead::mime
