#include "stored/core/throttle.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

constexpr char kAccount[] = "demo@example.test";
constexpr char kHome[] = "192.0.2.1";
constexpr char kElsewhere[] = "198.51.100.7";

class LoginThrottleTest : public testing::Test {
 protected:
  LoginThrottleTest() : throttle_(clock_, Options()) {}

  static ThrottleOptions Options() {
    ThrottleOptions options;
    options.first_delay = absl::Seconds(1);
    options.max_delay = absl::Seconds(10);
    options.failures_before_delay = 3;
    options.lockout_failures = 8;
    options.network_lockout_failures = 20;
    options.lockout_time = absl::Minutes(10);
    options.half_life = absl::Minutes(10);
    options.max_entries = 1000;
    return options;
  }

  // A guess that was not made before.
  absl::Duration Guess(absl::string_view account, absl::string_view network) {
    return throttle_.Failure(account, network, absl::StrCat("guess ", ++guesses_));
  }

  FakeClock clock_;
  LoginThrottle throttle_;
  int guesses_ = 0;
};

TEST_F(LoginThrottleTest, TheDelayDoublesUpToItsMost) {
  const double expected[] = {1, 1, 1, 2, 4, 8, 10, 10};
  for (const double seconds : expected) EXPECT_EQ(Guess(kAccount, kHome), absl::Seconds(seconds));
}

TEST_F(LoginThrottleTest, ThePairIsLockedOutAtItsThreshold) {
  for (int i = 0; i < 7; ++i) Guess(kAccount, kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  Guess(kAccount, kHome);
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
  clock_.Advance(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, StrangersLockNobodyOutElsewhere) {
  for (int network = 0; network < 100; ++network) {
    for (int i = 0; i < 8; ++i) Guess(kAccount, absl::StrCat("203.0.113.", network));
  }
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  // They only slow wrong answers down.
  EXPECT_EQ(Guess(kAccount, kHome), absl::Seconds(10));
}

TEST_F(LoginThrottleTest, OneNetworkGuessingAtManyAccountsIsLockedOut) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(throttle_.IsLockedOut("other@example.test", kHome)) << i;
    Guess(absl::StrCat(i, "@example.test"), kHome);
  }
  EXPECT_TRUE(throttle_.IsLockedOut("other@example.test", kHome));
  EXPECT_FALSE(throttle_.IsLockedOut("other@example.test", kElsewhere));
}

