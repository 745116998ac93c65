#include "common/mailauth/signature_field.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/mailauth/tag_list.h"

namespace mailstead::mailauth {
namespace {

Signature Sample() {
  Signature signature;
  signature.domain = "example.test";
  signature.selector = "s1";
  signature.time = absl::FromUnixSeconds(1'796'000'000);
  signature.names = {"from", "from", "to", "content-transfer-encoding"};
  signature.body_hash = std::string(32, '\x01');
  return signature;
}

TEST(SignatureField, IsAListOfTags) {
  const std::string field = SignedField(UnsignedField(Sample()), std::string(256, '\xff'));
  ASSERT_TRUE(absl::StartsWith(field, "DKIM-Signature: "));
  ASSERT_TRUE(absl::EndsWith(field, "\r\n"));
  const auto tags = ParseTagList(field.substr(16));
  ASSERT_TRUE(tags.ok()) << tags.status();
  const std::pair<const char*, const char*> kTable[] = {
      {"v", "1"},
      {"a", "rsa-sha256"},
      {"c", "relaxed/relaxed"},
      {"d", "example.test"},
      {"s", "s1"},
      {"t", "1796000000"},
      {"h", "from:from:to:content-transfer-encoding"},
      {"bh", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}};
  EXPECT_EQ(tags->size(), std::size(kTable) + 1);
  for (const auto& [name, value] : kTable) {
    ASSERT_NE(FindTag(*tags, name), nullptr) << name;
    EXPECT_EQ(*FindTag(*tags, name), value) << name;
  }
  EXPECT_EQ(WithoutSpace(*FindTag(*tags, "b")).size(), 344u);
}

TEST(SignatureField, NamesAreFoldedBehindColonsOnly) {
  Signature signature = Sample();
  signature.type = KeyType::kEd25519;
  for (int i = 0; i < 40; ++i) signature.names.emplace_back("list-unsubscribe-post");
  const std::string field = SignedField(UnsignedField(signature), std::string(64, '\0'));
  EXPECT_TRUE(absl::StrContains(field, "a=ed25519-sha256;"));
  std::vector<std::string> lines = absl::StrSplit(field, "\r\n");
  EXPECT_EQ(lines.back(), "");
  lines.pop_back();
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 78u) << line;
    const char last = line.back();
    EXPECT_TRUE(last == ':' || last == ';' || &line == &lines.back() || absl::StartsWith(line, "\tb="))
        << line;
  }
}

TEST(SignatureField, IsHashedWithoutItsSignatureAndLineEnd) {
  EXPECT_EQ(HashedField(UnsignedField(Sample())),
            "dkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=s1; t=1796000000; "
            "h=from:from:to:content-transfer-encoding; bh=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=; b=");
}

}  // namespace
}  // namespace mailstead::mailauth
