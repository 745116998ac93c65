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
  EXPECT_EQ(line.secret, "secret");
  EXPECT_FALSE(line.is_hash);
}

TEST(ImportFileTest, PasswordIsTheRestOfTheLine) {
  EXPECT_EQ(Good("a@b correct horse  battery staple").secret, "correct horse  battery staple");
  EXPECT_EQ(Good("a@b\tsecret").secret, "secret");
  EXPECT_EQ(Good("a@b \t  secret ").secret, "secret ");
  EXPECT_EQ(Good("  a@b secret").address, "a@b");
  EXPECT_EQ(Good("a@b secret\r").secret, "secret");
  EXPECT_EQ(Good("a@b #notacomment").secret, "#notacomment");
  EXPECT_EQ(Good("a@b p\xc3\xa4ss").secret, "p\xc3\xa4ss");
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
  EXPECT_EQ(line.secret, "secret");
  EXPECT_EQ(Good(R"("a \" b"@example.test secret)").address, R"("a \" b"@example.test)");
}

TEST(ImportFileTest, Hashes) {
  for (const char* hash : {"$2y$10$abcdefghijklmnopqrstuv", "$2b$10$x", "$6$salt$hash", "$5$salt$hash",
                           "$y$j9T$s$h", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "$1$salt$hash"}) {
    const ImportLine line = Good(std::string("a@b ") + hash);
    EXPECT_TRUE(line.is_hash) << hash;
    EXPECT_EQ(line.secret, hash);
  }
  EXPECT_FALSE(Good("a@b $ecret").is_hash);
  EXPECT_FALSE(Good("a@b $20").is_hash);
}

TEST(ImportFileTest, SchemesSayWhatItIs) {
  EXPECT_TRUE(Good("a@b {CRYPT}$6$salt$hash").is_hash);
  EXPECT_EQ(Good("a@b {CRYPT}$6$salt$hash").secret, "$6$salt$hash");
  EXPECT_FALSE(Good("a@b {PLAIN}$6$salt$hash").is_hash);
  EXPECT_EQ(Good("a@b {PLAIN}$6$salt$hash").secret, "$6$salt$hash");
  EXPECT_EQ(Good("a@b {PLAIN}{SSHA}x").secret, "{SSHA}x");
  EXPECT_EQ(Good("a@b {not a scheme}x").secret, "{not a scheme}x");
  EXPECT_EQ(Good("a@b {}x").secret, "{}x");
  EXPECT_EQ(Good("a@b {").secret, "{");
  EXPECT_THAT(ErrorOf("a@b {SSHA}c2FsdGVkaGFzaA=="), HasSubstr("{SSHA} are not supported"));
}

TEST(ImportFileTest, ErrorsSayWhatIsWrongAndNotTheSecret) {
  EXPECT_THAT(ErrorOf("a@b"), HasSubstr("no password"));
  EXPECT_THAT(ErrorOf("a@b   "), HasSubstr("no password"));
  EXPECT_THAT(ErrorOf("a@b {PLAIN}"), HasSubstr("no password"));
  EXPECT_THAT(ErrorOf("demo secret"), HasSubstr("does not begin with an address"));
  EXPECT_THAT(ErrorOf("a@b \xff\xfe"), HasSubstr("UTF-8"));
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
