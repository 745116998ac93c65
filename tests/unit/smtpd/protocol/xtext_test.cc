#include "smtpd/protocol/xtext.h"

#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

TEST(DecodeXtext, Decodes) {
  EXPECT_EQ(*DecodeXtext(""), "");
  EXPECT_EQ(*DecodeXtext("abc"), "abc");
  EXPECT_EQ(*DecodeXtext("a+2Bb+3Dc+20d"), "a+b=c d");
}

TEST(DecodeXtext, RefusesWhatXtextCannotHave) {
  for (const char* bad : {"a=b", "a b", "+", "+2", "+2b", "a+G0", "+ 2", "\xc3\xbc"}) {
    EXPECT_FALSE(DecodeXtext(bad).ok()) << bad;
  }
}

TEST(DecodeXtext, RefusesControls) {
  for (const char* bad : {"+00", "+0A", "+0D", "+1F", "+7F"}) EXPECT_FALSE(DecodeXtext(bad).ok()) << bad;
}

TEST(DecodeUtf8Address, TakesBothForms) {
  EXPECT_EQ(*DecodeUtf8Address("b\\x{F6}b@x"),
            "b\xc3\xb6"
            "b@x");
  EXPECT_EQ(*DecodeUtf8Address("b\xc3\xb6"
                               "b@x"),
            "b\xc3\xb6"
            "b@x");
  EXPECT_EQ(*DecodeUtf8Address("\\x{20AC}\\x{1F600}\\x{41}"),
            "\xe2\x82\xac\xf0\x9f\x98\x80"
            "A");
}

TEST(DecodeUtf8Address, RefusesTheRest) {
  for (const char* bad : {"\\", "\\x", "\\x{", "\\x{}", "\\x{41", "\\x{D800}", "\\x{110000}", "\\x{0A}",
                          "\\x{85}", "\\x{f6}", "\\x{0000041}", "a=b", "a b"}) {
    EXPECT_FALSE(DecodeUtf8Address(bad).ok()) << bad;
  }
}

TEST(EncodeXtext, EncodesWhatCannotStandThere) {
  EXPECT_EQ(EncodeXtext("!*,<>~aZ0"), "!*,<>~aZ0");
  EXPECT_EQ(EncodeXtext("a+b=c d"), "a+2Bb+3Dc+20d");
  EXPECT_EQ(EncodeXtext("\x7f\xc3\n"), "+7F+C3+0A");
}

TEST(EncodeUtf8Address, IsAsciiAndComesBack) {
  const std::string address = "a+b=c\\d \xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb1@example.test";
  const std::string encoded = EncodeUtf8Address(address);
  EXPECT_EQ(encoded, "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}\\x{E9}\\x{20AC}\\x{1F431}@example.test");
  EXPECT_EQ(*DecodeUtf8Address(encoded), address);
}

}  // namespace
}  // namespace mailstead::smtp
