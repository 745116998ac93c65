#include "common/net/network_list.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::net {
namespace {

bool Contains(const std::string& networks, const std::string& address) {
  const absl::StatusOr<NetworkList> list = NetworkList::Parse(networks);
  EXPECT_TRUE(list.ok()) << list.status();
  return list->Contains(asio::ip::make_address(address));
}

TEST(NetworkListTest, EmptyIsNoNetwork) {
  for (const char* text : {"", "  "}) {
    const absl::StatusOr<NetworkList> list = NetworkList::Parse(text);
    ASSERT_TRUE(list.ok());
    EXPECT_TRUE(list->empty());
    EXPECT_FALSE(list->Contains(asio::ip::make_address("127.0.0.1")));
  }
}

TEST(NetworkListTest, KnowsTheEdgesOfANetwork) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.0.0.0"));
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "9.255.255.255"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("192.0.2.64/27", "192.0.2.95"));
  EXPECT_FALSE(Contains("192.0.2.64/27", "192.0.2.96"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(NetworkListTest, AnAddressAloneIsOneHost) {
  EXPECT_TRUE(Contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(Contains("192.0.2.1", "192.0.2.0"));
  EXPECT_TRUE(Contains("2001:db8::1", "2001:db8::1"));
  EXPECT_FALSE(Contains("2001:db8::1", "2001:db8::2"));
  EXPECT_TRUE(Contains("192.0.2.1/32", "192.0.2.1"));
}

TEST(NetworkListTest, BitsOfTheHostDoNotMatter) { EXPECT_TRUE(Contains("10.1.2.3/8", "10.9.9.9")); }

TEST(NetworkListTest, MappedAddressesAreIpv4) {
  EXPECT_TRUE(Contains("127.0.0.0/8", "::ffff:127.0.0.1"));
  EXPECT_FALSE(Contains("127.0.0.0/8", "::ffff:128.0.0.1"));
  EXPECT_FALSE(Contains("127.0.0.0/8", "::127.0.0.1"));
  EXPECT_TRUE(Contains("::ffff:127.0.0.1", "127.0.0.1"));
}

TEST(NetworkListTest, EverythingOfOneFamilyIsNothingOfTheOther) {
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.1"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(Contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(Contains("::/0", "203.0.113.1"));
}

TEST(NetworkListTest, TakesSeveralWithSpaces) {
  const std::string both = " 10.0.0.0/8 , 2001:db8::/32 ";
  EXPECT_TRUE(Contains(both, "10.1.1.1"));
  EXPECT_TRUE(Contains(both, "2001:db8::5"));
  EXPECT_FALSE(Contains(both, "172.16.0.1"));
}

TEST(NetworkListTest, CoversWhatIsWithinOneOfItsNetworks) {
  const auto covers = [](const char* outer, const char* inner) {
    return NetworkList::Parse(outer)->Covers(*NetworkList::Parse(inner));
  };
  EXPECT_TRUE(covers("10.0.0.0/8", "10.1.0.0/16"));
  EXPECT_TRUE(covers("10.0.0.0/8", "10.0.0.0/8"));
  EXPECT_TRUE(covers("10.0.0.0/8", "::ffff:10.0.0.1"));
  EXPECT_TRUE(covers("10.0.0.0/8,2001:db8::/32", "10.0.0.1,2001:db8:1::/48"));
  EXPECT_FALSE(covers("10.0.0.0/8", "10.0.0.0/7"));
  EXPECT_FALSE(covers("10.0.0.0/8", "10.0.0.1,11.0.0.1"));
  EXPECT_FALSE(covers("::/0", "10.0.0.1")) << "every IPv6 address is no IPv4 address";
  EXPECT_FALSE(covers("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(covers("10.0.0.0/8", ""));
  EXPECT_FALSE(covers("", "10.0.0.1"));
}

TEST(NetworkListTest, NamesTheBadItem) {
  for (const char* bad :
       {"10.0.0.0/33", "2001:db8::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8x", "10.0.0/8",
        "localhost", "fe80::1%1", "/8", "10.0.0.0/8/8", "10.0.0.0/0008"}) {
    const absl::Status status = NetworkList::Parse(std::string("127.0.0.1,") + bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(bad));
  }
  EXPECT_FALSE(NetworkList::Parse("10.0.0.0/8,").ok());
  EXPECT_FALSE(NetworkList::Parse(",").ok());
}

}  // namespace
}  // namespace mailstead::net
