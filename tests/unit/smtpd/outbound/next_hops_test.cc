#include "smtpd/outbound/next_hops.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/io_context.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/begin.h"
#include "tests/support/fake_resolver.h"
#include "tests/support/fake_time.h"

namespace mailstead::smtp {
namespace {

using dns::Absent;
using dns::AliasOf;
using dns::Answer;
using dns::Answered;
using dns::Failed;
using dns::Failure;
using dns::Ipv4Bytes;
using dns::Ipv6Bytes;
using dns::Mx;
using dns::Outcome;
using dns::Secure;
using dns::Type;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Reason = NoNextHop::Reason;

Ipv4Bytes V4(uint8_t last) { return {192, 0, 2, last}; }
Ipv6Bytes V6(uint8_t last) { return {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}; }

// Leaves what is shuffled as it is.
size_t Last(size_t bound) { return bound - 1; }

// "mx.test 2001:db8::1 192.0.2.1".
std::vector<std::string> Hosts(const NextHops& hops) {
  std::vector<std::string> hosts;
  for (const NextHop& hop : hops.hosts) {
    hosts.push_back(hop.host);
    for (const auto& address : hop.addresses) absl::StrAppend(&hosts.back(), " ", address.to_string());
  }
  return hosts;
}

class NextHopsTest : public ::testing::Test {
 protected:
  NextHopsTest() {
    options_.own_names = {"self.test"};
    options_.rules.own = {asio::ip::make_address("192.0.2.99")};
  }

  void SetMx(const std::string& domain, std::vector<dns::Record> records) {
    dns_.Set(domain, Type::kMx, Answered(std::move(records)));
  }
  void SetA(const std::string& host, std::vector<dns::Record> records) {
    dns_.Set(host, Type::kA, Answered(std::move(records)));
  }

  NextHopsResult Find(const std::string& domain) {
    NextHopFinder finder(dns_, options_, random_);
    return RunToEnd(context_, time_, finder.ForDomain(domain, time_.Now() + absl::Minutes(1)));
  }
  NextHops Found(const std::string& domain) {
    NextHopsResult result = Find(domain);
    if (const auto* none = std::get_if<NoNextHop>(&result)) {
      ADD_FAILURE() << domain << ": " << none->text;
      return {};
    }
    return std::get<NextHops>(std::move(result));
  }
  NoNextHop None(const std::string& domain) {
    const NextHopsResult result = Find(domain);
    if (const auto* hops = std::get_if<NextHops>(&result)) {
      ADD_FAILURE() << domain << ": " << absl::StrJoin(Hosts(*hops), ", ");
      return {};
    }
    return std::get<NoNextHop>(result);
  }
  std::string StatusOf(const std::string& domain) { return std::string(EnhancedStatus(None(domain).reason)); }

