#include <string>

#include "absl/strings/str_cat.h"
#include "common/mail/address.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

std::string Normal(absl::string_view domain) {
  const absl::StatusOr<std::string> normal = NormalizeDomain(domain);
  if (!normal.ok()) {
    EXPECT_EQ(normal.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(normal.status().message().empty());
    return "refused";
  }
  EXPECT_EQ(NormalizeDomain(*normal).value_or("refused"), *normal) << "normalizing twice changes it";
  return *normal;
}

TEST(NormalizeDomainTest, LowersCaseAndDropsOneTrailingDot) {
  EXPECT_EQ(Normal("example.test"), "example.test");
  EXPECT_EQ(Normal("EXAMPLE.Test"), "example.test");
  EXPECT_EQ(Normal("example.test."), "example.test");
  EXPECT_EQ(Normal("localhost"), "localhost");
  EXPECT_EQ(Normal("a-b.c--d.1.x1"), "a-b.c--d.1.x1");
  EXPECT_EQ(Normal("mail_1.example.test"), "mail_1.example.test");
}

TEST(NormalizeDomainTest, RefusesWhatIsNoHostName) {
  for (const absl::string_view domain :
       {"",     ".",      "..",  ".a",  "a..b", "a.b..", "-a.b", "a-.b", "a.-", "a b", "a@b", "a/b",
        "a\tb", "a\r\nb", "(a)", "a,b", "a:b",  "<a>",   "a\"b", "a%b",  "a!b", "a;b", "*"}) {
    EXPECT_EQ(Normal(domain), "refused") << domain;
  }
  EXPECT_EQ(Normal(absl::string_view("a\0b", 3)), "refused");
  EXPECT_EQ(Normal(absl::string_view("\xc3\xa4\0b", 4)), "refused");
}

TEST(NormalizeDomainTest, TurnsUnicodeIntoALabels) {
  EXPECT_EQ(Normal("b\xc3\xbc"
                   "cher.test"),
            "xn--bcher-kva.test");
  EXPECT_EQ(Normal("B\xc3\x9c"
                   "CHER.Test."),
            "xn--bcher-kva.test");
  // A decomposed u-umlaut is the same name.
  EXPECT_EQ(Normal("bu\xcc\x88"
                   "cher.test"),
            "xn--bcher-kva.test");
  EXPECT_EQ(Normal("XN--BCHER-KVA.test"), "xn--bcher-kva.test");
  // IDNA2008 keeps sharp s apart from ss.
  EXPECT_EQ(Normal("stra\xc3\x9f"
                   "e.test"),
            "xn--strae-oqa.test");
  EXPECT_EQ(Normal("\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88"),
            "xn--r8jz45g.xn--zckzah");
  // The ideographic full stop separates labels.
  EXPECT_EQ(Normal("\xe4\xbe\x8b\xe3\x80\x82test"), "xn--fsq.test");
}

TEST(NormalizeDomainTest, RefusesUnicodeThatIsNoName) {
  EXPECT_EQ(Normal("\xff.test"), "refused");
  EXPECT_EQ(Normal("a\xc3"), "refused");
  EXPECT_EQ(Normal("\xe2\x98\x83\xe2\x80\xae.test"), "refused");  // a right-to-left override
  EXPECT_EQ(Normal("\xc3\xbc\xef\xbc\xa0x.test"), "refused");     // a full-width commercial at
  EXPECT_EQ(Normal("\xc3\xbc..test"), "refused");
}

TEST(NormalizeDomainTest, LabelsHaveAtMost63Bytes) {
  EXPECT_NE(Normal(std::string(62, 'a') + ".test"), "refused");
  EXPECT_NE(Normal(std::string(63, 'a') + ".test"), "refused");
  EXPECT_EQ(Normal(std::string(64, 'a') + ".test"), "refused");
}

TEST(NormalizeDomainTest, DomainsHaveAtMost255Bytes) {
  const std::string three =
      absl::StrCat(std::string(63, 'a'), ".", std::string(63, 'b'), ".", std::string(63, 'c'), ".");
  ASSERT_EQ(three.size(), 192u);
  EXPECT_NE(Normal(three + std::string(62, 'd')), "refused");
  EXPECT_NE(Normal(three + std::string(63, 'd')), "refused");
  EXPECT_EQ(Normal(three + std::string(62, 'd') + ".e"), "refused");
  // A-labels can be longer than what was written.
  std::string unicode;
  for (int i = 0; i < 25; ++i) unicode += "\xc3\xbc\xc3\xa4\xc3\xb6.";
  EXPECT_EQ(Normal(unicode + "test"), "refused");
}

TEST(NormalizeDomainTest, TakesAddressLiterals) {
  EXPECT_EQ(Normal("[192.0.2.1]"), "[192.0.2.1]");
  EXPECT_EQ(Normal("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
  EXPECT_EQ(Normal("[ipv6:2001:0db8:0:0:0:0:0:1]"), "[ipv6:2001:db8::1]");
  EXPECT_EQ(Normal("[IPv6:::1]"), "[ipv6:::1]");
  EXPECT_EQ(Normal("[IPv6:::ffff:192.0.2.1]"), "[ipv6:::ffff:192.0.2.1]");
}

TEST(NormalizeDomainTest, RefusesMalformedLiterals) {
  for (const absl::string_view domain :
       {"[", "[]", "[192.0.2.1", "[192.0.2]", "[192.0.2.256]", "[192.0.2.1.1]", "[192.0.2.01]",
        "[0x7f.0.0.1]", "[::1]", "[IPv6:]", "[IPv6:::1%eth0]", "[IPv6:1:2]", "[IPv6:g::1]", "[example.test]",
        "[192.0.2.1].", "[192.0.2.1]x", "[ 192.0.2.1]", "192.0.2.1]", "[tag:content]"}) {
    EXPECT_EQ(Normal(domain), "refused") << domain;
  }
  EXPECT_EQ(Normal(absl::string_view("[192.0.2.1\0]", 12)), "refused");
}

TEST(IsDomainOrLiteralTest, WantsTheFormsOfRfc5321) {
  for (const absl::string_view name : {"a", "localhost", "Client.Test", "my_pc.test", "192.0.2.1",
                                       "[192.0.2.1]", "[IPv6:2001:db8::1]", "xn--mller-kva.test"}) {
    EXPECT_TRUE(IsDomainOrLiteral(name)) << name;
  }
  for (const absl::string_view name :
       {"", ".", "client.test.", "a..b", "MY PC", "m\xc3\xbcller.test", "fe80::1", "a:b",
        "[IPv6:fe80::1%eth0]", "[192.0.2.1", "[fe80::1]", "(unknown)", "-a"}) {
    EXPECT_FALSE(IsDomainOrLiteral(name)) << name;
  }
}

}  // namespace
}  // namespace mailstead
