#include "mailctl/password_field.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace mailstead::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = PasswordField::Kind;

constexpr char kDes[] = "Iv7TtAuj2/VTM";
constexpr char kSha512[] =
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1";
constexpr char kArgon2[] = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$1D0k3pQZ9mT8wqWl1mS2Jw";

PasswordField Good(const std::string& text) {
  const auto field = ParsePasswordField(text);
  EXPECT_TRUE(field.ok()) << text << ": " << field.status();
  return field.value_or(PasswordField());
}

std::string ErrorOf(const std::string& text) {
  const auto field = ParsePasswordField(text);
  EXPECT_FALSE(field.ok()) << text;
  return std::string(field.status().message());
}

TEST(PasswordFieldTest, Passwords) {
  for (const char* text : {"secret",
                           "correct horse  battery",
                           "secret ",
                           "#notacomment",
                           "p\xc3\xa4ss",
                           "$ecret",
                           "$20",
                           "$100 $200",
                           "!bang",
                           "*star*",
                           "xx",
                           "X",
                           "a$b$c",
                           "{not a scheme}x",
                           "{}x",
                           "{",
                           "Password12345",
                           "Pa$$w0rd$2024",
                           "abcdefabcdef",
                           "cost: $5 or $6$",
                           "!Hello World"}) {
    const PasswordField field = Good(text);
    EXPECT_EQ(field.kind, Kind::kPlain) << text;
    EXPECT_EQ(field.text, text);
  }
}

TEST(PasswordFieldTest, Hashes) {
  for (const char* text :
       {"$2y$10$abcdefghijklmnopqrstuv", "$2b$10$x", "$6$salt$hash", "$5$salt$hash", "$y$j9T$s$h",
        "$gy$j9T$s$h", "$7$C6..../....s$h", kArgon2, "$1$salt$hash", "$sha1$4$s$h", "$md5$s$h"}) {
    const PasswordField field = Good(text);
    EXPECT_EQ(field.kind, Kind::kHash) << text;
    EXPECT_EQ(field.text, text);
  }
}

TEST(PasswordFieldTest, SchemesInSmallAndCapitalLetters) {
  for (const char* scheme : {"{CRYPT}", "{crypt}", "{Crypt}", "{SHA512-CRYPT}", "{sha512-crypt}"}) {
    const PasswordField field = Good(std::string(scheme) + kSha512);
    EXPECT_EQ(field.kind, Kind::kHash) << scheme;
    EXPECT_EQ(field.text, kSha512);
  }
  for (const char* text :
       {"{SHA256-CRYPT}$5$s$h", "{BLF-CRYPT}$2y$05$x", "{blf-crypt}$2b$05$x", "{MD5-CRYPT}$1$s$h"}) {
    EXPECT_EQ(Good(text).kind, Kind::kHash) << text;
  }
  EXPECT_EQ(Good(std::string("{ARGON2ID}") + kArgon2).text, kArgon2);
  for (const char* scheme : {"{PLAIN}", "{plain}", "{CLEAR}", "{ClearText}"}) {
    for (const char* text : {"$6$salt$hash", "{SSHA}x", "*", "!", "x", kDes}) {
      const PasswordField field = Good(std::string(scheme) + text);
      EXPECT_EQ(field.kind, Kind::kPlain);
      EXPECT_EQ(field.text, text);
    }
  }
}

TEST(PasswordFieldTest, ASchemeGoesWithItsOwnHashOnly) {
  EXPECT_THAT(ErrorOf("{SHA512-CRYPT}$5$s$h"), HasSubstr("begins with $5$"));
  EXPECT_THAT(ErrorOf("{BLF-CRYPT}secret"), HasSubstr("no such hash"));
  EXPECT_THAT(ErrorOf("{CRYPT}secret"), HasSubstr("no such hash"));
  EXPECT_THAT(ErrorOf(std::string("{CRYPT}") + kDes), HasSubstr("DES"));
  EXPECT_THAT(ErrorOf("{CRYPT}"), HasSubstr("no password"));
}

TEST(PasswordFieldTest, LocksAreNoLogin) {
  for (const std::string text : {"*", "!", "!!", "!*", "x", "*LK*", "*NP*", "NP", "!$6$salt$hash",
                                 "!!$y$j9T$s$h", "*$1$s$h", "*LK*$6$salt$hash", "{CRYPT}!", "{crypt}*",
                                 "{CRYPT}!$6$salt$hash", "!Iv7TtAuj2/VTM", "!$apr1$salt$hash"}) {
    EXPECT_EQ(Good(text).kind, Kind::kNone) << text;
    EXPECT_EQ(Good(text).text, "") << text;
  }
}

TEST(PasswordFieldTest, HashesOfOtherSystemsAreNoPasswords) {
  for (const std::string text :
       {"$apr1$pcmPHb2a$3Zb0hN1nT8vFqYhzQ0k0V1", "$P$B12345678abcdefghijklmnopqrstu1",
        "$H$9abcdefgh1234567890", "$S$D1234567890abcdefgh",
        "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk",
        "$scrypt$ln=16,r=8,p=1$c2FsdA$aGFzaA",
        "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
        "pbkdf2_sha256$600000$6hDxuwZkGkJX$Q7gTq1Vdmv9wVvvh", "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuv",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
        "scrypt:32768:8:1$c2FsdHNhbHQ$0123456789abcdef", "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
        "5f4dcc3b5aa765d61d8327deb882cf99", "md55f4dcc3b5aa765d61d8327deb882cf99",
        "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        "_J9..CCCCXBrJUJV154M", kDes}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("{PLAIN}")) << text;
    EXPECT_THAT(ErrorOf(text), Not(HasSubstr(text)));
  }
  for (const char* text : {"{SSHA}c2FsdGVkaGFzaA==", "{ssha256}abc", "{SHA}x", "{PBKDF2}x", "{CRAM-MD5}x",
                           "{DES-CRYPT}x", "{SCRAM-SHA-256}x", "{SHA512-CRYPT.b64}x", "{NTLM}x"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("scheme {")) << text;
    EXPECT_THAT(ErrorOf(text), HasSubstr("{PLAIN}")) << text;
  }
}

TEST(PasswordFieldTest, AFieldThatHoldsAHash) {
  EXPECT_EQ(*ParseHashField(kSha512), kSha512);
  EXPECT_EQ(*ParseHashField(std::string("{sha512-crypt}") + kSha512), kSha512);
  EXPECT_EQ(*ParseHashField(kArgon2), kArgon2);
  for (const char* text : {"", "secret", "*", "!$6$s$h", "{SSHA}x", "$apr1$s$h", kDes}) {
    EXPECT_FALSE(ParseHashField(text).ok()) << text;
  }
}

}  // namespace
}  // namespace mailstead::ctl
