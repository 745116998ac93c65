#include "stored/rules/destination.h"

#include <gtest/gtest.h>

#include <string>

namespace mailstead::rules {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(Destination, IsASiteOfItsOwnUntilItsHostsAreKnown) {
  Destination destination;
  EXPECT_EQ(SiteNameOf("one.example", destination), "@one.example");
  EXPECT_TRUE(IsStale(destination, kNow));
  Learn(destination, "mx.example.net", QueuePolicy(), kNow);
  EXPECT_EQ(SiteNameOf("one.example", destination), "mx.example.net");
  Unlearn(destination);
  EXPECT_EQ(SiteNameOf("one.example", destination), "@one.example");
  EXPECT_EQ(destination, Destination());
}

TEST(Destination, ItsHostsAreBelievedForADayToTheNextHour) {
  // 22:13:20.
  for (const auto& [after, until] : {std::pair(absl::ZeroDuration(), absl::Seconds(2800)),
                                     std::pair(absl::Seconds(2800), absl::Seconds(2800)),
                                     std::pair(absl::Seconds(2801), absl::Seconds(6400))}) {
    Destination destination;
    Learn(destination, "mx.example.net", QueuePolicy(), kNow + after);
    EXPECT_EQ(destination.site_until, kNow + absl::Hours(24) + until) << after;
    EXPECT_FALSE(IsStale(destination, destination.site_until - absl::Microseconds(1)));
    EXPECT_TRUE(IsStale(destination, destination.site_until));
  }
}

TEST(Destination, IsRememberedForItsHostsAlone) {
  Destination destination;
  EXPECT_TRUE(IsIdle(destination));
  EXPECT_FALSE(IsRemembered(destination));
  Learn(destination, "mx.example.net", QueuePolicy(), kNow);
  EXPECT_TRUE(IsRemembered(destination));
  destination.in_flight_count = 1;
  EXPECT_FALSE(IsIdle(destination) || IsRemembered(destination));
  destination.in_flight_count = 0;
  destination.recipient_count = 1;
  EXPECT_FALSE(IsIdle(destination) || IsRemembered(destination));
}

TEST(Destination, WaitsSinceTheFirstOfItsRecipientsDoes) {
  Destination destination;
  destination.recipient_count = 1;
  AddWaiting(destination, kNow + absl::Minutes(2));
  AddWaiting(destination, kNow + absl::Minutes(1));
  AddWaiting(destination, kNow + absl::Minutes(3));
  EXPECT_EQ(destination.waiting_since, kNow + absl::Minutes(1));
}

TEST(Destination, HasAHeadStartWhenNothingWasThere) {
  Destination destination;
  AddWaiting(destination, kNow);
  EXPECT_EQ(destination.waiting_since, kNow - kHeadStart);
  // What is in flight may come back.
  destination = Destination();
  destination.in_flight_count = 1;
  AddWaiting(destination, kNow);
  EXPECT_EQ(destination.waiting_since, kNow);
}

TEST(Destination, IsShownWithWhatItsSiteTakes) {
  Destination destination;
  destination.recipient_count = 3;
  destination.in_flight_count = 2;
  destination.site = "mx.example.net";
  Site site;
  site.in_flight_count = 4;
  site.destination_count = 9;
  site.paused_until = kNow;
  site.paced_until = kNow + absl::Seconds(5);
  site.tls_broken_until = kNow + absl::Hours(1);
  QueuePolicy policy;
  policy.rate_count = 1;
  engine::QueueDestination shown = QueueDestinationOf("one.example", destination, site, policy, kNow);
  EXPECT_EQ(shown.name, "one.example");
  EXPECT_EQ(shown.recipient_count, 3);
  EXPECT_EQ(shown.in_flight_count, 2);
  EXPECT_EQ(shown.site, "mx.example.net");
  EXPECT_EQ(shown.site_in_flight_count, 4);
  EXPECT_EQ(shown.site_destination_count, 9);
  EXPECT_EQ(shown.window, 5);
  EXPECT_EQ(shown.paused_until, kNow);
  EXPECT_EQ(shown.paced_until, kNow + absl::Seconds(5));
  EXPECT_EQ(shown.tls_broken_until, kNow + absl::Hours(1));
  // What is over is not shown.
  shown = QueueDestinationOf("one.example", destination, site, policy, kNow + absl::Hours(1));
  EXPECT_EQ(shown.paced_until, absl::InfinitePast());
  EXPECT_EQ(shown.tls_broken_until, absl::InfinitePast());
}

// They are on disk.
TEST(Destination, LanesStayTheSame) {
  EXPECT_EQ(LaneOf(""), 0xcbf29ce484222325U);
  EXPECT_EQ(LaneOf("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(LaneOf("foobar"), 0x85944171f73967e8U);
}

}  // namespace
}  // namespace mailstead::rules
