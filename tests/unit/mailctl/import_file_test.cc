#include "mailctl/import_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mailctl/input.h"

namespace mailstead::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ImportLine Good(const std::string& line) {
  const auto parsed = ParseImportLine(line);
  EXPECT_TRUE(parsed.ok()) << line << ": " << parsed.status();
  EXPECT_TRUE(parsed.ok() && parsed->has_value()) << line;
  return parsed.ok() && parsed->has_value() ? **parsed : ImportLine();
}

std::string ErrorOf(const std::string& line) {
  const auto parsed = ParseImportLine(line);
  EXPECT_FALSE(parsed.ok()) << line;
  return std::string(parsed.status().message());
}

TEST(ImportFileTest, AddressAndPassword) {
  const ImportLine line = Good("demo@example.test secret");
  EXPECT_EQ(line.address, "demo@example.test");
  EXPECT_EQ(line.password.text, "secret");
  EXPECT_EQ(line.password.kind, PasswordField::Kind::kPlain);
}

TEST(ImportFileTest, PasswordIsTheRestOfTheLine) {
  EXPECT_EQ(Good("a@b correct horse  battery staple").password.text, "correct horse  battery staple");
  EXPECT_EQ(Good("a@b\tsecret").password.text, "secret");
  EXPECT_EQ(Good("a@b \t  secret ").password.text, "secret ");
  EXPECT_EQ(Good("  a@b secret").address, "a@b");
  EXPECT_EQ(Good("a@b secret\r").password.text, "secret");
  EXPECT_EQ(Good("a@b #notacomment").password.text, "#notacomment");
  EXPECT_EQ(Good("a@b p\xc3\xa4ss").password.text, "p\xc3\xa4ss");
}

TEST(ImportFileTest, BlankLinesAndComments) {
  for (const char* line : {"", "   ", "\t", "\r", "# a@b secret", "   # a@b secret"}) {
    const auto parsed = ParseImportLine(line);
    ASSERT_TRUE(parsed.ok()) << line;
    EXPECT_FALSE(parsed->has_value()) << line;
  }
}

TEST(ImportFileTest, QuotedLocalPartMayHoldBlanks) {
  const ImportLine line = Good(R"("odd name"@example.test secret)");
  EXPECT_EQ(line.address, R"("odd name"@example.test)");
  EXPECT_EQ(line.password.text, "secret");
  EXPECT_EQ(Good(R"("a \" b"@example.test secret)").address, R"("a \" b"@example.test)");
}

TEST(ImportFileTest, HashesAndLocks) {
  EXPECT_EQ(Good("a@b $6$salt$hash").password.kind, PasswordField::Kind::kHash);
  EXPECT_EQ(Good("a@b {crypt}$6$salt$hash").password.text, "$6$salt$hash");
  EXPECT_EQ(Good("a@b {PLAIN}$6$salt$hash").password.kind, PasswordField::Kind::kPlain);
  EXPECT_EQ(Good("a@b *").password.kind, PasswordField::Kind::kNone);
  EXPECT_EQ(Good("a@b !$6$salt$hash\r").password.kind, PasswordField::Kind::kNone);
  EXPECT_THAT(ErrorOf("a@b $apr1$salt$hash"), HasSubstr("{PLAIN}"));
}

TEST(ImportFileTest, ErrorsSayWhatIsWrongAndNotTheSecret) {
  EXPECT_THAT(ErrorOf("a@b"), HasSubstr("no password"));
  EXPECT_THAT(ErrorOf("a@b   "), HasSubstr("no password"));
  EXPECT_THAT(ErrorOf("a@b {PLAIN}"), HasSubstr("no password"));
  EXPECT_THAT(ErrorOf("demo secret"), HasSubstr("does not begin with an address"));
  EXPECT_THAT(ErrorOf("a@b \xff\xfe"), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf(std::string("\xff\xfe"
                                  "a\0@\0",
                                  6)),
              HasSubstr("UTF-16"));
  EXPECT_THAT(ErrorOf("secret"), Not(HasSubstr("secret")));
  EXPECT_THAT(ErrorOf("a@b {SSHA}c2Vj"), Not(HasSubstr("c2Vj")));
}

TEST(ImportFileTest, LineLength) {
  const std::string start = "a@b ";
  EXPECT_TRUE(ParseImportLine(start + std::string(Input::kMaxLineBytes - start.size(), 'x')).ok());
  EXPECT_THAT(ErrorOf(start + std::string(Input::kMaxLineBytes - start.size() + 1, 'x')),
              HasSubstr("too long"));
}

}  // namespace
}  // namespace mailstead::ctl
