#include "common/mail/mime/part_decoder.h"

#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

std::string Decode(const Part& part, absl::string_view bytes, PartDecoder::TextAs text_as, size_t piece) {
  const Charsets charsets;
  PartDecoder decoder(part, charsets, text_as);
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += piece) decoder.Feed(bytes.substr(at, piece), out);
  decoder.Finish(out);
  return out;
}

TEST(PartDecoder, GivesTextAsUtf8AndTheRestAsItsBytes) {
  struct {
    const char* type;
    const char* charset;
    Encoding encoding;
    const char* body;
    const char* as_utf8;
    const char* as_bytes;
  } cases[] = {
      {"text/plain", "iso-8859-1", Encoding::kQuotedPrintable, "a=E4=\r\nb", "aäb",
       "a\xe4"
       "b"},
      {"text/plain", "utf-8", Encoding::kBase64, "w6TDpA==", "ää", "ää"},
      {"text/plain", "utf-8", Encoding::k8Bit, "\xc3", "\xef\xbf\xbd", "\xc3"},
      {"text/plain", "x-none", Encoding::k8Bit, "\xe4", "ä", "\xe4"},
      {"text/html", "", Encoding::k7Bit, "\xe4\xc3\xa4", "ää", "\xe4\xc3\xa4"},
      {"application/pdf", "iso-8859-1", Encoding::kBase64, "5A==", "\xe4", "\xe4"},
      {"application/pdf", "", Encoding::kUnknown, "5A==", "5A==", "5A=="},
  };
  for (const auto& c : cases) {
    Part part;
    part.media_type = c.type;
    part.encoding = c.encoding;
    if (*c.charset != '\0') part.parameters = {{"charset", c.charset}};
    for (const size_t piece : {1, 2, 100}) {
      EXPECT_EQ(Decode(part, c.body, PartDecoder::TextAs::kUtf8, piece), c.as_utf8) << c.body;
      EXPECT_EQ(Decode(part, c.body, PartDecoder::TextAs::kBytes, piece), c.as_bytes) << c.body;
    }
  }
}

TEST(PartDecoder, AMultipartIsNeverEncoded) {
  Part part;
  part.media_type = "multipart/mixed";
  part.encoding = Encoding::kBase64;
  EXPECT_EQ(Decode(part, "--b\r\n", PartDecoder::TextAs::kUtf8, 100), "--b\r\n");
}

}  // namespace
}  // namespace mailstead::mime