  FakeTime time_;
  asio::io_context context_{1};
  dns::FakeResolver dns_{time_};
  NextHopOptions options_;
  NextHopFinder::Random random_ = Last;
};

TEST_F(NextHopsTest, HostsWithAddressesInOrder) {
  SetMx("example.test", {Mx{20, "b.test"}, Mx{10, "a.test"}});
  SetA("a.test", {V4(1)});
  SetA("b.test", {V4(2)});
  dns_.Set("b.test", Type::kAaaa, Answered({V6(2)}));
  const NextHops hops = Found("example.test");
  EXPECT_THAT(Hosts(hops), ElementsAre("a.test 192.0.2.1", "b.test 192.0.2.2 2001:db8::2"));
  EXPECT_FALSE(hops.implicit);
  EXPECT_FALSE(hops.mx_secure);
  EXPECT_FALSE(hops.hosts.front().secure);
  EXPECT_THAT(hops.unresolved, IsEmpty());
}

TEST_F(NextHopsTest, TheBestHostsAreAllNamed) {
  std::vector<dns::Record> many;
  for (int i = 0; i < 20; ++i) many.push_back(Mx{10, absl::StrCat("mx", i, ".test")});
  many.push_back(Mx{20, "worse.test"});
  SetMx("example.test", many);
  SetA("mx7.test", {V4(7)});
  SetA("worse.test", {V4(20)});
  // Those that are not tried, and those without an address too: otherwise it is a matter of chance which ones they are.
  EXPECT_THAT(Found("example.test").best_names, SizeIs(20));
  SetMx("example.test", {Mx{20, "mx7.test"}, Mx{10, "bad name.test"}, Mx{30, "worse.test"}});
  EXPECT_THAT(Found("example.test").best_names, ElementsAre("mx7.test"));
  SetA("host.test", {V4(1)});
  EXPECT_THAT(Found("host.test").best_names, ElementsAre("host.test"));
  EXPECT_THAT(Found("[192.0.2.1]").best_names, ElementsAre("[192.0.2.1]"));
}

TEST_F(NextHopsTest, AllAddressesAreAskedForAtOnce) {
  SetMx("example.test", {Mx{10, "a.test"}, Mx{20, "b.test"}, Mx{30, "c.test"}});
  for (const char* host : {"a.test", "b.test", "c.test"}) SetA(host, {V4(1)});
  dns_.SetDelay(absl::Seconds(2));
  const absl::Time begin = time_.Now();
  EXPECT_EQ(Found("example.test").hosts.size(), 3u);
  EXPECT_EQ(time_.Now() - begin, absl::Seconds(4));
}

TEST_F(NextHopsTest, WithoutMxTheDomainIsTheHost) {
  SetA("example.test", {V4(1)});
  const NextHops hops = Found("example.test");
  EXPECT_TRUE(hops.implicit);
  EXPECT_THAT(Hosts(hops), ElementsAre("example.test 192.0.2.1"));
}

TEST_F(NextHopsTest, WhatDnssecProves) {
  SetMx("example.test", {Mx{10, "a.test"}, Mx{20, "b.test"}});
  dns_.Set("example.test", Type::kMx, Secure(Answered({Mx{10, "a.test"}, Mx{20, "b.test"}})));
  SetA("a.test", {V4(1)});
  // Either family is enough.
  dns_.Set("a.test", Type::kAaaa, Secure(Answered({V6(1)})));
  SetA("b.test", {V4(2)});
  // That there is none of the other does not help.
  dns_.Set("b.test", Type::kAaaa, Secure(Absent(Outcome::kNoData)));
  const NextHops hops = Found("example.test");
  EXPECT_TRUE(hops.mx_secure);
  EXPECT_TRUE(hops.hosts[0].secure);
  EXPECT_FALSE(hops.hosts[1].secure);
  // Implicit, and the denial is proven.
  dns_.Set("host.test", Type::kMx, Secure(Absent(Outcome::kNoData)));
  SetA("host.test", {V4(1)});
  EXPECT_TRUE(Found("host.test").mx_secure);
}

TEST_F(NextHopsTest, AHostMayBeAnAlias) {
  SetMx("example.test", {Mx{10, "mx.test"}});
  dns_.Set("mx.test", Type::kA, AliasOf("real.test", Answered({V4(1)})));
  const NextHops hops = Found("example.test");
  EXPECT_EQ(hops.hosts.front().host, "mx.test");
  EXPECT_EQ(hops.hosts.front().canonical_name, "real.test");
}

TEST_F(NextHopsTest, WhyThereIsNone) {
  SetMx("null.test", {Mx{0, "."}});
  dns_.Set("servfail.test", Type::kMx, Failed(Failure::kServFail));
  dns_.Set("slow.test", Type::kMx, Failed(Failure::kTimeout));
  dns_.Set("bare.test", Type::kTxt, Answered({dns::Txt{"x"}}));
  SetMx("numbers.test", {Mx{10, "192.0.2.1"}});
  SetMx("missing.test", {Mx{10, "nothing.test"}, Mx{20, "bare.test"}});
  SetMx("ours.test", {Mx{10, "self.test"}, Mx{20, "b.test"}});
  SetMx("ours-by-address.test", {Mx{10, "other-name.test"}});
  SetA("other-name.test", {V4(99)});
  SetMx("inside.test", {Mx{10, "lan.test"}});
  SetA("lan.test", {Ipv4Bytes{127, 0, 0, 1}});
  SetA("loop.test", {V4(99)});
  SetA("localhost.test", {Ipv4Bytes{127, 0, 0, 1}});
  SetMx("half.test", {Mx{10, "nothing.test"}, Mx{20, "hostfail.test"}});
  dns_.Set("hostfail.test", Type::kA, Failed(Failure::kServFail));
  SetMx("half-inside.test", {Mx{10, "lan.test"}, Mx{20, "hostfail.test"}});
  dns_.Set("addressfail.test", Type::kAaaa, Failed(Failure::kServFail));
  SetA("refused-and-fail.test", {Ipv4Bytes{127, 0, 0, 1}});
  dns_.Set("refused-and-fail.test", Type::kAaaa, Failed(Failure::kServFail));
  const struct {
    const char* domain;
    const char* status;
    Reason reason;
  } kRows[] = {
      {"null.test", "5.1.10", Reason::kNullMx},
      {"no-such-domain.test", "5.1.2", Reason::kNoDomain},
      {"servfail.test", "4.4.3", Reason::kLookupFailed},
      {"slow.test", "4.4.3", Reason::kLookupFailed},
      {"bare.test", "5.4.4", Reason::kNoAddress},
      {"numbers.test", "5.4.4", Reason::kNoAddress},
      {"missing.test", "5.4.4", Reason::kNoAddress},
      {"ours.test", "5.4.6", Reason::kLoop},
      {"ours-by-address.test", "5.4.6", Reason::kLoop},
      {"loop.test", "5.4.6", Reason::kLoop},
      {"self.test", "5.1.2", Reason::kNoDomain},
      {"inside.test", "5.4.4", Reason::kForbidden},
      {"localhost.test", "5.4.4", Reason::kForbidden},
      // As long as one of the hosts may turn out to be good, it is not over.
      {"half.test", "4.4.3", Reason::kLookupFailed},
      {"half-inside.test", "4.4.3", Reason::kLookupFailed},
      {"addressfail.test", "4.4.3", Reason::kLookupFailed},
      {"refused-and-fail.test", "4.4.3", Reason::kLookupFailed},
  };
  for (const auto& row : kRows) {
    const NoNextHop none = None(row.domain);
    EXPECT_EQ(none.reason, row.reason) << row.domain << ": " << none.text;
    EXPECT_EQ(EnhancedStatus(none.reason), row.status) << row.domain;
    EXPECT_EQ(none.temporary(), row.status[0] == '4') << row.domain;
    EXPECT_THAT(none.text, HasSubstr(".test ")) << row.domain;
  }
}

TEST_F(NextHopsTest, ARefusedAddressIsNamed) {
  SetMx("example.test", {Mx{10, "mx.test"}});
  SetA("mx.test", {Ipv4Bytes{169, 254, 169, 254}});
  const NoNextHop none = None("example.test");
  EXPECT_EQ(none.verdict, net::AddressVerdict::kLinkLocal);
  EXPECT_EQ(none.text, "mx.test has the address 169.254.169.254 (link-local), which mail is not sent to");
}

TEST_F(NextHopsTest, RefusedAddressesAreLeftOut) {
  SetMx("example.test", {Mx{10, "bad.test"}, Mx{20, "mixed.test"}});
  SetA("bad.test", {Ipv4Bytes{10, 0, 0, 1}});
  SetA("mixed.test", {Ipv4Bytes{127, 0, 0, 1}, V4(1)});
  EXPECT_THAT(Hosts(Found("example.test")), ElementsAre("mixed.test 192.0.2.1"));
  options_.rules.allow_private = true;
  EXPECT_THAT(Hosts(Found("example.test")), ElementsAre("bad.test 10.0.0.1", "mixed.test 192.0.2.1"));
}

TEST_F(NextHopsTest, AHostThatFailsForNowIsPassedOverAndRemembered) {
  SetMx("example.test", {Mx{10, "down.test"}, Mx{20, "b.test"}});
  dns_.Set("down.test", Type::kA, Failed(Failure::kServFail));
  SetA("b.test", {V4(2)});
  const NextHops hops = Found("example.test");
  EXPECT_THAT(Hosts(hops), ElementsAre("b.test 192.0.2.2"));
  EXPECT_THAT(hops.unresolved, ElementsAre("down.test"));
  // One family is enough for a host.
  dns_.Set("down.test", Type::kAaaa, Answered({V6(1)}));
  EXPECT_THAT(Hosts(Found("example.test")), ElementsAre("down.test 2001:db8::1", "b.test 192.0.2.2"));
  EXPECT_THAT(Found("example.test").unresolved, IsEmpty());
}

TEST_F(NextHopsTest, WhoeverIsNotBetterThanWeIsDropped) {
  SetMx("by-name.test", {Mx{10, "a.test"}, Mx{20, "self.test"}, Mx{20, "b.test"}, Mx{30, "c.test"}});
  SetMx("by-address.test",
        {Mx{10, "a.test"}, Mx{20, "known-otherwise.test"}, Mx{20, "b.test"}, Mx{30, "c.test"}});
  SetMx("by-alias.test", {Mx{10, "a.test"}, Mx{20, "alias.test"}, Mx{30, "c.test"}});
  for (const char* host : {"a.test", "b.test", "c.test"}) SetA(host, {V4(1)});
  SetA("known-otherwise.test", {V4(2), V4(99)});
  dns_.Set("alias.test", Type::kA, AliasOf("self.test", Answered({V4(3)})));
  for (const char* domain : {"by-name.test", "by-address.test", "by-alias.test"}) {
    EXPECT_THAT(Hosts(Found(domain)), ElementsAre("a.test 192.0.2.1")) << domain;
  }
}

TEST_F(NextHopsTest, AnAllowedNetworkIsAlsoNotOurselves) {
  SetMx("example.test", {Mx{10, "mx.test"}});
  SetA("mx.test", {V4(99)});
  options_.rules.allowed = *net::NetworkList::Parse("192.0.2.99");
  EXPECT_THAT(Hosts(Found("example.test")), ElementsAre("mx.test 192.0.2.99"));
}

TEST_F(NextHopsTest, AddressLiterals) {
  EXPECT_THAT(Hosts(Found("[192.0.2.1]")), ElementsAre("[192.0.2.1] 192.0.2.1"));
  EXPECT_THAT(Hosts(Found("[ipv6:2001:db8::1]")), ElementsAre("[ipv6:2001:db8::1] 2001:db8::1"));
  EXPECT_THAT(dns_.asked(), IsEmpty());
  EXPECT_EQ(StatusOf("[127.0.0.1]"), "5.4.4");
  EXPECT_EQ(None("[ipv6:::1]").verdict, net::AddressVerdict::kLoopback);
  EXPECT_EQ(StatusOf("[192.0.2.99]"), "5.4.6");
  for (const char* bad :
       {"[]", "[", "[192.0.2.1", "[2001:db8::1]", "[ipv6:192.0.2.1]", "[ipv6:fe80::1%lo]", "[x]"}) {
    EXPECT_EQ(StatusOf(bad), "5.1.3") << bad;
  }
}

TEST_F(NextHopsTest, AddressesOfAnAttemptAreBounded) {
  std::vector<dns::Record> many4;
  std::vector<dns::Record> many6;
  for (uint8_t i = 1; i <= 20; ++i) {
    many4.push_back(V4(i));
    many6.push_back(V6(i));
  }
  SetMx("example.test", {Mx{1, "a.test"}, Mx{2, "b.test"}, Mx{3, "c.test"}, Mx{4, "d.test"}});
  for (const char* host : {"a.test", "b.test", "c.test", "d.test"}) {
    SetA(host, many4);
    dns_.Set(host, Type::kAaaa, Answered(many6));
  }
  const NextHops hops = Found("example.test");
  ASSERT_EQ(hops.hosts.size(), 3u);
  EXPECT_EQ(hops.hosts[0].addresses.size(), kMaxAddressesPerHost);
  EXPECT_EQ(hops.hosts[1].addresses.size(), kMaxAddressesPerHost);
  EXPECT_EQ(hops.hosts[2].addresses.size(), kMaxAddressesPerAttempt - 2 * kMaxAddressesPerHost);
}

TEST_F(NextHopsTest, NeverWaitsPastTheDeadline) {
  SetMx("example.test", {Mx{10, "mx.test"}});
  SetA("mx.test", {V4(1)});
  dns_.SetDelay(absl::Seconds(40));
  const absl::Time begin = time_.Now();
  EXPECT_EQ(StatusOf("example.test"), "4.4.3");
  EXPECT_EQ(time_.Now() - begin, absl::Minutes(1));
}

TEST_F(NextHopsTest, ANamedHostIsNotLookedUpForMxNorRefused) {
  SetMx("relay.test", {Mx{10, "elsewhere.test"}});
  SetA("relay.test", {Ipv4Bytes{127, 0, 0, 1}, V4(99)});
  NextHopFinder finder(dns_, options_, random_);
  const auto find = [&](const std::string& host) {
    return RunToEnd(context_, time_, finder.ForHost(host, time_.Now() + absl::Minutes(1)));
  };
  EXPECT_THAT(Hosts(std::get<NextHops>(find("relay.test"))), ElementsAre("relay.test 192.0.2.99 127.0.0.1"));
  EXPECT_EQ(dns_.count("relay.test", Type::kMx), 0);
  EXPECT_THAT(Hosts(std::get<NextHops>(find("::1"))), ElementsAre("::1 ::1"));
  EXPECT_EQ(std::get<NoNextHop>(find("nothing.test")).reason, Reason::kNoAddress);
  dns_.Set("relay.test", Type::kA, Failed(Failure::kServFail));
  EXPECT_EQ(std::get<NoNextHop>(find("relay.test")).reason, Reason::kLookupFailed);
}

std::vector<std::string> Balanced(int ipv6, int ipv4, size_t max_count, size_t first) {
  std::vector<asio::ip::address> v6;
  std::vector<asio::ip::address> v4;
  // What is shuffled keeps its order; the last is taken first.
  for (int i = ipv6; i >= 1; --i) v6.push_back(asio::ip::make_address(absl::StrCat("2001:db8::", i)));
  for (int i = ipv4; i >= 1; --i) v4.push_back(asio::ip::make_address(absl::StrCat("192.0.2.", i)));
  size_t shuffles = static_cast<size_t>(std::max(0, ipv6 - 1) + std::max(0, ipv4 - 1));
  const auto random = [&](size_t bound) { return shuffles-- > 0 ? bound - 1 : first; };
  std::vector<std::string> texts;
  for (const auto& address : BalanceAddresses(v6, v4, max_count, random))
    texts.push_back(address.to_string());
  return texts;
}

TEST(BalanceAddressesTest, FamiliesTakeTurns) {
  EXPECT_THAT(Balanced(2, 2, 9, 0), ElementsAre("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"));
  EXPECT_THAT(Balanced(2, 2, 9, 1), ElementsAre("192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"));
  EXPECT_THAT(Balanced(3, 1, 9, 0), ElementsAre("2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"));
  EXPECT_THAT(Balanced(0, 2, 9, 0), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(Balanced(2, 0, 9, 0), ElementsAre("2001:db8::1", "2001:db8::2"));
  EXPECT_THAT(Balanced(0, 0, 9, 0), IsEmpty());
}

TEST(BalanceAddressesTest, BothFamiliesHaveAPlaceWithinTheBound) {
  EXPECT_THAT(Balanced(9, 1, 2, 0), ElementsAre("2001:db8::1", "192.0.2.1"));
  EXPECT_THAT(Balanced(1, 9, 3, 1), ElementsAre("192.0.2.1", "2001:db8::1", "192.0.2.2"));
  EXPECT_THAT(Balanced(2, 2, 0, 0), IsEmpty());
}

}  // namespace
}  // namespace mailstead::smtp
