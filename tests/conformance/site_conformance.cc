// Hosts that several destinations share: what they take, whether they are away, their rate, and their TLS.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/destination.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using Kind = QueueOutcome::Kind;
using Sign = QueueReport::Sign;
using Tls = QueueReport::Tls;
using Decision = QueueDecision::Kind;

std::vector<std::string> DestinationsOf(const std::vector<QueueAttempt>& attempts) {
  std::vector<std::string> names;
  for (const QueueAttempt& attempt : attempts) names.push_back(attempt.destination);
  return names;
}

}  // namespace

QueueChange QueueConformance::ReportSite(const QueueAttempt& attempt, const std::string& site, Kind kind,
                                         Sign sign, Tls tls) {
  QueueReport report;
  report.message = attempt.message.id;
  report.grant = attempt.grant;
  report.sign = sign;
  report.site = site;
  report.tls = tls;
  for (const QueuedRecipient& recipient : attempt.message.recipients) {
    report.outcomes.push_back(
        {recipient.number, kind, {451, "4.2.0", "words", "host", clock().Now()}, absl::InfinitePast()});
  }
  return Report(report);
}

void QueueConformance::LearnSite(const std::string& site, const std::vector<std::string>& destinations) {
  for (const std::string& destination : destinations) PutTo({absl::StrCat("first@", destination)});
  const std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(destinations.size()));
  // So that the window is as it was at first.
  for (const QueueAttempt& attempt : attempts) ReportSite(attempt, site, Kind::kDelivered, Sign::kNone);
}

void QueueConformance::LetSiteBeAway(const std::string& site, const std::string& destination) {
  for (int i = 0; i < 5; ++i) PutTo({absl::StrCat("away", i, "@", destination)});
  for (const QueueAttempt& attempt : Lease()) {
    ASSERT_EQ(attempt.destination, destination);
    ReportSite(attempt, site, Kind::kDeferred, Sign::kUnreachable);
  }
  ASSERT_NE(FindDestination(destination).paused_until, absl::InfinitePast());
}

