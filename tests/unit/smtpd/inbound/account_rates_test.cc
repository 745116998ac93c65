#include "smtpd/inbound/account_rates.h"

#include <utility>

#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

bool Send(AccountRates& rates, absl::string_view account) {
  AccountRates::Reservation reservation;
  if (!rates.Reserve(account, reservation)) return false;
  reservation.Keep();
  return true;
}

class AccountRatesTest : public testing::Test {
 protected:
  // The beginning of an hour.
  FakeClock clock_{absl::FromUnixSeconds(3600 * 1000)};
};

TEST_F(AccountRatesTest, CountsEachAccountForItself) {
  AccountRates rates(2, clock_);
  EXPECT_TRUE(Send(rates, "a"));
  EXPECT_TRUE(Send(rates, "a"));
  EXPECT_FALSE(Send(rates, "a"));
  EXPECT_TRUE(Send(rates, "b"));
}

TEST_F(AccountRatesTest, ZeroIsNoLimit) {
  AccountRates rates(0, clock_);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(Send(rates, "a"));
}

TEST_F(AccountRatesTest, WhatWasNotSentIsTakenBack) {
  AccountRates rates(1, clock_);
  {
    AccountRates::Reservation first;
    ASSERT_TRUE(rates.Reserve("a", first));
    // It counts while it is under way, and moving it does not give it back.
    AccountRates::Reservation moved = std::move(first);
    EXPECT_FALSE(Send(rates, "a"));
  }
  EXPECT_TRUE(Send(rates, "a"));
}

TEST_F(AccountRatesTest, TheHourSlides) {
  AccountRates rates(10, clock_);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Send(rates, "a"));
  clock_.Advance(absl::Minutes(59));
  EXPECT_FALSE(Send(rates, "a"));
  // Half into the next hour, half of the last hour's messages still count.
  clock_.Advance(absl::Minutes(31));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Send(rates, "a")) << i;
  EXPECT_FALSE(Send(rates, "a"));
  clock_.Advance(absl::Hours(2));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Send(rates, "a")) << i;
}

TEST_F(AccountRatesTest, AReservationMayEndInTheNextHour) {
  AccountRates rates(1, clock_);
  AccountRates::Reservation reservation;
  ASSERT_TRUE(rates.Reserve("a", reservation));
  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(Send(rates, "a"));
  reservation = AccountRates::Reservation();
  EXPECT_TRUE(Send(rates, "a"));
}

}  // namespace
}  // namespace mailstead::smtp