TEST_F(LoginThrottleTest, TheSameWrongPasswordAgainIsNoNewGuess) {
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(throttle_.Failure(kAccount, kHome, "old password"), absl::Seconds(1));
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, AnUnknownGuessAlwaysCounts) {
  for (int i = 0; i < 8; ++i) throttle_.Failure(kAccount, kHome, "");
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, SuccessForgivesTheAccountThere) {
  for (int i = 0; i < 6; ++i) Guess(kAccount, kHome);
  throttle_.Success(kAccount, kHome);
  for (int i = 0; i < 7; ++i) Guess(kAccount, kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, SuccessDoesNotForgiveTheNetwork) {
  for (int i = 0; i < 20; ++i) {
    Guess(absl::StrCat(i, "@example.test"), kHome);
    throttle_.Success("attackers.own@example.test", kHome);
  }
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, FailuresDecay) {
  for (int i = 0; i < 6; ++i) Guess(kAccount, kHome);
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Guess(kAccount, kHome), absl::Seconds(1));
  for (int i = 0; i < 6; ++i) Guess(kAccount, kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, AskingForTheDelayCountsNothing) {
  Guess(kAccount, kHome);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(throttle_.Delay(kAccount, kHome), absl::Seconds(1));
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, ANetworkThatGuessesIsSlowedDownForEveryName) {
  for (int i = 0; i < 19; ++i) Guess(absl::StrCat(i, "@example.test"), kHome);
  EXPECT_GT(throttle_.Delay("fresh@example.test", kHome), absl::Seconds(1));
  EXPECT_EQ(throttle_.Delay("fresh@example.test", kElsewhere), absl::Seconds(1));
  EXPECT_GT(Guess("fresh@example.test", kHome), absl::Seconds(1));
}

TEST_F(LoginThrottleTest, WhoLoggedInLatelyIsNotLockedOutByWhatOthersFailAt) {
  throttle_.Success(kAccount, kHome);
  for (int i = 0; i < 20; ++i) Guess(absl::StrCat(i, "@example.test"), kHome);
  EXPECT_TRUE(throttle_.IsLockedOut("other@example.test", kHome));
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  // Somebody there guesses at this very account.
  for (int i = 0; i < 8; ++i) Guess(kAccount, kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  throttle_.Success(kAccount, kHome);
  EXPECT_TRUE(throttle_.IsLockedOut("other@example.test", kHome));
}

TEST_F(LoginThrottleTest, ALockOutOfThePairDoesNotKeepWhoIsKnownOut) {
  throttle_.Success(kAccount, kHome);
  for (int i = 0; i < 8; ++i) Guess(kAccount, kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  EXPECT_EQ(Guess(kAccount, kHome), absl::Seconds(10)) << "a wrong one is slowed down";
}

TEST_F(LoginThrottleTest, GuessesAtWhoIsKnownHaveAnEndToo) {
  throttle_.Success(kAccount, kHome);
  // Up to the lock-out of the pair, then up to that of who is known.
  for (int i = 0; i < 8 + 19; ++i) Guess(kAccount, kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  Guess(kAccount, kHome);
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
  clock_.Advance(absl::Minutes(10));
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, TheSameWrongPasswordOfWhoIsKnownIsNoNewGuess) {
  throttle_.Success(kAccount, kHome);
  for (int i = 0; i < 8; ++i) Guess(kAccount, kHome);
  for (int i = 0; i < 100; ++i) throttle_.Failure(kAccount, kHome, "old password");
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, DelaysDoNotTellWhoIsKnown) {
  throttle_.Success(kAccount, kHome);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 30; ++i) {
      // As the authenticator does: who is locked out is refused unseen.
      const auto attempt = [&](absl::string_view account) {
        if (throttle_.IsLockedOut(account, kHome)) return throttle_.Delay(account, kHome);
        return Guess(account, kHome);
      };
      EXPECT_EQ(attempt(kAccount), attempt("nobody@example.test")) << round << " " << i;
    }
    clock_.Advance(absl::Minutes(10));
  }
}

TEST_F(LoginThrottleTest, ALockOutOutlivesTheLoginOfWhoIsKnown) {
  throttle_.Success(kAccount, kHome);
  for (int i = 0; i < 8; ++i) Guess(kAccount, kHome);
  const absl::Duration before = throttle_.Delay(kAccount, kHome);
  throttle_.Success(kAccount, kHome);
  EXPECT_EQ(throttle_.Delay(kAccount, kHome), before) << "a stranger would see that somebody has logged in";
}

TEST_F(LoginThrottleTest, NobodyIsKnownForEver) {
  throttle_.Success(kAccount, kHome);
  clock_.Advance(ThrottleOptions().known_for);
  for (int i = 0; i < 8; ++i) Guess(kAccount, kHome);
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
}

TEST_F(LoginThrottleTest, WhatProvesNothingUsesUpNobodysTries) {
  for (int i = 0; i < 1000; ++i) throttle_.Oddity(kAccount, kHome);
  for (int i = 0; i < 1000; ++i) throttle_.Oddity("", kHome);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  EXPECT_FALSE(throttle_.IsLockedOut("other@example.test", kHome));
  EXPECT_EQ(throttle_.Delay(kAccount, kHome), absl::Seconds(1));
  EXPECT_EQ(throttle_.Delay("other@example.test", kHome), absl::Seconds(1));
}

TEST_F(LoginThrottleTest, WhatProvesNothingIsSlowedDown) {
  const double expected[] = {0, 0, 0, 2, 4, 8, 10, 10};
  for (const double seconds : expected) EXPECT_EQ(throttle_.Oddity("", kHome), absl::Seconds(seconds));
  EXPECT_EQ(throttle_.Oddity("", kElsewhere), absl::ZeroDuration());
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(throttle_.Oddity("", kHome), absl::ZeroDuration());
}

TEST_F(LoginThrottleTest, LongNamesAreToldApart) {
  const std::string longer(200, 'x');
  for (int i = 0; i < 8; ++i) Guess(longer + "a", kHome);
  EXPECT_TRUE(throttle_.IsLockedOut(longer + "a", kHome));
  EXPECT_FALSE(throttle_.IsLockedOut(longer + "b", kHome));
}

TEST(ClientNetwork, CountsIpv4ByAddressAndIpv6ByPrefix) {
  EXPECT_EQ(*ClientNetwork("client", "192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(*ClientNetwork("client", "::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(*ClientNetwork("client", "2001:db8:1:2::1"), "2001:db8:1:2::/64");
  EXPECT_EQ(*ClientNetwork("client", "2001:db8:1:2:ffff::9"), "2001:db8:1:2::/64");
  EXPECT_EQ(*ClientNetwork("client", "2001:db8:1:3::1"), "2001:db8:1:3::/64");
  EXPECT_EQ(*ClientNetwork("client", "fe80::1%eth0"), "fe80::/64");
}

TEST(ClientNetwork, RefusesWhatIsNoAddress) {
  for (const char* bad : {"", "localhost", "192.0.2", "192.0.2.1:25", "[::1]", "::g"}) {
    EXPECT_EQ(FieldOf(ClientNetwork("start.client_address", bad).status()), "start.client_address") << bad;
  }
}

// ---- What operators see and do

// "scope account network state failures seconds-left".
std::vector<std::string> Describe(const std::vector<Lockout>& lockouts, absl::Time now) {
  std::vector<std::string> described;
  for (const Lockout& lockout : lockouts) {
    described.push_back(absl::StrCat(NameOf(lockout.scope), " '", lockout.account, "' '", lockout.network,
                                     "' ", lockout.locked_out ? "locked out" : "delayed", " ",
                                     lockout.failure_count, " ",
                                     std::round(absl::ToDoubleSeconds(lockout.until - now))));
  }
  return described;
}

TEST_F(LoginThrottleTest, NobodyIsListedForAFewMistakes) {
  for (int i = 0; i < 3; ++i) Guess(kAccount, kHome);
  for (int i = 0; i < 9; ++i) throttle_.Oddity(kAccount, kHome);
  EXPECT_TRUE(throttle_.List("", 10).empty());
}

TEST_F(LoginThrottleTest, WhoIsDelayedIsListedUntilThatEnds) {
  for (int i = 0; i < 7; ++i) Guess(kAccount, kHome);
  // 7 failures are 3.5 after ten minutes: half a failure above those that delay nothing.
  EXPECT_EQ(Describe(throttle_.List("", 10), clock_.Now()),
            (std::vector<std::string>{"account_in_network 'demo@example.test' '192.0.2.1' delayed 7 600",
                                      "account 'demo@example.test' '' delayed 7 600"}));
  clock_.Advance(absl::Minutes(9));
  EXPECT_EQ(throttle_.List("", 10).size(), 2u);
  clock_.Advance(absl::Minutes(1) + absl::Milliseconds(1));
  EXPECT_TRUE(throttle_.List("", 10).empty());
  EXPECT_EQ(Guess(kAccount, kHome), absl::Seconds(2)) << "the fourth";
}

TEST_F(LoginThrottleTest, LockoutsAreListedInOrderAndInPages) {
  for (int i = 0; i < 8; ++i) Guess(kAccount, kElsewhere);
  for (int i = 0; i < 20; ++i) Guess(absl::StrCat(i, "@example.test"), kHome);
  const std::vector<std::string> expected = {
      "network '' '192.0.2.1' locked out 20 600",
      "account_in_network 'demo@example.test' '198.51.100.7' locked out 8 600",
      "account 'demo@example.test' '' delayed 8 716",
  };
  const std::vector<Lockout> all = throttle_.List("", 10);
  EXPECT_EQ(Describe(all, clock_.Now()), expected);
  std::vector<Lockout> paged;
  for (std::string after;;) {
    const std::vector<Lockout> page = throttle_.List(after, 1);
    if (page.empty()) break;
    paged.push_back(page.front());
    after = KeyOf(page.front());
  }
  EXPECT_EQ(Describe(paged, clock_.Now()), Describe(all, clock_.Now()));
  EXPECT_TRUE(throttle_.List("", 0).empty());
}

TEST_F(LoginThrottleTest, ALongNameIsListedByItsDigest) {
  const std::string name(65, 'x');
  const std::string other = "j\xF6rg";
  for (int i = 0; i < 8; ++i) {
    Guess(name, kHome);
    Guess(other, kElsewhere);
  }
  std::vector<std::string> listed;
  for (const Lockout& lockout : throttle_.List("", 10)) {
    if (lockout.scope == LockoutScope::kAccountInNetwork) listed.push_back(lockout.account);
  }
  ASSERT_EQ(listed.size(), 2u);
  for (const std::string& one : listed) {
    EXPECT_EQ(one.size(), 71u) << one;
    EXPECT_EQ(one.substr(0, 7), "sha256:");
  }
  EXPECT_EQ(throttle_.Clear(listed[0], "").locked_out_count, 1) << "as it was listed";
  EXPECT_FALSE(throttle_.IsLockedOut(name, kHome));
  EXPECT_EQ(throttle_.Clear(other, "").locked_out_count, 1) << "as it was given";
}

TEST_F(LoginThrottleTest, AnAccountIsClearedInOneNetworkOrInAll) {
  for (int i = 0; i < 8; ++i) {
    Guess(kAccount, kHome);
    Guess(kAccount, kElsewhere);
    Guess("other@example.test", kHome);
  }
  const ClearedLockouts in_one = throttle_.Clear(kAccount, kElsewhere);
  EXPECT_EQ(in_one.count, 1);
  EXPECT_EQ(in_one.locked_out_count, 1);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kElsewhere));
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
  const ClearedLockouts in_all = throttle_.Clear(kAccount, "");
  EXPECT_EQ(in_all.count, 2) << "with the account's own";
  EXPECT_EQ(in_all.locked_out_count, 1);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  EXPECT_TRUE(throttle_.IsLockedOut("other@example.test", kHome));
  EXPECT_EQ(throttle_.Clear(kAccount, "").count, 0);
  EXPECT_EQ(throttle_.Clear("demo", "").count, 0) << "the begin of a name";
}

TEST_F(LoginThrottleTest, ANetworkIsClearedWithItsAccounts) {
  for (int i = 0; i < 12; ++i) {
    Guess(kAccount, kHome);
    Guess("other@example.test", kHome);
    Guess(kAccount, kElsewhere);
  }
  EXPECT_EQ(throttle_.Clear("", kHome).count, 3);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  EXPECT_FALSE(throttle_.IsLockedOut("other@example.test", kHome));
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kElsewhere));
  EXPECT_EQ(throttle_.Clear("", kHome).count, 0);
  EXPECT_EQ(throttle_.Clear("", "198.51.100.70").count, 0) << "another one";
}

