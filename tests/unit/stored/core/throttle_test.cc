#include "stored/core/throttle.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace mailstead::stored
