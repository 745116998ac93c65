#include "common/net/address_check.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::net {
namespace {

AddressVerdict Check(const std::string& address, const AddressRules& rules = {}) {
  return CheckAddress(asio::ip::make_address(address), rules);
}

TEST(CheckAddressTest, Table) {
  const std::pair<const char*, AddressVerdict> kRows[] = {
      {"8.8.8.8", AddressVerdict::kAllowed},
      {"192.0.2.1", AddressVerdict::kAllowed},
      {"0.0.0.0", AddressVerdict::kUnspecified},
      {"0.255.255.255", AddressVerdict::kUnspecified},
      {"1.0.0.0", AddressVerdict::kAllowed},
      {"9.255.255.255", AddressVerdict::kAllowed},
      {"10.0.0.0", AddressVerdict::kPrivate},
      {"10.255.255.255", AddressVerdict::kPrivate},
      {"11.0.0.0", AddressVerdict::kAllowed},
      {"100.63.255.255", AddressVerdict::kAllowed},
      {"100.64.0.0", AddressVerdict::kPrivate},
      {"100.127.255.255", AddressVerdict::kPrivate},
      {"100.128.0.0", AddressVerdict::kAllowed},
      {"127.0.0.1", AddressVerdict::kLoopback},
      {"127.255.255.255", AddressVerdict::kLoopback},
      {"128.0.0.0", AddressVerdict::kAllowed},
      {"169.253.255.255", AddressVerdict::kAllowed},
      {"169.254.169.254", AddressVerdict::kLinkLocal},
      {"169.255.0.0", AddressVerdict::kAllowed},
      {"172.15.255.255", AddressVerdict::kAllowed},
      {"172.16.0.0", AddressVerdict::kPrivate},
      {"172.31.255.255", AddressVerdict::kPrivate},
      {"172.32.0.0", AddressVerdict::kAllowed},
      {"192.168.0.0", AddressVerdict::kPrivate},
      {"192.168.255.255", AddressVerdict::kPrivate},
      {"192.169.0.0", AddressVerdict::kAllowed},
      {"223.255.255.255", AddressVerdict::kAllowed},
      {"224.0.0.1", AddressVerdict::kMulticast},
      {"239.255.255.255", AddressVerdict::kMulticast},
      {"240.0.0.1", AddressVerdict::kReserved},
      {"255.255.255.254", AddressVerdict::kReserved},
      {"255.255.255.255", AddressVerdict::kBroadcast},

      {"2001:db8::1", AddressVerdict::kAllowed},
      {"2607:f8b0::1", AddressVerdict::kAllowed},
      {"::", AddressVerdict::kUnspecified},
      {"::1", AddressVerdict::kLoopback},
      {"fe7f::1", AddressVerdict::kAllowed},
      {"fe80::1", AddressVerdict::kLinkLocal},
      {"febf::1", AddressVerdict::kLinkLocal},
      {"fec0::1", AddressVerdict::kPrivate},
      {"fbff::1", AddressVerdict::kAllowed},
      {"fc00::1", AddressVerdict::kPrivate},
      {"fdff::1", AddressVerdict::kPrivate},
      {"ff02::1", AddressVerdict::kMulticast},

      // IPv4 in IPv6: mapped, compatible, NAT64, 6to4.
      {"::ffff:127.0.0.1", AddressVerdict::kLoopback},
      {"::ffff:0.0.0.0", AddressVerdict::kUnspecified},
      {"::ffff:10.0.0.1", AddressVerdict::kPrivate},
      {"::ffff:8.8.8.8", AddressVerdict::kAllowed},
      {"::127.0.0.1", AddressVerdict::kLoopback},
      {"::169.254.169.254", AddressVerdict::kLinkLocal},
      {"64:ff9b::127.0.0.1", AddressVerdict::kLoopback},
      {"64:ff9b::192.168.0.1", AddressVerdict::kPrivate},
      {"64:ff9b::224.0.0.1", AddressVerdict::kMulticast},
      {"64:ff9b::255.255.255.255", AddressVerdict::kBroadcast},
      {"64:ff9b::8.8.8.8", AddressVerdict::kAllowed},
      {"64:ff9b:1::8.8.8.8", AddressVerdict::kPrivate},
      {"2002:7f00:1::1", AddressVerdict::kLoopback},
      {"2002:a9fe:a9fe::1", AddressVerdict::kLinkLocal},
      {"2002:808:808::1", AddressVerdict::kAllowed},
  };
  for (const auto& [address, verdict] : kRows) {
    EXPECT_EQ(AddressVerdictText(Check(address)), AddressVerdictText(verdict)) << address;
  }
}

TEST(CheckAddressTest, PrivateMayBeAllowed) {
  const AddressRules rules{.allow_private = true};
  for (const char* address :
       {"10.0.0.1", "100.64.0.1", "fd00::1", "::ffff:192.168.1.1", "64:ff9b::10.0.0.1"}) {
    EXPECT_EQ(Check(address, rules), AddressVerdict::kAllowed) << address;
  }
  for (const char* address : {"127.0.0.1", "169.254.0.1", "0.0.0.0", "::1", "ff02::1"}) {
    EXPECT_NE(Check(address, rules), AddressVerdict::kAllowed) << address;
  }
}

TEST(CheckAddressTest, OurOwnInAnyForm) {
  const AddressRules rules{
      .own = {asio::ip::make_address("192.0.2.1"), asio::ip::make_address("2001:db8::1")},
      .allow_private = true};
  for (const char* address : {"192.0.2.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2001:db8::1"}) {
    EXPECT_EQ(Check(address, rules), AddressVerdict::kOurselves) << address;
  }
  EXPECT_EQ(Check("192.0.2.2", rules), AddressVerdict::kAllowed);
  // A listener's own mapped form is the IPv4 address.
  EXPECT_EQ(Check("192.0.2.3", {.own = {asio::ip::make_address("::ffff:192.0.2.3")}}),
            AddressVerdict::kOurselves);
}

// A wildcard address is every one of this machine's.
TEST(CheckAddressTest, OurOwnMachine) {
  AddressRules rules{.own_machine = true};
  rules.is_of_machine = [](const asio::ip::address& address) {
    return address.to_string() == "192.0.2.1" || address.to_string() == "10.0.0.1" || address.is_loopback();
  };
  const struct {
    const char* address;
    AddressVerdict verdict;
  } kTable[] = {
      {"192.0.2.1", AddressVerdict::kOurselves}, {"::ffff:192.0.2.1", AddressVerdict::kOurselves},
      {"10.0.0.1", AddressVerdict::kOurselves},  {"10.0.0.2", AddressVerdict::kPrivate},
      {"192.0.2.2", AddressVerdict::kAllowed},   {"127.0.0.1", AddressVerdict::kLoopback},
      {"0.0.0.0", AddressVerdict::kUnspecified}, {"224.0.0.1", AddressVerdict::kMulticast},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(AddressVerdictText(Check(row.address, rules)), AddressVerdictText(row.verdict)) << row.address;
  }
  rules.allow_private = true;
  EXPECT_EQ(Check("10.0.0.1", rules), AddressVerdict::kOurselves);
  EXPECT_EQ(Check("10.0.0.2", rules), AddressVerdict::kAllowed);
}

TEST(CheckAddressTest, ListenersOfOurs) {
  const auto rules = [](const char* address, uint16_t port) {
    AddressRules added;
    AddOwnListener({asio::ip::make_address(address), port}, 25, added);
    return added;
  };
  EXPECT_TRUE(rules("0.0.0.0", 25).own_machine);
  EXPECT_TRUE(rules("::", 25).own_machine);
  EXPECT_FALSE(rules("::", 587).own_machine);
  EXPECT_EQ(Check("192.0.2.1", rules("192.0.2.1", 25)), AddressVerdict::kOurselves);
  EXPECT_EQ(Check("192.0.2.1", rules("192.0.2.1", 587)), AddressVerdict::kAllowed);
  EXPECT_EQ(Check("127.0.0.1", rules("127.0.0.1", 25)), AddressVerdict::kLoopback);
}

TEST(CheckAddressTest, NetworksThatAreAllowedAreAllowed) {
  AddressRules rules{.own = {asio::ip::make_address("127.0.0.1"), asio::ip::make_address("192.0.2.1")}};
  rules.allowed = *net::NetworkList::Parse("127.0.0.0/8,10.1.0.0/16,::1");
  for (const char* address : {"127.0.0.1", "10.1.2.3", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(Check(address, rules), AddressVerdict::kAllowed) << address;
  }
  EXPECT_EQ(Check("10.2.0.1", rules), AddressVerdict::kPrivate);
  EXPECT_EQ(Check("192.0.2.1", rules), AddressVerdict::kOurselves);
}

}  // namespace
}  // namespace mailstead::net
