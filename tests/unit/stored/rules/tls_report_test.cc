#include "stored/rules/tls_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mailstead::rules {
namespace {

engine::TlsSessions Sessions(std::string host, int64_t count) {
  engine::TlsSessions sessions;
  sessions.policy_type = "tlsa";
  sessions.mx_host = std::move(host);
  sessions.count = count;
  return sessions;
}

TEST(TlsReportTest, EveryFieldMakesAnotherKind) {
  std::vector<engine::TlsSessions> kinds(8, Sessions("m", 1));
  kinds[1].policy_type = "sts";
  kinds[2].policy_domain = "d";
  kinds[3].policy_strings = {"3 1 1 ab"};
  kinds[4].mx_host = "n";
  kinds[5].address = "192.0.2.1";
  kinds[6].result = "certificate-expired";
  kinds[7].reason = "r";
  engine::TlsReport report;
  AddTlsSessions(kinds, report);
  AddTlsSessions(kinds, report);
  ASSERT_EQ(report.sessions.size(), kinds.size());
  for (const engine::TlsSessions& each : report.sessions) EXPECT_EQ(each.count, 2);
}

TEST(TlsReportTest, IsBounded) {
  engine::TlsReport report;
  for (size_t i = 0; i <= kMaxTlsSessionKinds; ++i)
    AddTlsSessions({Sessions(absl::StrCat("m", i), 1)}, report);
  EXPECT_EQ(report.sessions.size(), kMaxTlsSessionKinds);
  // By what they take, too; what fits behind one that does not is counted.
  engine::TlsReport large;
  AddTlsSessions({Sessions(std::string(kMaxTlsReportBytes, 'x'), 1), Sessions("m", 1)}, large);
  ASSERT_EQ(large.sessions.size(), 1u);
  EXPECT_EQ(large.sessions[0].mx_host, "m");
}

TEST(TlsReportTest, IsDueAtItsOwnTime) {
  const absl::Time start = absl::FromUnixSeconds(1'600'000'000);
  const absl::Time end = start + absl::Hours(24);
  absl::Time least = absl::InfiniteFuture();
  absl::Time most = absl::InfinitePast();
  for (int i = 0; i < 200; ++i) {
    const engine::TlsReportKey key{start, absl::StrCat("d", i, ".test")};
    const absl::Time due = TlsReportDue(key, end);
    EXPECT_EQ(due, TlsReportDue(key, end));
    least = std::min(least, due);
    most = std::max(most, due);
  }
  EXPECT_GE(least, end + absl::Hours(2));
  EXPECT_LT(least, end + absl::Hours(2.2));
  EXPECT_LE(most, end + absl::Hours(4));
  EXPECT_GT(most, end + absl::Hours(3.8));
}

TEST(TlsReportTest, OnlyTheLastLeaseCounts) {
  engine::TlsReport report;
  report.lease_count = 3;
  EXPECT_TRUE(CheckTlsReportLease(report, 3).ok());
  EXPECT_TRUE(absl::IsAborted(CheckTlsReportLease(report, 2)));
}

}  // namespace
}  // namespace mailstead::rules