QueueDestination QueueConformance::FindDestination(const std::string& name) {
  const auto destinations = engine().ListDestinations("", 100'000);
  EXPECT_OK(destinations.status());
  for (const QueueDestination& destination : *destinations) {
    if (destination.name == name) return destination;
  }
  ADD_FAILURE() << name << " is not there";
  return QueueDestination();
}

namespace {

TEST_P(QueueConformance, DestinationsWithTheSameHostsShareWhatTheseTake) {
  LearnSite("mx.example", {"a.example", "b.example", "c.example"});
  for (int i = 0; i < 10; ++i) {
    for (const char* to : {"x@a.example", "x@b.example", "x@c.example", "x@other.example"}) PutTo({to});
  }
  const std::vector<QueueAttempt> attempts = Lease();
  std::map<bool, int> counts;
  for (const QueueAttempt& attempt : attempts) ++counts[attempt.destination == "other.example"];
  EXPECT_EQ(counts[false], 5);
  EXPECT_EQ(counts[true], 5);
  for (const char* name : {"a.example", "b.example", "c.example"}) {
    const QueueDestination destination = FindDestination(name);
    EXPECT_EQ(destination.site, "mx.example");
    EXPECT_EQ(destination.site_in_flight_count, 5);
    EXPECT_EQ(destination.site_destination_count, 3);
    EXPECT_EQ(destination.window, 5);
  }
  EXPECT_EQ(FindDestination("other.example").site, "");
  EXPECT_EQ(FindDestination("other.example").site_destination_count, 1);
  // What one of them answers opens the window for all.
  for (const QueueAttempt& attempt : attempts) {
    if (attempt.destination != "other.example") ReportSite(attempt, "mx.example");
  }
  Restart();
  EXPECT_EQ(FindDestination("c.example").window, 10);
  EXPECT_THAT(Lease(), SizeIs(10));
  EXPECT_THAT(Lease(), IsEmpty());
}

TEST_P(QueueConformance, DestinationsOfASiteTakeTurns) {
  LearnSite("mx.example", {"a.example", "b.example", "c.example"});
  for (int i = 0; i < 30; ++i) PutTo({"x@a.example"});
  clock().Advance(absl::Seconds(1));
  PutTo({"x@b.example"});
  PutTo({"x@c.example"});
  clock().Advance(absl::Seconds(1));
  std::vector<std::string> order;
  for (int i = 0; i < 4; ++i) {
    const std::vector<QueueAttempt> attempts = Lease(2);
    for (const QueueAttempt& attempt : attempts) order.push_back(attempt.destination);
    for (const QueueAttempt& attempt : attempts) ReportSite(attempt, "mx.example");
    clock().Advance(absl::Seconds(1));
  }
  // Those with one mail are not behind the thirty of the other.
  EXPECT_THAT((std::vector<std::string>(order.begin(), order.begin() + 4)),
              UnorderedElementsAre("a.example", "a.example", "b.example", "c.example"));
}

TEST_P(QueueConformance, HostsThatAreAwayCostOneAttemptAPauseWhateverTheirDestinations) {
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back(absl::StrCat("d", i, ".example"));
  LearnSite("mx.example", names);
  LetSiteBeAway("mx.example", "d0.example");
  std::vector<QueueId> waiting;
  for (const std::string& name : names) waiting.push_back(PutTo({absl::StrCat("x@", name)}));
  PutTo({"x@there.example"});
  EXPECT_EQ(LeaseOne().destination, "there.example");
  const absl::Time begin = clock().Now();
  std::vector<absl::Duration> probes;
  std::vector<std::string> probed;
  while (clock().Now() - begin < absl::Hours(6)) {
    for (const QueueAttempt& attempt : Lease()) {
      EXPECT_TRUE(attempt.probe);
      probes.push_back(clock().Now() - begin);
      probed.push_back(attempt.destination);
      EXPECT_THAT(Lease(), IsEmpty());
      ReportSite(attempt, "mx.example", Kind::kDeferred, Sign::kUnreachable);
    }
    clock().Advance(absl::Minutes(1));
  }
  EXPECT_THAT(probes, ElementsAre(absl::Minutes(1), absl::Minutes(3), absl::Minutes(7), absl::Minutes(15),
                                  absl::Minutes(31), absl::Minutes(63), absl::Minutes(123),
                                  absl::Minutes(183), absl::Minutes(243), absl::Minutes(303)));
  // Each time by another one.
  std::sort(probed.begin(), probed.end());
  EXPECT_EQ(std::unique(probed.begin(), probed.end()), probed.end());
  int untouched = 0;
  for (const QueueId id : waiting) untouched += FindRecipient(id, 0).attempt_count == 0 ? 1 : 0;
  EXPECT_GE(untouched, 30);
  EXPECT_NE(FindDestination("d39.example").paused_until, absl::InfinitePast());

  clock().Advance(absl::Hours(1));
  ReportSite(LeaseOne(), "mx.example");
  EXPECT_THAT(Lease(), SizeIs(4));
}

TEST_P(QueueConformance, UnknownDestinationsWhoseHostsAreAwayFindThatOutTogether) {
  for (int i = 0; i < 30; ++i) PutTo({absl::StrCat("x@d", i, ".example")});
  const std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(30));
  const absl::Time now = clock().Now();
  for (const QueueAttempt& attempt : attempts)
    ReportSite(attempt, "mx.example", Kind::kDeferred, Sign::kUnreachable);
  for (const char* name : {"d0.example", "d29.example"}) {
    EXPECT_EQ(FindDestination(name).paused_until, now + absl::Minutes(1)) << name;
    EXPECT_EQ(FindDestination(name).site_in_flight_count, 0);
  }
  clock().Advance(absl::Minutes(10));
  EXPECT_THAT(Lease(), SizeIs(1));
}

TEST_P(QueueConformance, ADestinationWithOtherHostsGoesThere) {
  LearnSite("old.example", {"a.example", "b.example"});
  for (int i = 0; i < 9; ++i) PutTo({"x@a.example"});
  const std::vector<QueueAttempt> attempts = Lease();
  ASSERT_THAT(attempts, SizeIs(5));
  ReportSite(attempts[0], "new.example");
  EXPECT_EQ(FindDestination("a.example").site, "new.example");
  EXPECT_EQ(FindDestination("a.example").site_in_flight_count, 0);
  // Those that began under the others still count there alone.
  PutTo({"y@b.example"});
  EXPECT_EQ(FindDestination("b.example").site_in_flight_count, 4);
  EXPECT_EQ(FindDestination("b.example").site_destination_count, 1);
  std::vector<QueueAttempt> more = Lease();
  EXPECT_THAT(DestinationsOf(more),
              UnorderedElementsAre("a.example", "a.example", "a.example", "a.example", "b.example"));
  Restart();
  for (size_t i = 1; i < attempts.size(); ++i) ReportSite(attempts[i], "new.example");
  for (const QueueAttempt& attempt : more) {
    if (attempt.destination == "b.example") ReportSite(attempt, "old.example", Kind::kDeferred);
  }
  EXPECT_EQ(FindDestination("b.example").site_in_flight_count, 0);
  EXPECT_EQ(FindDestination("a.example").site_in_flight_count, 4);
}

TEST_P(QueueConformance, AProbeThatWentElsewhereIsFollowedByAnother) {
  LearnSite("mx.example", {"a.example", "b.example", "c.example"});
  LetSiteBeAway("mx.example", "a.example");
  PutTo({"x@b.example"});
  PutTo({"x@c.example"});
  clock().Advance(absl::Minutes(10));
  // Two have left, and all are found out about at once.
  std::vector<std::string> probed;
  for (int i = 0; i < 3; ++i) {
    const QueueAttempt probe = LeaseOne();
    EXPECT_TRUE(probe.probe);
    probed.push_back(probe.destination);
    if (probe.destination == "a.example") {
      ReportSite(probe, "mx.example", Kind::kDeferred, Sign::kUnreachable);
      break;
    }
    ReportSite(probe, "new.example");
  }
  EXPECT_EQ(probed.back(), "a.example");
  EXPECT_THAT(Lease(), IsEmpty());
}

// A domain that has left hosts which are away, among many that have not.
TEST_P(QueueConformance, HostsOfADayAgoAreAskedAboutAnew) {
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) names.push_back(absl::StrCat("d", i, ".example"));
  LearnSite("mx.example", names);
  LetSiteBeAway("mx.example", "d0.example");
  for (const std::string& name : names) PutTo({absl::StrCat("x@", name)});
  const absl::Time begin = clock().Now();
  std::map<std::string, int> attempts_of;
  absl::Duration found;
  while (clock().Now() - begin < absl::Hours(40)) {
    for (const QueueAttempt& attempt : Lease()) {
      ++attempts_of[attempt.destination];
      if (attempt.destination != "d49.example") {
        ReportSite(attempt, "mx.example", Kind::kDeferred, Sign::kUnreachable);
        continue;
      }
      found = clock().Now() - begin;
      ReportSite(attempt, "new.example");
    }
    clock().Advance(absl::Minutes(1));
  }
  EXPECT_GT(found, absl::Hours(23));
  EXPECT_LT(found, absl::Hours(30));
  // And that costs each of the others an attempt a day, not one for each of its pauses.
  int count = 0;
  for (const auto& [name, attempts] : attempts_of) count += attempts;
  EXPECT_GE(count, 45);
  EXPECT_LE(count, 2 * 50 + 45 + 20);
}

