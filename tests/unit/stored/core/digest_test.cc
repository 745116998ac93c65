#include "stored/core/digest.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace mailstead::stored {
namespace {

// FIPS 180-4, the one-block example.
TEST(Digest, Sha256OfAbc) {
  EXPECT_EQ(absl::BytesToHexString(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, PiecesGiveTheSameAsTheWhole) {
  Sha256Stream stream;
  stream.Update("a");
  stream.Update("");
  stream.Update("bc");
  EXPECT_EQ(stream.Finish(), Sha256("abc"));
}

// RFC 4231 section 4.3, test case 2.
TEST(Digest, HmacSha256) {
  EXPECT_EQ(absl::BytesToHexString(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, ConstantTimeComparison) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("token", "token"));
  EXPECT_FALSE(EqualInConstantTime("token", "tokex"));
  EXPECT_FALSE(EqualInConstantTime("token", "toke"));
  EXPECT_FALSE(EqualInConstantTime("", "t"));
}

}  // namespace
}  // namespace mailstead::stored
