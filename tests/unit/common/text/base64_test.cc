#include "common/text/base64.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(DecodeBase64, CanonicalForm) {
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("QQ=="), "A");
  EXPECT_EQ(DecodeBase64("QUI="), "AB");
  EXPECT_EQ(DecodeBase64("QUJD"), "ABC");
  EXPECT_EQ(DecodeBase64("AGRlbW8Ac2VjcmV0"), std::string("\0demo\0secret", 12));
}

TEST(DecodeBase64, EveryByteComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::string part = bytes.substr(0, size);
    EXPECT_EQ(DecodeBase64(absl::Base64Escape(part)), part);
  }
}

TEST(DecodeBase64, NothingElse) {
  for (const char* text : {"=", "==", "Q", "QQ", "QQ=", "QQ===", "QUI", "QR==", "QUJ=", " QQ==", "QQ== ",
                           "Q Q=", "QQ\t==", "*", "QQ==QQ==", "QUJDQ", "Q-_=", "????"}) {
    EXPECT_FALSE(DecodeBase64(text).has_value()) << '"' << text << '"';
  }
}

TEST(EncodeBase64Lines, HasLinesOf76Characters) {
  EXPECT_EQ(EncodeBase64Lines(""), "");
  EXPECT_EQ(EncodeBase64Lines("A"), "QQ==\r\n");
  for (const size_t size : {56, 57, 58, 114, 115}) {
    const std::string bytes(size, '\xff');
    std::string lines = EncodeBase64Lines(bytes);
    std::string joined;
    while (!lines.empty()) {
      const size_t end = lines.find("\r\n");
      ASSERT_NE(end, std::string::npos);
      EXPECT_LE(end, 76u);
      joined += lines.substr(0, end);
      lines.erase(0, end + 2);
    }
    EXPECT_EQ(DecodeBase64(joined), bytes) << size;
  }
}

}  // namespace
}  // namespace mailstead