TEST_F(LoginThrottleTest, AKnownAccountIsListedApartAndStaysKnownWhenItIsCleared) {
  throttle_.Success(kAccount, kHome);
  for (int i = 0; i < 20; ++i) Guess(absl::StrCat(i, "@example.test"), kHome);
  for (int i = 0; i < 20; ++i) Guess(kAccount, kHome);
  EXPECT_TRUE(throttle_.IsLockedOut(kAccount, kHome));
  std::vector<std::string> known;
  for (const std::string& line : Describe(throttle_.List("", 100), clock_.Now())) {
    if (absl::StartsWith(line, "known")) known.push_back(line);
  }
  EXPECT_EQ(known, std::vector<std::string>{
                       "known_account_in_network 'demo@example.test' '192.0.2.1' locked out 20 600"});
  EXPECT_EQ(throttle_.Clear(kAccount, kHome).locked_out_count, 1);
  EXPECT_FALSE(throttle_.IsLockedOut(kAccount, kHome));
  EXPECT_TRUE(throttle_.IsLockedOut("other@example.test", kHome));
}

TEST_F(LoginThrottleTest, LockoutsAreCounted) {
  const auto place = [](LockoutScope scope) { return static_cast<size_t>(scope) - 1; };
  for (int i = 0; i < 8; ++i) Guess(kAccount, kElsewhere);
  for (int i = 0; i < 20; ++i) Guess(absl::StrCat(i, "@example.test"), kHome);
  LockoutCounts counts = throttle_.CountLockouts();
  EXPECT_EQ(counts.now[place(LockoutScope::kNetwork)], 1);
  EXPECT_EQ(counts.now[place(LockoutScope::kAccountInNetwork)], 1);
  EXPECT_EQ(counts.now[place(LockoutScope::kAccount)], 0);
  EXPECT_EQ(counts.total, counts.now);
  throttle_.Clear(kAccount, kElsewhere);
  clock_.Advance(absl::Minutes(10));
  counts = throttle_.CountLockouts();
  EXPECT_EQ(counts.now, (std::array<int64_t, kLockoutScopes>{}));
  EXPECT_EQ(counts.total[place(LockoutScope::kNetwork)], 1);
  EXPECT_EQ(counts.total[place(LockoutScope::kAccountInNetwork)], 1);
}

TEST(NamedNetwork, IsAnAddressOrANetworkAsItIsListed) {
  EXPECT_EQ(*NamedNetwork("network", "192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(*NamedNetwork("network", "2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
  EXPECT_EQ(*NamedNetwork("network", "2001:db8:1:2::/64"), "2001:db8:1:2::/64");
  for (const char* bad : {"", "192.0.2.1/64", "192.0.2.0/24", "2001:db8::/32", "example.test"}) {
    EXPECT_EQ(FieldOf(NamedNetwork("network", bad).status()), "network") << bad;
  }
}

}  // namespace
}  // namespace mailstead::stored
