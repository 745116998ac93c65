#include "common/mail/address.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

Address Parsed(absl::string_view text) {
  const absl::StatusOr<Address> address = ParseAddress(text);
  EXPECT_TRUE(address.ok()) << text << ": " << address.status();
  return address.value_or(Address());
}

void ExpectRefused(absl::string_view text) {
  const absl::StatusOr<Address> address = ParseAddress(text);
  ASSERT_FALSE(address.ok()) << testing::PrintToString(std::string(text));
  EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(address.status().message().empty());
}

TEST(AddressTest, SplitsAtTheAt) {
  const Address address = Parsed("Smith@Example.Test");
  EXPECT_EQ(address.local_part, "Smith");
  EXPECT_EQ(address.domain, "Example.Test");
  EXPECT_TRUE(address.is_ascii());
  EXPECT_FALSE(address.is_literal());
  EXPECT_EQ(address.ToString(), "Smith@Example.Test");
  EXPECT_EQ(*address.Normalized(), "smith@example.test");
}

TEST(AddressTest, TakesEveryAtomCharacter) {
  for (const absl::string_view text :
       {"a@b", "a.b.c@d.e", "user+tag@example.test", "!#$%&'*+-/=?^_`{|}~@example.test",
        "user%other@example.test", "other!user@example.test", "1@2.3", "-@example.test"}) {
    EXPECT_EQ(Parsed(text).ToString(), text);
  }
}

// RFC 5321 section 4.1.2, and the examples of RFC 3696 section 3 with their errata.
TEST(AddressTest, TakesQuotedLocalParts) {
  EXPECT_EQ(Parsed("\"Joe Smith\"@example.test").local_part, "Joe Smith");
  EXPECT_EQ(Parsed("\"Abc@def\"@example.test").local_part, "Abc@def");
  EXPECT_EQ(Parsed("\"Joe.\\\\Blow\"@example.test").local_part, "Joe.\\Blow");
  EXPECT_EQ(Parsed("\"a\\\"b\"@example.test").local_part, "a\"b");
  EXPECT_EQ(Parsed("\" \"@example.test").local_part, " ");
  EXPECT_EQ(Parsed("\".\"@example.test").local_part, ".");
  EXPECT_EQ(Parsed("\"a..b\"@example.test").ToString(), "\"a..b\"@example.test");
  EXPECT_EQ(Parsed("customer/department=shipping@example.test").local_part, "customer/department=shipping");
}

TEST(AddressTest, QuotesOnlyWhereItMust) {
  EXPECT_EQ(Parsed("\"joe\"@example.test").ToString(), "joe@example.test");
  EXPECT_EQ(Parsed("\"j\\o\\e\"@example.test").ToString(), "joe@example.test");
  EXPECT_EQ(Parsed("\"joe.\"@example.test").ToString(), "\"joe.\"@example.test");
  EXPECT_EQ(Parsed("\"a\\\\\\\"b\"@example.test").ToString(), "\"a\\\\\\\"b\"@example.test");
  EXPECT_EQ(*Parsed("\"JOE\"@example.test").Normalized(), "joe@example.test");
  EXPECT_EQ(*Parsed("\"Joe Smith\"@example.test").Normalized(), "\"joe smith\"@example.test");
}

// As phones have them. Never another address: not the one without the dots, nor one without the second of them.
TEST(AddressTest, ReadsDotsWithoutQuotesAsIfTheyHadThem) {
  for (const absl::string_view local_part :
       {"a..b", "ab.", ".ab", "a.b.", ".", "..", "a...b.", "\xc3\xbc..x"}) {
    const Address bare = Parsed(absl::StrCat(local_part, "@Docomo.test"));
    const Address quoted = Parsed(absl::StrCat("\"", local_part, "\"@Docomo.test"));
    EXPECT_EQ(bare.local_part, local_part);
    EXPECT_EQ(bare.ToString(), absl::StrCat("\"", local_part, "\"@Docomo.test"));
    EXPECT_EQ(bare.ToString(), quoted.ToString());
    EXPECT_EQ(*bare.Normalized(), *quoted.Normalized());
    EXPECT_EQ(*Parsed(*bare.Normalized()).Normalized(), *bare.Normalized());
  }
  EXPECT_NE(*Parsed("a..b@x.test").Normalized(), *Parsed("a.b@x.test").Normalized());
  EXPECT_NE(*Parsed("ab.@x.test").Normalized(), *Parsed("ab@x.test").Normalized());
}

