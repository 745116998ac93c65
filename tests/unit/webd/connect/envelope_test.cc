#include "webd/connect/envelope.h"

#include <string>

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Envelope, GoldenBytes) {
  EXPECT_EQ(Enveloped(0, "abc"), std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(Enveloped(kEndStreamFlag, "{}"), std::string("\2\0\0\0\2{}", 7));
  const std::string large = Enveloped(kCompressedFlag, std::string(0x12345, 'x'));
  EXPECT_EQ(large.substr(0, 5), std::string("\1\0\1\x23\x45", 5));
}

TEST(Envelope, TheOnlyOne) {
  const std::string bytes = Enveloped(kCompressedFlag, "abc");
  const auto got = OnlyEnvelope(bytes);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->compressed);
  EXPECT_EQ(got->message, "abc");
  const auto empty = OnlyEnvelope(std::string(5, '\0'));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->message, "");
}

TEST(Envelope, WhatIsNone) {
  const std::string bytes = Enveloped(0, "abc");
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_TRUE(absl::IsInvalidArgument(OnlyEnvelope(bytes.substr(0, cut)).status())) << cut;
  }
  EXPECT_TRUE(absl::IsUnimplemented(OnlyEnvelope(bytes + bytes).status()));
  EXPECT_TRUE(absl::IsUnimplemented(OnlyEnvelope(bytes + "x").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OnlyEnvelope(Enveloped(kEndStreamFlag, "{}")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OnlyEnvelope("\xff\xff\xff\xff\xff").status()));
}

}  // namespace
}  // namespace mailstead::web
