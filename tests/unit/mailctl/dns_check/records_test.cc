#include "mailctl/dns_check/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/mailauth/dmarc_record.h"
#include "common/mailauth/spf_record.h"

namespace mailstead::ctl {
namespace {

using testing::ElementsAre;

DomainPlan Plan() {
  DomainPlan plan;
  plan.domain = "example.test";
  plan.mx_hosts = {"mx.example.test", "mx2.example.test"};
  plan.client_host = "mail.example.test";
  plan.reports = "postmaster@example.test";
  return plan;
}

std::vector<std::string> Shown(const DomainPlan& plan) {
  std::vector<std::string> shown;
  for (const DnsRecord& record : RecordsOf(plan))
    shown.push_back(absl::StrCat(record.name, " ", record.type, " ", record.value));
  return shown;
}

TEST(RecordsOf, HasAllThatADomainNeeds) {
  DomainPlan plan = Plan();
  plan.addresses = {"192.0.2.1", "2001:db8::1"};
  plan.policy_host = "www.example.test";
  plan.dkim = {{"s._domainkey.example.test", "TXT", "v=DKIM1; p=AA", "DKIM"}};
  plan.dmarc_policy = "reject";
  EXPECT_THAT(Shown(plan),
              ElementsAre("example.test MX 10 mx.example.test.", "example.test MX 20 mx2.example.test.",
                          "mx.example.test A 192.0.2.1", "mx.example.test AAAA 2001:db8::1",
                          "example.test TXT v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 -all",
                          "s._domainkey.example.test TXT v=DKIM1; p=AA",
                          "_dmarc.example.test TXT v=DMARC1; p=reject; rua=mailto:postmaster@example.test",
                          absl::StrCat("_mta-sts.example.test TXT v=STSv1; id=",
                                       mailauth::StsIdOf(StsPolicyOf(plan))),
                          "mta-sts.example.test CNAME www.example.test.",
                          "_smtp._tls.example.test TXT v=TLSRPTv1; rua=mailto:postmaster@example.test",
                          "_submissions._tcp.example.test SRV 0 1 465 mail.example.test.",
                          "_submission._tcp.example.test SRV 0 1 587 mail.example.test.",
                          "_pop3s._tcp.example.test SRV 0 1 995 mail.example.test.",
                          "_pop3._tcp.example.test SRV 0 1 110 mail.example.test.",
                          "_imaps._tcp.example.test SRV 0 0 0 .", "_imap._tcp.example.test SRV 0 0 0 ."));
}

// What is printed is what the parsers of the check take.
TEST(RecordsOf, IsWhatTheStandardsHave) {
  for (const DnsRecord& record : RecordsOf(Plan())) {
    if (record.type != "TXT") continue;
    if (record.name == "example.test") {
      EXPECT_TRUE(mailauth::ParseSpfRecord(record.value).ok()) << record.value;
    } else if (record.name == "_dmarc.example.test") {
      const auto dmarc = mailauth::ParseDmarcRecord(record.value);
      ASSERT_TRUE(dmarc.ok()) << record.value;
      EXPECT_TRUE(dmarc->remarks.empty());
    } else if (record.name == "_mta-sts.example.test") {
      EXPECT_TRUE(mailauth::FindStsId({record.value}).ok()) << record.value;
    }
  }
}

TEST(StsIdOf, ChangesWithThePolicy) {
  DomainPlan plan = Plan();
  const std::string id = mailauth::StsIdOf(StsPolicyOf(plan));
  EXPECT_TRUE(mailauth::IsStsId(id)) << id;
  EXPECT_EQ(mailauth::StsIdOf(StsPolicyOf(Plan())), id);
  plan.sts_mode = mailauth::StsPolicy::Mode::kEnforce;
  EXPECT_NE(mailauth::StsIdOf(StsPolicyOf(plan)), id);
  plan = Plan();
  plan.sts_max_age = absl::Hours(48);
  EXPECT_NE(mailauth::StsIdOf(StsPolicyOf(plan)), id);
  plan = Plan();
  plan.mx_hosts.pop_back();
  EXPECT_NE(mailauth::StsIdOf(StsPolicyOf(plan)), id);
}

TEST(ZoneLine, QuotesAndCutsTexts) {
  EXPECT_EQ(ZoneLine({"a.test", "MX", "10 mx.test.", ""}), "a.test.\tIN\tMX\t10 mx.test.\n");
  EXPECT_EQ(ZoneLine({"a.test", "TXT", "a \"b\\ ;\x01\xff", ""}),
            "a.test.\tIN\tTXT\t\"a \\\"b\\\\ ;\\001\\255\"\n");
  EXPECT_EQ(ZoneLine({"a.test", "TXT", "", ""}), "a.test.\tIN\tTXT\t\"\"\n");
  const std::string most(255, 'x');
  EXPECT_EQ(ZoneLine({"a.test", "TXT", most, ""}), absl::StrCat("a.test.\tIN\tTXT\t\"", most, "\"\n"));
  EXPECT_EQ(ZoneLine({"a.test", "TXT", most + "y", ""}),
            absl::StrCat("a.test.\tIN\tTXT\t\"", most, "\" \"y\"\n"));
}

}  // namespace
}  // namespace mailstead::ctl
