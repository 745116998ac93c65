#include "stored/core/names.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

TEST(Names, DomainsAreNormalized) {
  EXPECT_EQ(*CheckDomainName("name", "Example.TEST"), "example.test");
  EXPECT_EQ(*CheckDomainName("name", "bücher.example"), "xn--bcher-kva.example");
}

TEST(Names, DomainErrorsNameTheField) {
  for (const char* bad : {"", "[127.0.0.1]", "a b", "-a-.test", "..", "a@b"}) {
    const absl::Status status = CheckDomainName("domain.name", bad).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad;
    EXPECT_EQ(FieldOf(status), "domain.name") << bad;
  }
}

TEST(Names, AddressesKeepTheCaseOfTheLocalPart) {
  const auto address = CheckAddress("address", "Some.Body@Example.Test");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->address, "Some.Body@example.test");
  EXPECT_EQ(address->key, "some.body@example.test");
  EXPECT_EQ(address->domain, "example.test");
}

TEST(Names, AddressErrorsNameTheField) {
  for (const char* bad : {"", "nobody", "@example.test", "a@[127.0.0.1]", "a@b@c", "a b@example.test"}) {
    EXPECT_EQ(FieldOf(CheckAddress("address", bad).status()), "address") << bad;
  }
}

TEST(Names, CatchAllsAreAliasesOnly) {
  const auto catch_all = CheckAliasAddress("alias.address", "@Example.Test");
  ASSERT_TRUE(catch_all.ok());
  EXPECT_EQ(catch_all->key, "@example.test");
  EXPECT_FALSE(CheckAddress("address", "@example.test").ok());
  EXPECT_EQ(FieldOf(CheckAliasAddress("alias.address", "@").status()), "alias.address");
}

TEST(Names, IdentifiersHave16To64Characters) {
  EXPECT_FALSE(CheckIdentifier("id", std::string(15, 'a')).ok());
  EXPECT_TRUE(CheckIdentifier("id", std::string(16, 'a')).ok());
  EXPECT_TRUE(CheckIdentifier("id", "AZaz09_-AZaz09_-").ok());
  EXPECT_TRUE(CheckIdentifier("id", std::string(64, 'a')).ok());
  EXPECT_FALSE(CheckIdentifier("id", std::string(65, 'a')).ok());
  EXPECT_EQ(FieldOf(CheckIdentifier("id", "0123456789abcde\n")), "id");
}

TEST(Names, LogTextIsBoundedAndPrintable) {
  EXPECT_TRUE(CheckLogText("holder", "").ok());
  EXPECT_TRUE(CheckLogText("holder", "pop3d höst 12").ok());
  EXPECT_TRUE(CheckLogText("holder", std::string(128, 'a')).ok());
  EXPECT_FALSE(CheckLogText("holder", std::string(129, 'a')).ok());
  EXPECT_EQ(FieldOf(CheckLogText("holder", "a\nevent=login")), "holder");
  EXPECT_FALSE(CheckLogText("holder", "\xff").ok());
}

}  // namespace
}  // namespace mailstead::stored
