#include "common/net/connection_counter.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::net {
namespace {

using Place = ConnectionCounter::Place;
using Verdict = ConnectionCounter::Verdict;

TEST(ConnectionCounterTest, TheLimitInAllIsReachedAndNotPassed) {
  ConnectionCounter counter(3, 0);
  std::vector<Place> places(4);
  EXPECT_EQ(counter.Admit("192.0.2.1", places[0]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.2.2", places[1]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.2.3", places[2]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.2.4", places[3]), Verdict::kTooManyInAll);
  EXPECT_EQ(counter.count(), 3u);
  places[1] = Place();
  EXPECT_EQ(counter.count(), 2u);
  EXPECT_EQ(counter.Admit("192.0.2.4", places[3]), Verdict::kAdmitted);
}

TEST(ConnectionCounterTest, TheLimitOfAnAddressIsItsOwn) {
  ConnectionCounter counter(0, 2);
  std::vector<Place> places(4);
  EXPECT_EQ(counter.Admit("192.0.2.1", places[0]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.2.1", places[1]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.2.1", places[2]), Verdict::kTooManyFromAddress);
  EXPECT_EQ(counter.Admit("192.0.2.2", places[2]), Verdict::kAdmitted);
  EXPECT_EQ(counter.count(), 3u);
  places[0] = Place();
  EXPECT_EQ(counter.Admit("192.0.2.1", places[3]), Verdict::kAdmitted);
}

TEST(ConnectionCounterTest, ZeroMeansNoLimit) {
  ConnectionCounter counter(0, 0);
  std::vector<Place> places(5000);
  for (Place& place : places) ASSERT_EQ(counter.Admit("192.0.2.1", place), Verdict::kAdmitted);
  EXPECT_EQ(counter.count(), places.size());
  places.clear();
  EXPECT_EQ(counter.count(), 0u);
}

TEST(ConnectionCounterTest, ARefusalTakesNoPlace) {
  ConnectionCounter counter(1, 1);
  Place held;
  ASSERT_EQ(counter.Admit("192.0.2.1", held), Verdict::kAdmitted);
  for (int i = 0; i < 10; ++i) {
    Place refused;
    EXPECT_EQ(counter.Admit("192.0.2.2", refused), Verdict::kTooManyInAll);
  }
  EXPECT_EQ(counter.count(), 1u);
  held = Place();
  EXPECT_EQ(counter.count(), 0u);
  Place next;
  EXPECT_EQ(counter.Admit("192.0.2.2", next), Verdict::kAdmitted);
}

TEST(ConnectionCounterTest, APlaceIsLeftOnceHoweverOftenItMoves) {
  ConnectionCounter counter(10, 10);
  Place first;
  ASSERT_EQ(counter.Admit("192.0.2.1", first), Verdict::kAdmitted);
  {
    Place second(std::move(first));
    Place third;
    third = std::move(second);
    Place& same = third;
    third = std::move(same);
    EXPECT_EQ(counter.count(), 1u);
  }
  EXPECT_EQ(counter.count(), 0u);
}

TEST(ConnectionCounterTest, AnotherAdmissionIntoTheSamePlaceLeavesTheFirst) {
  ConnectionCounter counter(10, 10);
  Place place;
  ASSERT_EQ(counter.Admit("192.0.2.1", place), Verdict::kAdmitted);
  ASSERT_EQ(counter.Admit("192.0.2.2", place), Verdict::kAdmitted);
  EXPECT_EQ(counter.count(), 1u);
}

TEST(ConnectionCounterTest, TheAddressesOfOneIpv6CustomerCountAsOne) {
  ConnectionCounter counter(0, 2);
  std::vector<Place> places(4);
  EXPECT_EQ(counter.Admit("2001:db8:1:2::1", places[0]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("2001:db8:1:2:ffff::2", places[1]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("2001:db8:1:2::3", places[2]), Verdict::kTooManyFromAddress);
  EXPECT_EQ(counter.Admit("2001:db8:1:3::1", places[3]), Verdict::kAdmitted);
}

TEST(ConnectionCounterTest, TrustedNetworksCountInAllOnly) {
  ConnectionCounter counter(4, 1, *NetworkList::Parse("127.0.0.0/8,::1,192.0.2.0/24"));
  std::vector<Place> places(5);
  EXPECT_EQ(counter.Admit("127.0.0.1", places[0]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("127.0.0.1", places[1]), Verdict::kAdmitted);
  EXPECT_EQ(counter.address_count(), 0u);
  EXPECT_EQ(counter.Admit("192.0.3.1", places[2]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.3.1", places[3]), Verdict::kTooManyFromAddress);
  EXPECT_EQ(counter.Admit("::1", places[3]), Verdict::kAdmitted);
  EXPECT_EQ(counter.Admit("192.0.2.255", places[4]), Verdict::kTooManyInAll);
  places.clear();
  EXPECT_EQ(counter.count(), 0u);
}

// Else every stranger who ever came would be remembered.
TEST(ConnectionCounterTest, KeepsNothingOfAddressesThatHaveLeft) {
  ConnectionCounter counter(0, 2);
  for (int i = 0; i < 1000; ++i) {
    Place first, second, refused;
    const std::string address = absl::StrCat("2001:db8:0:", absl::Hex(i), "::1");
    ASSERT_EQ(counter.Admit(address, first), Verdict::kAdmitted);
    ASSERT_EQ(counter.Admit(address, second), Verdict::kAdmitted);
    ASSERT_EQ(counter.Admit(address, refused), Verdict::kTooManyFromAddress);
    ASSERT_EQ(counter.address_count(), 1u);
  }
  EXPECT_EQ(counter.address_count(), 0u);
}

TEST(ConnectionCounterTest, ManyThreadsNeverPassTheLimit) {
  ConnectionCounter counter(10, 4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&counter, t] {
      const std::string address = absl::StrCat("192.0.2.", t % 2);
      for (int i = 0; i < 5000; ++i) {
        std::vector<Place> places(5);
        for (Place& place : places) {
          const bool admitted = counter.Admit(address, place) == Verdict::kAdmitted;
          EXPECT_TRUE(!admitted || counter.count() <= 8);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.count(), 0u);
}

}  // namespace
}  // namespace mailstead::net
