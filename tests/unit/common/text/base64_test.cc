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

}  // namespace
}  // namespace mailstead
