#include "smtpd/protocol/path.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

// The path of "FROM:<...>", or "error".
std::string PathOf(absl::string_view argument) {
  const Parsed<PathAndRest> parsed = ParsePath("FROM:", argument);
  return parsed.ok() ? absl::StrCat("<", parsed->path.ToString(), ">", parsed->rest) : "error";
}

TEST(ParsePath, TakesTheForms) {
  EXPECT_EQ(PathOf("FROM:<a@b.test>"), "<a@b.test>");
  EXPECT_EQ(PathOf("from:<A@B.Test> SIZE=1 X"), "<A@B.Test>SIZE=1 X");
  EXPECT_EQ(PathOf("FROM:   <a@b.test>"), "<a@b.test>");
  EXPECT_EQ(PathOf("FROM:<>"), "<>");
  EXPECT_EQ(PathOf("FROM:<a@[192.0.2.1]>"), "<a@[192.0.2.1]>");
  EXPECT_EQ(PathOf("FROM:<a@[IPv6:2001:db8::1]>"), "<a@[IPv6:2001:db8::1]>");
  EXPECT_EQ(PathOf("FROM:<Postmaster>"), "<Postmaster>");
}

TEST(ParsePath, KnowsQuotedLocalParts) {
  EXPECT_EQ(PathOf("FROM:<\"a b\"@b.test>"), "<\"a b\"@b.test>");
  EXPECT_EQ(PathOf("FROM:<\"a>b\"@b.test>x"), "error");
  EXPECT_EQ(PathOf("FROM:<\"a>b\"@b.test> x"), "<\"a>b\"@b.test>x");
  EXPECT_EQ(PathOf("FROM:<\"a\\\">b\"@b.test>"), "<\"a\\\">b\"@b.test>");
  EXPECT_EQ(PathOf("FROM:<\"a@b\"@c.test>"), "<\"a@b\"@c.test>");
  // Quotes that are not needed are not kept: both forms mean the same mailbox (RFC 5321 section 4.1.2).
  EXPECT_EQ(PathOf("FROM:<\"ab\"@b.test>"), "<ab@b.test>");
}

// Addresses of old phones: what RFC 5321 section 4.1.2 wants quoted is read as if it were.
TEST(ParsePath, TakesDotsAnywhere) {
  EXPECT_EQ(PathOf("FROM:<a..b@docomo.test>"), "<\"a..b\"@docomo.test>");
  EXPECT_EQ(PathOf("FROM:<ab.@x.test> SIZE=1"), "<\"ab.\"@x.test>SIZE=1");
  EXPECT_EQ(PathOf("FROM:<.ab@x.test>"), "<\".ab\"@x.test>");
  EXPECT_EQ(PathOf("FROM:<@r.test:a..b@x.test>"), "<\"a..b\"@x.test>");
  EXPECT_EQ(PathOf("FROM:<postmaster.>"), "error");
}

TEST(ParsePath, KeepsForPeopleWhatWasGiven) {
  const auto given = [](absl::string_view argument) {
    const Parsed<PathAndRest> parsed = ParsePath("FROM:", argument);
    return parsed.ok() ? parsed->path.given : "error";
  };
  EXPECT_EQ(given("FROM:<a..b@docomo.test>"), "a..b@docomo.test");
  EXPECT_EQ(given("FROM: <\"a..b\"@docomo.test> SIZE=1"), "\"a..b\"@docomo.test");
  EXPECT_EQ(given("FROM:<@r.test:\"ab\"@x.test>"), "\"ab\"@x.test");
  EXPECT_EQ(given("FROM:<Postmaster>"), "Postmaster");
  EXPECT_EQ(given("FROM:<>"), "<>");
}

TEST(ParsePath, DropsSourceRoutes) {
  EXPECT_EQ(PathOf("FROM:<@x.test:a@b.test>"), "<a@b.test>");
  EXPECT_EQ(PathOf("FROM:<@x.test,@[IPv6:::1],@y.test:a@b.test> SIZE=1"), "<a@b.test>SIZE=1");
  EXPECT_EQ(PathOf("FROM:<@x.test:Postmaster>"), "<Postmaster>");
}

TEST(ParsePath, RefusesTheRest) {
  for (const char* argument : {"",
                               "FROM",
                               "FROM:",
                               "FROM:a@b.test",
                               "FROM:<a@b.test",
                               "FROM:a@b.test>",
                               "TO:<a@b.test>",
                               "FROM <a@b.test>",
                               "FROM:<a>",
                               "FROM:<@b.test>",
                               "FROM:<a@>",
                               "FROM:<a@b@c>",
                               "FROM:<a b@c.test>",
                               "FROM:<a@b.test>x",
                               "FROM:<@:a@b.test>",
                               "FROM:<@x.test,:a@b.test>",
                               "FROM:<@x.test a@b.test>",
                               "FROM:<@x.test:>",
                               "FROM:<<a@b.test>>",
                               "FROM:<\"a@b.test>",
                               "FROM:< a@b.test>",
                               "FROM:<a@b.test >"}) {
    EXPECT_EQ(PathOf(argument), "error") << argument;
  }
}

TEST(ParsePath, HasTheLimitsOfRfc5321) {
  const std::string local64(64, 'a');
  EXPECT_NE(PathOf(absl::StrCat("FROM:<", local64, "@b.test>")), "error");
  EXPECT_EQ(PathOf(absl::StrCat("FROM:<", local64, "a@b.test>")), "error");
  // A path of 256 characters with its angle brackets.
  std::string domain;
  while (domain.size() < 187) absl::StrAppend(&domain, "abcdefghi.");
  domain = absl::StrCat(domain.substr(0, 184), ".test");
  ASSERT_EQ(local64.size() + 1 + domain.size() + 2, 256u);
  EXPECT_NE(PathOf(absl::StrCat("FROM:<", local64, "@", domain, ">")), "error");
  EXPECT_EQ(PathOf(absl::StrCat("FROM:<", local64, "@x", domain, ">")), "error");
}

TEST(ParsePath, CanBeAllowedLongerRoutes) {
  std::string route;
  for (int i = 0; i < 14; ++i) absl::StrAppend(&route, i == 0 ? "" : ",", "@relay.example.test");
  const std::string argument = absl::StrCat("FROM:<", route, ":user1@example.test>");
  ASSERT_EQ(argument.size() - std::string("FROM:").size(), 300u);
  EXPECT_FALSE(ParsePath("FROM:", argument).ok());
  EXPECT_FALSE(ParsePath("FROM:", argument, 299).ok());
  const Parsed<PathAndRest> parsed = ParsePath("FROM:", argument, 300);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->path.ToString(), "user1@example.test");
  // Not longer mailboxes: their length is what other hosts and the store can take.
  std::string domain;
  while (domain.size() < 190) absl::StrAppend(&domain, "abcdefghi.");
  EXPECT_FALSE(
      ParsePath("FROM:", absl::StrCat("FROM:<", std::string(64, 'a'), "@", domain, "test>"), 512).ok());
}

}  // namespace
}  // namespace mailstead::smtp