// What it is written as has the length that an address may have, also with the quotes that it gets.
TEST(AddressTest, CountsTheQuotesThatDotsNeed) {
  const auto address = [](size_t bytes) {
    const std::string local_part = "a..b";
    // Labels of 49 characters and a dot.
    std::string domain;
    while (local_part.size() + 1 + domain.size() + 50 < bytes) absl::StrAppend(&domain, std::string(49, 'd'), ".");
    domain += std::string(bytes - local_part.size() - 1 - domain.size(), 'd');
    return absl::StrCat(local_part, "@", domain);
  };
  EXPECT_EQ(Parsed(address(252)).ToString().size(), 254u);
  ExpectRefused(address(253));
  ExpectRefused(address(254));
}

// Two addresses that are not the same mailbox must not get the same key.
TEST(AddressTest, NormalFormsOfDifferentMailboxesDiffer) {
  EXPECT_NE(*Parsed("\"a@b\"@c").Normalized(), *Parsed("a@b").Normalized());
  EXPECT_NE(*Parsed("\"\\\"a\\\"\"@c").Normalized(), *Parsed("\"a\"@c").Normalized());
}

TEST(AddressTest, RefusesMalformedLocalParts) {
  for (const absl::string_view text : {"@example.test",
                                       "\"\"@example.test",
                                       "a..b c@example.test",
                                       "..(a)@example.test",
                                       "a b@example.test",
                                       "a(c)@example.test",
                                       "<a@example.test>",
                                       "a,b@example.test",
                                       "a;b@example.test",
                                       "a:b@example.test",
                                       "a\\b@example.test",
                                       "a\"b@example.test",
                                       "\"a@example.test",
                                       "\"a\\\"@example.test",
                                       "\"a\\",
                                       "\"",
                                       "\"a\"b@example.test",
                                       "\"a\".b@example.test",
                                       "a.\"b\"@example.test",
                                       "\"a\tb\"@example.test",
                                       "\"a\x7f\"@example.test",
                                       "\"a\\\x01\"@example.test",
                                       "\"a\r\nb\"@example.test",
                                       "a\r\n@example.test",
                                       "@a,@b:c@d",
                                       " a@b",
                                       "a@b "}) {
    ExpectRefused(text);
  }
  ExpectRefused(absl::string_view("a\0b@example.test", 16));
  ExpectRefused(absl::string_view("\"a\0b\"@example.test", 18));
}

TEST(AddressTest, RefusesMalformedDomains) {
  for (const absl::string_view text : {"", "a", "a@", "\"a\"", "a@b@c", "a@.", "a@.b", "a@b..c", "a@-b",
                                       "a@b c", "a@[b]", "a@[192.0.2.1", "a@[::1]", "a@b>", "a@b\r\n"}) {
    ExpectRefused(text);
  }
}

TEST(AddressTest, TakesAddressLiterals) {
  const Address v4 = Parsed("postmaster@[192.0.2.1]");
  EXPECT_TRUE(v4.is_literal());
  EXPECT_EQ(v4.domain, "[192.0.2.1]");
  EXPECT_EQ(*v4.Normalized(), "postmaster@[192.0.2.1]");
  const Address v6 = Parsed("postmaster@[IPv6:2001:DB8::1]");
  EXPECT_TRUE(v6.is_literal());
  EXPECT_EQ(v6.ToString(), "postmaster@[IPv6:2001:DB8::1]");
  EXPECT_EQ(*v6.Normalized(), "postmaster@[ipv6:2001:db8::1]");
}