TEST_P(QueueConformance, RetryDoesNotWaitForHostsThatAreAway) {
  LearnSite("mx.example", {"a.example", "b.example"});
  LetSiteBeAway("mx.example", "a.example");
  const QueueId id = PutTo({"x@b.example"});
  PutTo({"y@b.example"});
  EXPECT_THAT(Lease(), IsEmpty());
  Decide(Decision::kRetry, id);
  const QueueAttempt attempt = LeaseOne();
  EXPECT_EQ(attempt.destination, "b.example");
  EXPECT_TRUE(attempt.probe);
  EXPECT_THAT(Lease(), IsEmpty());
  // In vain: it waits with the others again.
  ReportSite(attempt, "mx.example", Kind::kDeferred, Sign::kUnreachable);
  EXPECT_EQ(FindDestination("b.example").site, "mx.example");
  EXPECT_THAT(Lease(), IsEmpty());
  Decide(Decision::kRetry, id);
  ReportSite(LeaseOne(), "new.example");
  EXPECT_THAT(DestinationsOf(Lease()), ElementsAre("b.example"));
}

// A DNS that fails for one domain says nothing about the hosts of the others.
TEST_P(QueueConformance, HostsThatCannotBeFoundOutAreNobodys) {
  LearnSite("mx.example", {"a.example", "b.example"});
  LetSiteBeAway("", "a.example");
  PutTo({"x@b.example"});
  EXPECT_EQ(FindDestination("a.example").site, "");
  EXPECT_EQ(FindDestination("b.example").site, "mx.example");
  EXPECT_EQ(FindDestination("b.example").paused_until, absl::InfinitePast());
  EXPECT_EQ(FindDestination("b.example").window, 5);
  EXPECT_THAT(DestinationsOf(Lease()), ElementsAre("b.example"));
  // What was not looked for changes nothing.
  PutTo({"y@b.example"});
  ReportSite(LeaseOne(), "", Kind::kDeferred, Sign::kNone);
  EXPECT_EQ(FindDestination("b.example").site, "mx.example");
}

