#include "smtpd/outbound/asked_wait.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace mailstead::smtp::outbound {
namespace {

TEST(AskedWait, Table) {
  const struct {
    std::string text;
    std::optional<absl::Duration> wait;
  } kRows[] = {
      {"Greylisted, please try again in 5 minutes", absl::Minutes(5)},
      {"4.7.1 <a@b.test>: Recipient address rejected: Greylisted for 300 seconds", absl::Seconds(300)},
      {"try again later (in 01 min)", absl::Minutes(1)},
      {"Graylisting in action. Please come back in 10m", absl::Minutes(10)},
      {"retry timeout not exceeded, 3 hours left", absl::Hours(3)},
      {"RETRY IN 90SECONDS", absl::Seconds(90)},
      {"wait 1 hr.", absl::Hours(1)},
      {"try again in 2 minutes or 1 hour", absl::Minutes(2)},
      {"451 4.7.1 Greylisting in action, please come back in 00:04:59", absl::Minutes(4) + absl::Seconds(59)},
      {"come back in 1:00:00 or later", absl::Hours(1)},
      {"come back in 100:00:00", kMostAskedWait},
      // No such clock, or one that shows the time of day.
      {"come back in 00:60:00", std::nullopt},
      {"come back in 05:00", std::nullopt},
      {"come back in 2001:db8::1", std::nullopt},
      {"come back in 00:04:59:10", std::nullopt},
      {"try again, it is 12:30:00", std::nullopt},
      // A number that no unit follows is something else.
      {"try again later, error 451 from 192.0.2.1", std::nullopt},
      {"try again later, id 4711-300s", std::nullopt},
      {"see RFC5321 min and try again", std::nullopt},
      {"try again in 99999999 seconds", std::nullopt},
      {"try again in 999999 hours", kMostAskedWait},
      {"try again in 0 seconds", absl::ZeroDuration()},
      // It asks for nothing.
      {"mailbox has 5 minutes of audio", std::nullopt},
      {"try again later", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& row : kRows) EXPECT_EQ(AskedWait(row.text), row.wait) << row.text;
}

}  // namespace
}  // namespace mailstead::smtp::outbound
