#include "stored/core/ticket_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/net/ticket_life.h"

namespace mailstead::stored {
namespace {

constexpr absl::Duration kPeriod = absl::Hours(12);

class TicketKeysTest : public testing::Test {
 protected:
  std::vector<TicketKeys::Key> List() { return keys_.List("smtp").keys; }
  std::string Sealing() { return List().front().secret; }
  // For how long `secret` still opens tickets; nothing when it is not listed.
  std::optional<absl::Duration> OpenFor(const std::string& secret) {
    for (const TicketKeys::Key& key : List()) {
      if (key.secret == secret) return key.open_for;
    }
    return std::nullopt;
  }

  FakeClock clock_;
  TicketKeys keys_{clock_, kPeriod};
};

TEST_F(TicketKeysTest, TheFirstSealsAtOnceAndStays) {
  EXPECT_TRUE(keys_.List("smtp").made);
  const std::string first = Sealing();
  EXPECT_EQ(first.size(), 32u);
  clock_.Advance(kPeriod - absl::Minutes(3));
  EXPECT_FALSE(keys_.List("smtp").made);
  EXPECT_EQ(Sealing(), first);
  EXPECT_EQ(List().size(), 1u);
}

TEST_F(TicketKeysTest, TheNextIsKnownBeforeItSeals) {
  const std::string first = Sealing();
  clock_.Advance(kPeriod - absl::Minutes(2));
  EXPECT_TRUE(keys_.List("smtp").made);
  ASSERT_EQ(List().size(), 2u);
  EXPECT_EQ(Sealing(), first);
  const std::string second = List()[1].secret;
  EXPECT_NE(second, first);
  // Everyone has asked several times until then.
  EXPECT_LE(keys_.ask_again_after() * 3, absl::Minutes(2));
  clock_.Advance(absl::Minutes(2) - absl::Milliseconds(1));
  EXPECT_EQ(Sealing(), first);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(Sealing(), second);
  EXPECT_FALSE(keys_.List("smtp").made);
}

TEST_F(TicketKeysTest, AnOldOneOpensForAsLongAsItsTicketsLive) {
  const std::string first = Sealing();
  clock_.Advance(kPeriod - absl::Minutes(2));
  List();
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(OpenFor(first), net::kTicketLife);
  clock_.Advance(net::kTicketLife - absl::Milliseconds(1));
  EXPECT_EQ(OpenFor(first), absl::Milliseconds(1));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(OpenFor(first), std::nullopt);
}

TEST_F(TicketKeysTest, WhenNobodyAskedTheOldOneSealsUntilAllCanHaveTheNew) {
  const std::string first = Sealing();
  clock_.Advance(10 * kPeriod);
  EXPECT_EQ(Sealing(), first);
  EXPECT_EQ(OpenFor(first), absl::Minutes(2) + net::kTicketLife);
  clock_.Advance(absl::Minutes(2));
  EXPECT_NE(Sealing(), first);
}

TEST_F(TicketKeysTest, AllKeysAreDifferentAndFewAreKept) {
  std::set<std::string> seen;
  size_t most = 0;
  for (int i = 0; i < 400; ++i) {
    seen.insert(Sealing());
    most = std::max(most, List().size());
    clock_.Advance(absl::Minutes(20));
  }
  // 133 hours.
  EXPECT_EQ(seen.size(), 12u);
  EXPECT_LE(most, 3u);
}

TEST_F(TicketKeysTest, EachKindOfFrontEndHasItsOwn) {
  EXPECT_NE(keys_.List("smtp").keys[0].secret, keys_.List("pop").keys[0].secret);
}

TEST_F(TicketKeysTest, AnotherProcessHasOthers) {
  TicketKeys other(clock_, kPeriod);
  EXPECT_NE(Sealing(), other.List("smtp").keys[0].secret);
}

TEST(TicketKeys, AShortPeriodShortensAllElse) {
  FakeClock clock;
  TicketKeys keys(clock, absl::Seconds(8));
  EXPECT_EQ(keys.ask_again_after(), absl::Milliseconds(250));
  const std::string first = keys.List("smtp").keys[0].secret;
  clock.Advance(absl::Seconds(7));
  EXPECT_TRUE(keys.List("smtp").made);
  clock.Advance(absl::Seconds(1));
  const std::vector<TicketKeys::Key> both = keys.List("smtp").keys;
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[1].secret, first);
  EXPECT_EQ(both[1].open_for, absl::Seconds(8));
}

}  // namespace
}  // namespace mailstead::stored