TEST(AddressTest, TakesUtf8) {
  const Address address = Parsed(
      "Gr\xc3\xbc\xc3\x9f"
      "e@b\xc3\xbc"
      "cher.test");
  EXPECT_EQ(address.local_part,
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  EXPECT_FALSE(address.is_ascii());
  // Only ASCII letters change: more would need rules that the sender may not share (RFC 6530 section 10.1).
  EXPECT_EQ(*address.Normalized(),
            "gr\xc3\xbc\xc3\x9f"
            "e@xn--bcher-kva.test");
  EXPECT_FALSE(Parsed("a@b\xc3\xbc"
                      "cher.test")
                   .is_ascii());
  EXPECT_EQ(Parsed("\"\xe7\x94\xb2 \xe4\xb9\x99\"@example.test").local_part, "\xe7\x94\xb2 \xe4\xb9\x99");
}

TEST(AddressTest, RefusesInvalidUtf8) {
  for (const absl::string_view text :
       {"a\xff@example.test", "\xc3@example.test", "\xc0\xaf@example.test", "\xed\xa0\x80@example.test",
        "\"\xe2\x82\"@example.test", "a@\xff.test"}) {
    ExpectRefused(text);
  }
}

TEST(AddressTest, ForgetsTheTrailingDotInKeys) {
  const Address address = Parsed("a@Example.Test.");
  EXPECT_EQ(address.domain, "Example.Test.");
  EXPECT_EQ(*address.Normalized(), "a@example.test");
}

TEST(AddressTest, LocalPartsHaveAtMost64Bytes) {
  EXPECT_EQ(Parsed(std::string(63, 'x') + "@b").local_part.size(), 63u);
  EXPECT_EQ(Parsed(std::string(64, 'x') + "@b").local_part.size(), 64u);
  ExpectRefused(std::string(65, 'x') + "@b");
  // Quoting does not count.
  EXPECT_EQ(Parsed("\"" + std::string(64, ' ') + "\"@b").local_part.size(), 64u);
  ExpectRefused("\"" + std::string(65, ' ') + "\"@b");
}

TEST(AddressTest, AddressesHaveAtMost254Bytes) {
  const std::string labels =
      absl::StrCat(std::string(60, 'a'), ".", std::string(60, 'b'), ".", std::string(60, 'c'), ".");
  const auto address_of = [&](size_t size) {
    const std::string tail = absl::StrCat("@", labels, "test");
    return std::string(64, 'x') + tail.substr(0, tail.size() - 4) +
           std::string(size - 64 - tail.size() + 4, 'd');
  };
  ASSERT_EQ(address_of(253).size(), 253u);
  EXPECT_EQ(Parsed(address_of(253)).ToString().size(), 253u);
  EXPECT_EQ(Parsed(address_of(254)).ToString().size(), 254u);
  ExpectRefused(address_of(255));
}

TEST(AddressTest, AddressesHaveAtMost254BytesInALabelsToo) {
  std::string domain;
  for (int i = 0; i < 15; ++i) domain += "\xc3\xbc\xc3\xa4\xc3\xb6.";  // 7 bytes each; "xn--4ca0bs." is 11
  const std::string address = std::string(64, 'x') + "@" + domain + "test";
  ASSERT_LT(address.size(), 254u);
  EXPECT_EQ(Parsed(address).Normalized()->size(), 64u + 1 + 15 * 11 + 4);
  ExpectRefused(std::string(64, 'x') + "@" + domain + domain + "test");
}

// 25 labels "ü" have 74 bytes, and 199 in their A-label form: the local part has what is left of 254.
TEST(AddressTest, TheLengthOfTheALabelsIsWhatCounts) {
  std::string domain = "ü";
  for (int i = 1; i < 25; ++i) domain += ".ü";
  ASSERT_EQ(domain.size(), 74u);
  EXPECT_TRUE(ParseAddress(std::string(50, 'a') + "@" + domain).ok());
  EXPECT_TRUE(ParseAddress(std::string(54, 'a') + "@" + domain).ok());
  EXPECT_FALSE(ParseAddress(std::string(55, 'a') + "@" + domain).ok());
  EXPECT_FALSE(ParseAddress(std::string(64, 'a') + "@" + domain).ok());
}

TEST(AddressTest, NormalFormsAreTheirOwnNormalForm) {
  for (const absl::string_view text :
       {"A@B", "\"A B\"@C.", "\"a\\\"\\\\\"@[IPv6:::1]", "\xc3\xbc@\xc3\xbc.test", "a@[1.2.3.4]"}) {
    const std::string normal = *Parsed(text).Normalized();
    EXPECT_EQ(*Parsed(normal).Normalized(), normal);
  }
}

TEST(AddressTest, NormalizedRefusesADomainThatWasNotParsed) {
  const Address address{.local_part = "a", .domain = "b c"};
  EXPECT_EQ(address.Normalized().status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mailstead
