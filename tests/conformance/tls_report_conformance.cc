#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "stored/rules/tls_report.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kDay = absl::FromUnixSeconds(1'600'000'000);

TlsSessions Sessions(std::string host, std::string result, int64_t count) {
  TlsSessions sessions;
  sessions.policy_type = "tlsa";
  sessions.policy_domain = host;
  sessions.policy_strings = {"3 1 1 abcd"};
  sessions.mx_host = std::move(host);
  sessions.result = std::move(result);
  sessions.count = count;
  return sessions;
}

TlsReport Counted(std::string domain, std::vector<TlsSessions> sessions, absl::Time due = kDay + absl::Hours(26)) {
  TlsReport report;
  report.key = {kDay, std::move(domain)};
  report.end = kDay + absl::Hours(24);
  report.due_time = due;
  report.sessions = std::move(sessions);
  return report;
}

std::vector<std::string> Domains(const std::vector<TlsReport>& reports) {
  std::vector<std::string> domains;
  for (const TlsReport& report : reports) domains.push_back(report.key.domain);
  return domains;
}

TEST_P(TlsReportConformance, SessionsAreAddedUp) {
  ASSERT_OK(Count({Counted("a.test", {Sessions("m1", "", 2), Sessions("m1", "certificate-expired", 1)}),
                   Counted("b.test", {Sessions("m1", "", 5)})}));
  Restart();
  ASSERT_OK(Count({Counted("a.test", {Sessions("m1", "", 3), Sessions("m2", "", 1), Sessions("m2", "", 1)})}));
  const std::vector<TlsReport> due = Lease(kDay + absl::Hours(26));
  ASSERT_THAT(Domains(due), ElementsAre("a.test", "b.test"));
  EXPECT_THAT(due[0].sessions,
              ElementsAre(Sessions("m1", "", 5), Sessions("m1", "certificate-expired", 1), Sessions("m2", "", 2)));
  EXPECT_THAT(due[1].sessions, ElementsAre(Sessions("m1", "", 5)));
  EXPECT_EQ(due[0].end, kDay + absl::Hours(24));
  EXPECT_EQ(due[0].lease_count, 1);
}

TEST_P(TlsReportConformance, EachIsGivenWhenItIsDueAndToOneAtATime) {
  ASSERT_OK(Count({Counted("late.test", {Sessions("m", "", 1)}, kDay + absl::Hours(30)),
                   Counted("early.test", {Sessions("m", "", 1)}, kDay + absl::Hours(26)),
                   Counted("middle.test", {Sessions("m", "", 1)}, kDay + absl::Hours(28))}));
  EXPECT_THAT(Lease(kDay + absl::Hours(26) - absl::Microseconds(1)), IsEmpty());
  EXPECT_THAT(Domains(Lease(kDay + absl::Hours(26))), ElementsAre("early.test"));
  EXPECT_THAT(Lease(kDay + absl::Hours(26)), IsEmpty());
  EXPECT_THAT(Domains(Lease(kDay + absl::Hours(40), 2)), ElementsAre("early.test", "middle.test"));
  EXPECT_THAT(Domains(Lease(kDay + absl::Hours(40), 2)), ElementsAre("late.test"));
  Restart();
  // What was not finished is given again.
  const absl::Time again = kDay + absl::Hours(40) + rules::kTlsReportLease;
  EXPECT_THAT(Lease(again - absl::Microseconds(1)), IsEmpty());
  const std::vector<TlsReport> once_more = Lease(again);
  ASSERT_THAT(once_more, SizeIs(3));
  EXPECT_EQ(once_more[0].key.domain, "early.test");
  EXPECT_EQ(once_more[0].lease_count, 3);
}

TEST_P(TlsReportConformance, OnlyWhoHasItFinishesIt) {
  ASSERT_OK(Count({Counted("a.test", {Sessions("m", "", 1)})}));
  const TlsReportKey key{kDay, "a.test"};
  const TlsReport first = Lease(kDay + absl::Hours(26)).at(0);
  EXPECT_EQ(*Find(key, first.lease_count), first);
  const TlsReport second = Lease(kDay + absl::Hours(30)).at(0);
  EXPECT_EQ(Find(key, first.lease_count).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Finish(key, first.lease_count).code(), absl::StatusCode::kAborted);
  ASSERT_OK(Finish(key, second.lease_count));
  EXPECT_EQ(Finish(key, second.lease_count).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Find(key, second.lease_count).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Finish({kDay, "other.test"}, 1).code(), absl::StatusCode::kNotFound);
  Restart();
  EXPECT_THAT(Lease(kDay + absl::Hours(1000)), IsEmpty());
}

TEST_P(TlsReportConformance, WhatIsNotFinishedForADayIsDropped) {
  ASSERT_OK(Count({Counted("a.test", {Sessions("m", "", 1)})}));
  absl::Time now = kDay + absl::Hours(26);
  for (int64_t i = 1; i <= rules::kMaxTlsReportLeases; ++i) {
    const std::vector<TlsReport> due = Lease(now);
    ASSERT_THAT(due, SizeIs(1));
    EXPECT_EQ(due[0].lease_count, i);
    now += rules::kTlsReportLease;
  }
  EXPECT_THAT(Lease(now), IsEmpty());
  EXPECT_EQ(Find({kDay, "a.test"}, rules::kMaxTlsReportLeases).status().code(), absl::StatusCode::kNotFound);
  // It begins anew.
  ASSERT_OK(Count({Counted("a.test", {Sessions("m", "", 1)})}));
  EXPECT_THAT(Lease(now), SizeIs(1));
}

TEST_P(TlsReportConformance, AReportIsBounded) {
  std::vector<TlsSessions> sessions;
  for (size_t i = 0; i <= rules::kMaxTlsSessionKinds; ++i) sessions.push_back(Sessions(absl::StrCat("m", i), "", 1));
  ASSERT_OK(Count({Counted("a.test", sessions)}));
  // Those that are there go on being counted.
  ASSERT_OK(Count({Counted("a.test", {Sessions("m0", "", 4), Sessions("other", "", 1)})}));
  const std::vector<TlsReport> due = Lease(kDay + absl::Hours(26));
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_THAT(due[0].sessions, SizeIs(rules::kMaxTlsSessionKinds));
  EXPECT_EQ(due[0].sessions[0].count, 5);
}

}  // namespace
}  // namespace mailstead::engine
