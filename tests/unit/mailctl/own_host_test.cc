#include "mailctl/doctor/own_host.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mailctl/doctor/system.h"
#include "mailstead/store/v1/admin.pb.h"
#include "mailstead/store/v1/queue.pb.h"

namespace mailstead::ctl {
namespace {

using Level = CheckLine::Level;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(ReverseNameTest, IsThatOfTheAddress) {
  EXPECT_EQ(ReverseName(asio::ip::make_address("192.0.2.4")), "4.2.0.192.in-addr.arpa");
  EXPECT_EQ(ReverseName(asio::ip::make_address("2001:db8::567:89ab")),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

PortView Good() {
  PortView view;
  view.greeting = "mx.example.org ESMTP";
  view.certificate = CertificateView{kNow + absl::Hours(24 * 60), "mx.example.org", /*names_host=*/true, ""};
  return view;
}

// The five ports, as they should be.
std::vector<SeenPort> AllGood() {
  std::vector<SeenPort> seen;
  for (const MailPort& port : MailPorts()) seen.push_back({port, Good()});
  return seen;
}

// Lines that are not ok: "error ports smtp 192.0.2.1:25".
std::vector<std::string> Complaints(const std::vector<SeenPort>& seen, bool has_tlsa = false) {
  std::vector<std::string> complaints;
  for (const CheckLine& line : JudgePorts("mx.example.org", "192.0.2.1", seen, has_tlsa, kNow)) {
    if (line.level == Level::kOk) continue;
    EXPECT_FALSE(line.text.empty());
    complaints.push_back(absl::StrCat(LevelText(line.level), " ", line.subject, " ", line.name));
  }
  return complaints;
}

TEST(JudgePortsTest, WhatIsGoodGetsALineForEachPortAndCertificate) {
  EXPECT_THAT(Complaints(AllGood()), testing::IsEmpty());
  EXPECT_EQ(JudgePorts("mx.example.org", "192.0.2.1", AllGood(), false, kNow).size(), 10u);
}

TEST(JudgePortsTest, EachFaultHasItsLevel) {
  struct Row {
    const char* fault;
    void (*make)(PortView& view);
    // Of port 25, and of 587.
    std::vector<std::string> smtp;
    std::vector<std::string> submission;
  };
  const std::string smtp = "smtp 192.0.2.1:25";
  const std::string submission = "submission 192.0.2.1:587";
  const std::vector<Row> rows = {
      {"closed",
       [](PortView& view) { view = {}, view.problem = "no connection"; },
       {"error ports " + smtp},
       {}},
      {"another name",
       [](PortView& view) { view.greeting = "localhost ESMTP"; },
       {"warning ports " + smtp},
       {}},
      {"no TLS",
       [](PortView& view) { view.certificate.reset(), view.tls_problem = "none"; },
       {"warning ports " + smtp},
       {"error ports " + submission}},
      {"ended",
       [](PortView& view) { view.certificate->end = kNow; },
       {"error certificate " + smtp},
       {"error certificate " + submission}},
      {"ends soon",
       [](PortView& view) { view.certificate->end = kNow + absl::Hours(24 * 14 - 1); },
       {"warning certificate " + smtp},
       {"warning certificate " + submission}},
      {"for another",
       [](PortView& view) { view.certificate->names_host = false; },
       {"warning certificate " + smtp},
       {"error certificate " + submission}},
      {"not trusted",
       [](PortView& view) { view.certificate->untrusted = "self-signed certificate"; },
       {"warning certificate " + smtp},
       {"error certificate " + submission}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fault);
    std::vector<SeenPort> seen = AllGood();
    row.make(seen[0].view);
    EXPECT_EQ(Complaints(seen), row.smtp);
    seen = AllGood();
    row.make(seen[1].view);
    EXPECT_EQ(Complaints(seen), row.submission);
  }
}

TEST(JudgePortsTest, ATlsaRecordIsForOtherHostsOnly) {
  std::vector<SeenPort> seen = AllGood();
  EXPECT_THAT(Complaints(seen, /*has_tlsa=*/true),
              testing::ElementsAre("error certificate smtp 192.0.2.1:25"));
  seen[0].view.matches_tlsa = true;
  EXPECT_THAT(Complaints(seen, /*has_tlsa=*/true), testing::IsEmpty());
}

TEST(JudgePortsTest, OneOfTwoPortsIsEnoughForUsers) {
  std::vector<SeenPort> seen = AllGood();
  seen[1].view.problem = seen[3].view.problem = "no connection";
  EXPECT_THAT(Complaints(seen), testing::IsEmpty());
  seen[2].view.problem = "no connection";
  EXPECT_THAT(Complaints(seen), testing::ElementsAre("warning ports submission, submissions"));
  seen[4].view.problem = "no connection";
  EXPECT_THAT(Complaints(seen),
              testing::ElementsAre("warning ports submission, submissions", "warning ports pop3, pop3s"));
}

TEST(SystemTest, TheStoreIsJudged) {
  store::v1::GetStatusResponse status;
  status.set_health(store::v1::HEALTH_SERVING);
  status.set_disk_free_bytes(int64_t{100} << 30);
  status.add_leases()->set_holder("pop3d mx.example.org 17");
  const auto levels = [&] {
    std::vector<Level> all;
    for (const CheckLine& line : JudgeStore(status)) all.push_back(line.level);
    return all;
  };
  EXPECT_THAT(levels(), testing::ElementsAre(Level::kOk, Level::kOk, Level::kOk));
  status.set_health(store::v1::HEALTH_FAILING);
  status.set_disk_free_bytes(int64_t{1} << 30);
  status.mutable_leases(0)->set_holder("relay mx.example.org 18");
  EXPECT_THAT(levels(), testing::ElementsAre(Level::kError, Level::kWarning, Level::kWarning));
  status.set_disk_free_bytes(int64_t{1} << 20);
  EXPECT_EQ(levels()[1], Level::kError);
}

TEST(SystemTest, TheQueueIsJudged) {
  store::v1::GetQueueStatusResponse queue;
  EXPECT_EQ(JudgeQueue(queue, kNow).level, Level::kWarning);
  queue.set_message_count(3);
  queue.mutable_oldest_time()->set_seconds(absl::ToUnixSeconds(kNow - absl::Hours(3)));
  EXPECT_EQ(JudgeQueue(queue, kNow).level, Level::kError);
  queue.set_relay_count(1);
  EXPECT_EQ(JudgeQueue(queue, kNow).level, Level::kOk);
  EXPECT_EQ(JudgeQueue(queue, kNow + absl::Hours(2)).level, Level::kWarning);
}

TEST(SystemTest, TheClockIsJudged) {
  EXPECT_EQ(JudgeClock(true, kNow, kNow).level, Level::kOk);
  EXPECT_EQ(JudgeClock(std::nullopt, kNow, kNow).level, Level::kOk);
  EXPECT_EQ(JudgeClock(false, kNow, kNow).level, Level::kWarning);
  EXPECT_EQ(JudgeClock(true, kNow + absl::Minutes(1), kNow).level, Level::kError);
}

TEST(SystemTest, TheResolverIsJudged) {
  EXPECT_EQ(JudgeResolver("127.0.0.1:53", true, true).level, Level::kOk);
  EXPECT_EQ(JudgeResolver("127.0.0.1:53", true, false).level, Level::kWarning);
  EXPECT_EQ(JudgeResolver("127.0.0.1:53", false, false).level, Level::kError);
}

}  // namespace
}  // namespace mailstead::ctl
