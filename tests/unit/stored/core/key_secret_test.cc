#include "stored/core/key_secret.h"

#include <gtest/gtest.h>

#include <regex>

#include "common/base/random.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

constexpr char kId[] = "0123456789ab";

// As whoever looks for secrets is told to (proto: key.proto).
const std::regex kPattern("\\bmsk_[0-9a-hjkmnp-tv-z]{51}\\b");

TEST(KeySecret, IsWrittenAsTheDocsSay) {
  // Of these characters the checksum was made with another program: Python's hashlib.
  const std::string secret = MakeKeySecret(kId, [](size_t count) { return std::string(count, 'z'); });
  EXPECT_EQ(secret, "msk_0123456789abzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzpj9w6ws");
  EXPECT_TRUE(std::regex_match(secret, kPattern));
  EXPECT_EQ(*IdOfKeySecret(secret), kId);
}

TEST(KeySecret, EveryOneFitsThePattern) {
  for (int i = 0; i < 200; ++i) {
    const std::string secret = MakeKeySecret(RandomId(kKeyIdCharacters), RandomId);
    EXPECT_TRUE(std::regex_match(secret, kPattern)) << secret;
    EXPECT_TRUE(IdOfKeySecret(secret).ok()) << secret;
  }
}

TEST(KeySecret, WhatIsMistypedOrCutIsFound) {
  const std::string secret = MakeKeySecret(kId, RandomId);
  const auto is_refused = [](const std::string& text) {
    const absl::Status status = IdOfKeySecret(text).status();
    return absl::IsUnauthenticated(status) && ReasonOf(status) == kReasonKeyMalformed;
  };
  for (size_t i = 0; i < secret.size(); ++i) {
    std::string mistyped = secret;
    mistyped[i] = mistyped[i] == '7' ? '8' : '7';
    EXPECT_TRUE(is_refused(mistyped)) << i;
    EXPECT_TRUE(is_refused(secret.substr(0, i))) << i;
  }
  EXPECT_TRUE(is_refused(secret + "0"));
  EXPECT_TRUE(is_refused(""));
}

TEST(KeySecret, LooksLikeOneByItsPrefix) {
  EXPECT_TRUE(LooksLikeKeySecret("msk_"));
  EXPECT_FALSE(LooksLikeKeySecret("msk"));
  EXPECT_FALSE(LooksLikeKeySecret("token"));
}

}  // namespace
}  // namespace mailstead::stored