TEST_P(QueueConformance, WhatIsKnownOfHostsOutlivesTheirMail) {
  LearnSite("mx.example", {"a.example"});
  PutTo({"x@a.example"});
  ReportSite(LeaseOne(), "mx.example", Kind::kDelivered, Sign::kAnswered, Tls::kBroken);
  EXPECT_THAT(engine().ListDestinations("", 10).value(), IsEmpty());
  Restart();
  clock().Advance(absl::Hours(5));
  PutTo({"x@a.example"});
  EXPECT_EQ(FindDestination("a.example").site, "mx.example");
  EXPECT_TRUE(LeaseOne().tls_broken);
}

TEST_P(QueueConformance, WhatIsKnownOfHostsIsForgottenAfterADay) {
  LearnSite("mx.example", {"a.example", "b.example"});
  clock().Advance(absl::Hours(23));
  PutTo({"x@b.example"});
  ASSERT_EQ(engine().TakeBack(10).value(), 0u);
  EXPECT_EQ(FindDestination("b.example").site_destination_count, 2);
  clock().Advance(absl::Hours(2));
  ASSERT_EQ(engine().TakeBack(10).value(), 0u);
  // Not of one that mail waits for.
  EXPECT_EQ(FindDestination("b.example").site, "mx.example");
  EXPECT_EQ(FindDestination("b.example").site_destination_count, 1);
  PutTo({"x@a.example"});
  EXPECT_EQ(FindDestination("a.example").site, "");
}

TEST_P(QueueConformance, OnlySoMuchIsRememberedAndTheOldestIsForgottenFirst) {
  rules::QueuePolicy policy;
  policy.most_remembered = 3;
  under_test_->SetQueuePolicy(policy);
  Restart();
  for (int i = 0; i < 5; ++i) {
    LearnSite("mx.example", {absl::StrCat("d", i, ".example")});
    clock().Advance(absl::Hours(1));
  }
  for (int i = 0; i < 5; ++i) PutTo({absl::StrCat("x@d", i, ".example")});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(FindDestination(absl::StrCat("d", i, ".example")).site, i < 2 ? "" : "mx.example") << i;
  }
  EXPECT_EQ(FindDestination("d4.example").site_destination_count, 3);
}

TEST_P(QueueConformance, TheRateIsForHostsNotForDestinations) {
  rules::QueuePolicy policy;
  policy.rate_count = 60;
  under_test_->SetQueuePolicy(policy);
  Restart();
  LearnSite("mx.example", {"a.example", "b.example", "c.example"});
  clock().Advance(absl::Minutes(2));
  for (int i = 0; i < 40; ++i) {
    for (const char* to : {"x@a.example", "x@b.example", "x@c.example"}) PutTo({to});
  }
  // Also where its destinations have nothing left in between.
  size_t count = 0;
  std::map<std::string, int> of;
  const absl::Time begin = clock().Now();
  while (clock().Now() - begin < absl::Minutes(1)) {
    for (const QueueAttempt& attempt : Lease()) {
      ++count;
      ++of[attempt.destination];
      ReportSite(attempt, "mx.example");
    }
    EXPECT_LE(count, static_cast<size_t>((clock().Now() - begin) / absl::Seconds(1)) + 1);
    if (count == 30) Restart();
    clock().Advance(absl::Milliseconds(250));
  }
  EXPECT_EQ(count, 60u);
  for (const auto& [name, attempts] : of) EXPECT_NEAR(attempts, 20, 1) << name;
  EXPECT_THAT(Lease(), SizeIs(1));
  EXPECT_EQ(FindDestination("a.example").paced_until, clock().Now() + absl::Seconds(1));
}

TEST_P(QueueConformance, TheRateHoldsForADestinationThatHasOneMailAtATime) {
  rules::QueuePolicy policy;
  policy.rate_count = 1;
  under_test_->SetQueuePolicy(policy);
  Restart();
  LearnSite("mx.example", {"a.example"});
  PutTo({"x@a.example"});
  EXPECT_THAT(Lease(), IsEmpty());
  clock().Advance(absl::Minutes(1));
  ReportSite(LeaseOne(), "mx.example");
  PutTo({"x@a.example"});
  EXPECT_THAT(Lease(), IsEmpty());
}

