#include "stored/rules/retention.h"

#include <gtest/gtest.h>

#include <optional>

namespace mailstead::rules {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000);

TEST(Retention, IsWholeDaysWithinItsBounds) {
  const struct {
    absl::Duration retention;
    bool is_good;
  } kRows[] = {
      {absl::ZeroDuration(), true},
      {absl::Microseconds(1), false},
      {kDay - absl::Microseconds(1), false},
      {kDay, true},
      {kDay + absl::Microseconds(1), false},
      {36 * absl::Hours(1), false},
      {2 * kDay, true},
      {3650 * kDay, true},
      {3651 * kDay, false},
      {absl::InfiniteDuration(), false},
      {-kDay, false},
  };
  for (const auto& row : kRows) EXPECT_EQ(CheckRetention(row.retention).ok(), row.is_good) << row.retention;
}

TEST(Retention, OfAnAccountCountsInPlaceOfItsDomains) {
  const struct {
    absl::Duration of_domain;
    std::optional<absl::Duration> of_account;
    absl::Duration counts;
  } kRows[] = {
      {absl::ZeroDuration(), std::nullopt, absl::ZeroDuration()},
      {2 * kDay, std::nullopt, 2 * kDay},
      {2 * kDay, kDay, kDay},
      {2 * kDay, 3 * kDay, 3 * kDay},
      {2 * kDay, absl::ZeroDuration(), absl::ZeroDuration()},
      {absl::ZeroDuration(), kDay, kDay},
  };
  for (const auto& row : kRows) {
    engine::Domain domain;
    domain.retention = row.of_domain;
    engine::Account account;
    account.retention = row.of_account;
    EXPECT_EQ(MailboxRetention(domain, account), row.counts);
  }
}

TEST(Retention, TheShorterOneCounts) {
  const struct {
    absl::Duration of_message;
    absl::Duration of_mailbox;
    absl::Time expires;
  } kRows[] = {
      {absl::ZeroDuration(), absl::ZeroDuration(), absl::InfiniteFuture()},
      {kDay, absl::ZeroDuration(), kTime + kDay},
      {absl::ZeroDuration(), kDay, kTime + kDay},
      {kDay, 2 * kDay, kTime + kDay},
      {2 * kDay, kDay, kTime + kDay},
  };
  for (const auto& row : kRows) {
    Entry entry;
    entry.deliver_time = kTime;
    entry.retention = row.of_message;
    EXPECT_EQ(ExpireTime(entry, row.of_mailbox), row.expires);
    if (row.expires == absl::InfiniteFuture()) continue;
    EXPECT_FALSE(HasExpired(entry, row.of_mailbox, row.expires - absl::Microseconds(1)));
    EXPECT_TRUE(HasExpired(entry, row.of_mailbox, row.expires));
  }
}

}  // namespace
}  // namespace mailstead::rules