TEST_P(QueueConformance, WindowsAreAsTheOperatorSays) {
  rules::QueuePolicy policy;
  policy.initial_window = 2;
  policy.max_window = 3;
  under_test_->SetQueuePolicy(policy);
  Restart();
  for (int i = 0; i < 40; ++i) PutTo({"x@a.example"});
  size_t most = 0;
  std::vector<QueueAttempt> attempts = Lease();
  EXPECT_THAT(attempts, SizeIs(2));
  while (!attempts.empty()) {
    most = std::max(most, attempts.size());
    for (const QueueAttempt& attempt : attempts) ReportSite(attempt, "mx.example");
    attempts = Lease();
  }
  EXPECT_EQ(most, 3u);
}

TEST_P(QueueConformance, BrokenTlsIsToldToAllWhoUseTheHosts) {
  LearnSite("mx.example", {"a.example", "b.example"});
  PutTo({"x@a.example"});
  QueueAttempt attempt = LeaseOne();
  EXPECT_FALSE(attempt.tls_broken);
  ReportSite(attempt, "mx.example", Kind::kDelivered, Sign::kAnswered, Tls::kBroken);
  const absl::Time until = clock().Now() + absl::Hours(6);
  PutTo({"x@b.example"});
  PutTo({"x@other.example"});
  EXPECT_EQ(FindDestination("b.example").tls_broken_until, until);
  Restart();
  for (const QueueAttempt& one : Lease()) {
    EXPECT_EQ(one.tls_broken, one.destination == "b.example");
    if (one.destination == "b.example") attempt = one;
  }
  ReportSite(attempt, "mx.example");
  clock().Advance(absl::Hours(6));
  PutTo({"x@b.example"});
  attempt = LeaseOne();
  EXPECT_FALSE(attempt.tls_broken);
  EXPECT_EQ(FindDestination("b.example").tls_broken_until, absl::InfinitePast());
  // It works again.
  ReportSite(attempt, "mx.example", Kind::kDelivered, Sign::kAnswered, Tls::kBroken);
  PutTo({"x@b.example"});
  ReportSite(LeaseOne(), "mx.example", Kind::kDelivered, Sign::kAnswered, Tls::kUsed);
  PutTo({"x@b.example"});
  EXPECT_FALSE(LeaseOne().tls_broken);
}

TEST_P(QueueConformance, ARepeatedReportTeachesNothing) {
  PutTo({"x@a.example"});
  PutTo({"y@a.example"});
  const std::vector<QueueAttempt> attempts = Lease();
  ReportSite(attempts[0], "mx.example", Kind::kDeferred);
  ReportSite(attempts[1], "new.example", Kind::kDeferred);
  ReportSite(attempts[0], "mx.example", Kind::kDeferred, Sign::kUnreachable, Tls::kBroken);
  EXPECT_EQ(FindDestination("a.example").site, "new.example");
  EXPECT_EQ(FindDestination("a.example").tls_broken_until, absl::InfinitePast());
}

TEST_P(QueueConformance, NamesOfHostsAreBounded) {
  PutTo({"x@a.example"});
  const QueueAttempt attempt = LeaseOne();
  for (const std::string& site : {std::string("@a.example"), std::string("a b"), std::string(256, 'x')}) {
    QueueReport report{attempt.message.id, attempt.grant, {}, Sign::kAnswered, site, Tls::kNone};
    EXPECT_THAT(engine().Report(report).status(), HasCode(StatusCode::kInvalidArgument)) << site;
  }
  ReportSite(attempt, std::string(255, 'x'), Kind::kDeferred);
  EXPECT_EQ(FindDestination("a.example").site, std::string(255, 'x'));
}

// What is between NUL and the end of a name is not another site's.
TEST_P(QueueConformance, SitesWhoseNamesBeginAlikeAreApart) {
  LearnSite("mx.example", {"a.example"});
  LearnSite("mx.example.org", {"b.example"});
  LearnSite("mx", {"c.example"});
  LetSiteBeAway("mx.example", "a.example");
  PutTo({"x@b.example"});
  PutTo({"x@c.example"});
  EXPECT_THAT(DestinationsOf(Lease()), UnorderedElementsAre("b.example", "c.example"));
}

}  // namespace
}  // namespace mailstead::engine
