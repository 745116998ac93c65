#include "mailctl/dns_check/domain_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/io_context.hpp"
#include "tests/support/begin.h"
#include "tests/support/fake_resolver.h"
#include "tests/support/fake_time.h"

namespace mailstead::ctl {
namespace {

using dns::Answered;
using dns::Mx;
using dns::Txt;
using dns::Type;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kDomain[] = "a.test";

class DomainCheckTest : public testing::Test {
 protected:
  void Text(const std::string& name, std::vector<std::string> texts) {
    std::vector<dns::Record> records;
    for (std::string& text : texts) records.push_back(Txt{std::move(text)});
    dns_.Set(name, Type::kTxt, Answered(std::move(records)));
  }
  void Host(const std::string& name, dns::Ipv4Bytes address = {192, 0, 2, 1}) {
    dns_.Set(name, Type::kA, Answered({address}));
  }
  // All that a domain needs.
  void Good() {
    dns_.Set(kDomain, Type::kMx, Answered({Mx{10, "mx.test"}}));
    Host("mx.test");
    Text(kDomain, {"v=spf1 mx -all", "other text"});
    Text("s._domainkey.a.test", {"v=DKIM1; k=rsa; p=AAAA"});
    expected_.dkim = {{"s._domainkey.a.test", "v=DKIM1; k=rsa; p=AAAA", true}};
    Text("_dmarc.a.test", {"v=DMARC1; p=reject; rua=mailto:p@a.test"});
    Text("_mta-sts.a.test", {"v=STSv1; id=1"});
    policy_ = "version: STSv1\nmode: enforce\nmx: mx.test\nmax_age: 604800\n";
    Text("_smtp._tls.a.test", {"v=TLSRPTv1; rua=mailto:p@a.test"});
    expected_.mx_hosts = {"mx.test"};
  }

  template <typename T>
  T Run(asio::awaitable<T> task) {
    auto begun = Begin(context_, std::move(task));
    Poll(context_);
    EXPECT_TRUE(begun->has_value());
    return std::move(begun->value());
  }
  // "error MX: text", of what is not ok.
  static std::vector<std::string> Bad(const std::vector<CheckLine>& lines) {
    std::vector<std::string> bad;
    for (const CheckLine& line : lines) {
      if (line.level != CheckLine::Level::kOk)
        bad.push_back(absl::StrCat(LevelText(line.level), " ", line.subject, ": ", line.text));
    }
    return bad;
  }
  std::vector<std::string> Mx_() { return Bad(Run(CheckMx(check_, expected_))); }
  std::vector<std::string> Spf() { return Bad(Run(CheckSpf(check_, kDomain))); }
  std::vector<std::string> Spf(const std::string& record) {
    Text(kDomain, {record});
    return Spf();
  }
  std::vector<std::string> Dkim(const std::string& found) {
    Text("s._domainkey.a.test", {found});
    return Bad(Run(CheckDkim(check_, expected_)));
  }
  std::vector<std::string> Dmarc() { return Bad(Run(CheckDmarc(check_, domain_))); }
  std::vector<std::string> Sts() { return Bad(Run(CheckSts(check_, expected_))); }
  std::vector<std::string> TlsRpt() { return Bad(Run(CheckTlsRpt(check_, kDomain))); }

  FakeTime time_;
  asio::io_context context_{1};
  dns::FakeResolver dns_{time_};
  absl::StatusOr<std::string> policy_ = absl::NotFoundError("the server answers 404");
  const PolicyFetcher fetch_ = [this](std::string) { return Fetch(); };
  asio::awaitable<absl::StatusOr<std::string>> Fetch() { co_return policy_; }
  CheckContext check_{.resolver = dns_, .fetch_policy = fetch_, .steady = time_, .knows_dnssec = true};
  std::string domain_ = kDomain;
  DomainExpectation expected_{.domain = kDomain};
};

TEST_F(DomainCheckTest, ADomainThatHasAllIsGood) {
  Good();
  const std::vector<CheckLine> lines = Run(CheckDomain(check_, expected_));
  EXPECT_THAT(Bad(lines), IsEmpty());
  EXPECT_EQ(WorstOf(lines), CheckLine::Level::kOk);
  std::vector<std::string> subjects;
  for (const CheckLine& line : lines) subjects.push_back(line.subject);
  EXPECT_THAT(subjects,
              ElementsAre("MX", "MX host", "SPF", "DKIM", "DMARC", "MTA-STS", "MTA-STS policy", "TLS-RPT"));
}

TEST_F(DomainCheckTest, ADomainThatHasNothingIsTold) {
  const std::vector<CheckLine> lines = Run(CheckDomain(check_, expected_));
  EXPECT_EQ(WorstOf(lines), CheckLine::Level::kError);
  EXPECT_THAT(Bad(lines),
              ElementsAre(HasSubstr("error MX: The domain does not exist"), HasSubstr("error SPF"),
                          HasSubstr("warning DKIM"), HasSubstr("error DMARC"), HasSubstr("warning MTA-STS"),
                          HasSubstr("warning TLS-RPT")));
}

TEST_F(DomainCheckTest, ADnsThatDoesNotAnswerIsNoDomainWithoutRecords) {
  Good();
  for (const char* name :
       {"a.test", "_dmarc.a.test", "_mta-sts.a.test", "_smtp._tls.a.test", "s._domainkey.a.test"}) {
    dns_.Set(name, Type::kTxt, dns::Failed(dns::Failure::kServFail));
  }
  dns_.Set(kDomain, Type::kMx, dns::Failed(dns::Failure::kTimeout));
  const std::vector<std::string> bad = Bad(Run(CheckDomain(check_, expected_)));
  EXPECT_EQ(bad.size(), 6u);
  for (const std::string& line : bad) EXPECT_THAT(line, HasSubstr("does not answer"));
}

TEST_F(DomainCheckTest, MxRecords) {
  Good();
  EXPECT_THAT(Mx_(), IsEmpty());
  // Elsewhere, and some of it.
  expected_.mx_hosts = {"other.test"};
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("error MX: The domain's mail goes elsewhere")));
  expected_.mx_hosts_guessed = true;
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("warning MX: The domain's mail goes elsewhere than to the name")));
  expected_.mx_hosts_guessed = false;
  expected_.mx_hosts = {"mx.test", "other.test"};
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("warning MX: other.test is not named")));
  expected_.mx_hosts = {"mx.test"};
  Host("other.test");
  dns_.Set(kDomain, Type::kMx, Answered({Mx{10, "mx.test"}, Mx{20, "other.test"}}));
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("warning MX: Some of the domain's mail goes to other.test")));
  // Null MX.
  dns_.Set(kDomain, Type::kMx, Answered({Mx{0, "."}}));
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("error MX: The domain says that it takes no mail")));
  dns_.Set(kDomain, Type::kMx, Answered({Mx{0, "."}, Mx{10, "mx.test"}}));
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("must stand alone")));
  // No MX.
  dns_.Set(kDomain, Type::kMx, dns::Absent(dns::Outcome::kNoData));
  Host(kDomain);
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("warning MX: Without an MX record")));
}

TEST_F(DomainCheckTest, HostsOfMxRecords) {
  Good();
  const auto with = [&](const std::string& host) {
    dns_.Set(kDomain, Type::kMx, Answered({Mx{10, host}}));
    expected_.mx_hosts.clear();
    return Mx_();
  };
  EXPECT_THAT(with("nothing.test"), ElementsAre(HasSubstr("error MX host: It has no address")));
  EXPECT_THAT(with("192.0.2.1"), ElementsAre(HasSubstr("not the name of a host")));
  dns_.Set("alias.test", Type::kA, dns::AliasOf("mx.test", Answered({dns::Ipv4Bytes{192, 0, 2, 1}})));
  EXPECT_THAT(with("alias.test"),
              ElementsAre(HasSubstr("by its own name (RFC 2181 section 10.3): name mx.test")));
  dns_.Set("down.test", Type::kA, dns::Failed(dns::Failure::kServFail));
  EXPECT_THAT(with("down.test"), ElementsAre(HasSubstr("does not answer")));
  for (const dns::Ipv4Bytes& address :
       std::vector<dns::Ipv4Bytes>{{127, 0, 0, 1}, {10, 1, 2, 3}, {172, 31, 0, 1}, {192, 168, 0, 1}}) {
    Host("inside.test", address);
    EXPECT_THAT(with("inside.test"), ElementsAre(HasSubstr("error MX host: Nobody else can reach")));
  }
  Host("inside.test", {172, 32, 0, 1});
  EXPECT_THAT(with("inside.test"), IsEmpty());
}

TEST_F(DomainCheckTest, TlsaRecords) {
  Good();
  const std::string name = "_25._tcp.mx.test";
  const dns::Answer usable = Answered({dns::Tlsa{3, 1, 1, std::string(32, 'x')}});
  dns_.Set(name, Type::kTlsa, usable);
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("error DANE: DNSSEC does not prove them")));
  dns_.Set(name, Type::kTlsa, dns::Secure(usable));
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("error DANE: DNSSEC does not prove the host's addresses")));
  dns_.Set("mx.test", Type::kA, dns::Secure(Answered({dns::Ipv4Bytes{192, 0, 2, 1}})));
  EXPECT_THAT(Mx_(), IsEmpty());
  dns_.Set(name, Type::kTlsa, dns::Secure(Answered({dns::Tlsa{1, 1, 1, std::string(32, 'x')}})));
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("None of them can be used")));
  dns_.Set(name, Type::kTlsa, dns::Failed(dns::Failure::kServFail));
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("send nothing to mx.test")));
  check_.knows_dnssec = false;
  dns_.Set(name, Type::kTlsa, usable);
  EXPECT_THAT(Mx_(), ElementsAre(HasSubstr("warning DANE: Whether DNSSEC proves them is not known")));
}

TEST_F(DomainCheckTest, SpfRecords) {
  EXPECT_THAT(Spf("v=spf1 mx -all"), IsEmpty());
  EXPECT_THAT(Spf("v=spf1 mx ~all"), IsEmpty());
  EXPECT_THAT(Spf("v=spf1 +all"), ElementsAre(HasSubstr("error SPF: Every host in the world")));
  EXPECT_THAT(Spf("v=spf1 all"), ElementsAre(HasSubstr("error SPF: Every host in the world")));
  EXPECT_THAT(Spf("v=spf1 mx ?all"), ElementsAre(HasSubstr("warning SPF")));
  EXPECT_THAT(Spf("v=spf1 mx"), ElementsAre(HasSubstr("warning SPF")));
  EXPECT_THAT(Spf("v=spf1 ptr -all"), ElementsAre(HasSubstr("warning SPF: It is slow")));
  EXPECT_THAT(Spf("v=spf1 mx -al"), ElementsAre(HasSubstr("error SPF: The record is an error")));
  Text(kDomain, {"v=spf1 mx -all", "v=spf1 a -all"});
  EXPECT_THAT(Spf(), ElementsAre(HasSubstr("make one of them")));
  Text(kDomain, {"x"});
  EXPECT_THAT(Spf(), ElementsAre(HasSubstr("error SPF: Large providers")));
}

TEST_F(DomainCheckTest, SpfIncludes) {
  EXPECT_THAT(Spf("v=spf1 include:none.test -all"),
              ElementsAre(HasSubstr("none.test, which a.test includes, has no SPF record")));
  Text("two.test", {"v=spf1 -all", "v=spf1 a -all"});
  EXPECT_THAT(Spf("v=spf1 redirect=two.test"), ElementsAre(HasSubstr("has more than one SPF record")));
  Text("bad.test", {"v=spf1 foo"});
  EXPECT_THAT(Spf("v=spf1 include:bad.test -all"), ElementsAre(HasSubstr("the SPF record of bad.test")));
  dns_.Set("down.test", Type::kTxt, dns::Failed(dns::Failure::kServFail));
  EXPECT_THAT(Spf("v=spf1 include:down.test -all"), ElementsAre(HasSubstr("does not answer for down.test")));
  EXPECT_THAT(Spf("v=spf1 include:a.test -all"), ElementsAre(HasSubstr("includes itself")));
  // A circle of several has no end either.
  Text("b.test", {"v=spf1 include:c.test -all"});
  Text("c.test", {"v=spf1 include:b.test -all"});
  EXPECT_THAT(Spf("v=spf1 include:b.test -all"), ElementsAre(HasSubstr("too often")));
}

TEST_F(DomainCheckTest, SpfLookupsAreCountedThroughAllRecords) {
  // 1 of the first record and 4 of each of the two that it includes: 10.
  Text("b.test", {"v=spf1 a:h.b.test a:h.b.test mx:h.b.test include:c.test -all"});
  Text("c.test", {"v=spf1 a:h.b.test exists:%{i}.b.test a:h.b.test ip4:192.0.2.0/24 -all"});
  Host("h.b.test");
  dns_.Set("h.b.test", Type::kMx, Answered({Mx{10, "h.b.test"}}));
  EXPECT_THAT(Spf("v=spf1 a:h.b.test a:h.b.test include:b.test -all"), IsEmpty());
  EXPECT_THAT(Spf("v=spf1 a:h.b.test a:h.b.test a:h.b.test include:b.test -all"),
              ElementsAre(HasSubstr("error SPF: The record asks the DNS too often")));
  // What stands behind "all" is not looked at.
  EXPECT_THAT(Spf("v=spf1 a:h.b.test a:h.b.test include:b.test -all a:h.b.test redirect=b.test"), IsEmpty());
  const std::string many = "v=spf1 mx:n1.test mx:n2.test mx:n3.test -all";
  EXPECT_THAT(Spf(many), ElementsAre(HasSubstr("More than two")));
}

TEST_F(DomainCheckTest, DkimKeys) {
  Good();
  EXPECT_THAT(Dkim("v=DKIM1; k=rsa; p=AAAA"), IsEmpty());
  EXPECT_THAT(Dkim("p=AA AA"), IsEmpty());
  EXPECT_THAT(
      Dkim("v=DKIM1; p=AAAB"),
      ElementsAre(HasSubstr("error DKIM: The record is not that of the key: its key (p) is another")));
  EXPECT_THAT(Dkim("v=DKIM1; p="), ElementsAre(HasSubstr("revoked")));
  EXPECT_THAT(Dkim("v=DKIM1; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
              ElementsAre(HasSubstr("kind of key")));
  EXPECT_THAT(Dkim("v=DKIM1; k=ed25519; p=AAAA"), ElementsAre(HasSubstr("32 bytes")));
  EXPECT_THAT(Dkim("v=DKIM1; h=sha1; p=AAAA"), ElementsAre(HasSubstr("sha256")));
  EXPECT_THAT(Dkim("v=DKIM1; s=tlsrpt; p=AAAA"), ElementsAre(HasSubstr("not for mail")));
  EXPECT_THAT(Dkim("k=rsa; v=DKIM1; p=AAAA"), ElementsAre(HasSubstr("its v= is not DKIM1")));
  EXPECT_THAT(Dkim("nonsense"), ElementsAre(HasSubstr("no DKIM record")));
  Text("s._domainkey.a.test", {"v=DKIM1; p=AAAA", "v=DKIM1; p=AAAA"});
  EXPECT_THAT(Bad(Run(CheckDkim(check_, expected_))), ElementsAre(HasSubstr("leave one")));
  expected_.dkim = {{"n._domainkey.a.test", "v=DKIM1; p=AAAA", true},
                    {"m._domainkey.a.test", "v=DKIM1; p=AAAA", false}};
  EXPECT_THAT(Bad(Run(CheckDkim(check_, expected_))),
              ElementsAre(HasSubstr("error DKIM: Mail is signed with a key that nobody"),
                          HasSubstr("warning DKIM: The key is not published")));
}

TEST_F(DomainCheckTest, DmarcRecords) {
  const auto with = [&](const std::string& record) {
    Text("_dmarc.a.test", {record});
    return Dmarc();
  };
  EXPECT_THAT(with("v=DMARC1; p=none"), IsEmpty());
  EXPECT_THAT(with("v=DMARC1; p=none; pct=10"),
              ElementsAre(HasSubstr("warning DMARC: pct has no effect any more (RFC 9989)")));
  EXPECT_THAT(with("v=DMARC1; p=maybe"), ElementsAre(HasSubstr("error DMARC: The record does not count")));
  EXPECT_THAT(with("p=none"), ElementsAre(HasSubstr("error DMARC: Large providers")));
  Text("_dmarc.a.test", {"v=DMARC1; p=none", "v=DMARC1; p=none"});
  EXPECT_THAT(Dmarc(), ElementsAre(HasSubstr("leave one")));
}

TEST_F(DomainCheckTest, DmarcOfADomainAbove) {
  Text("_dmarc.a.test", {"v=DMARC1; p=reject; sp=none"});
  domain_ = "x.y.a.test";
  EXPECT_THAT(Dmarc(), IsEmpty());
  EXPECT_THAT(dns_.asked(), ElementsAre("_dmarc.x.y.a.test TXT", "_dmarc.y.a.test TXT", "_dmarc.a.test TXT"));
  // At most eight questions, whatever its length (RFC 9989 section 4.10).
  domain_ = "1.2.3.4.5.6.7.8.9.10.11.12.b.test";
  const size_t before = dns_.asked().size();
  EXPECT_THAT(Dmarc(), ElementsAre(HasSubstr("error DMARC")));
  EXPECT_EQ(dns_.asked().size(), before + 8);
  EXPECT_EQ(dns_.asked()[before + 1], "_dmarc.8.9.10.11.12.b.test TXT");
  EXPECT_EQ(dns_.asked().back(), "_dmarc.test TXT");
}

TEST_F(DomainCheckTest, MtaSts) {
  Good();
  EXPECT_THAT(Sts(), IsEmpty());
  policy_ = "version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 604800\n";
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("error MTA-STS policy: The policy does not name mx.test")));
  policy_ = "version: STSv1\nmode: testing\nmx: *.mx.test\nmax_age: 604800\n";
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("warning MTA-STS policy: The policy does not name mx.test")));
  policy_ = "version: STSv1\nmode: enforce\nmx: *.test\nmax_age: 3600\n";
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("warning MTA-STS policy: A policy that ends within a day")));
  policy_ = "version: STSv1\nmode: none\nmax_age: 3600\n";
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("asks for nothing")));
  // Where webd serves it the id is made of it, and the mode is the domain's.
  policy_ = "version: STSv1\nmode: testing\nmx: mx.test\nmax_age: 604800\n";
  EXPECT_THAT(Sts(), IsEmpty());
  const std::string id = mailauth::StsIdOf(*mailauth::ParseStsPolicy(*policy_));
  expected_.sts_mode = mailauth::StsPolicy::Mode::kTesting;
  EXPECT_THAT(
      Sts(),
      ElementsAre(HasSubstr("warning MTA-STS: The policy is another one than the record was made for")));
  Text("_mta-sts.a.test", {"v=STSv1; id=" + id});
  EXPECT_THAT(Sts(), IsEmpty());
  expected_.sts_mode = mailauth::StsPolicy::Mode::kEnforce;
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("error MTA-STS policy: It is not what the domain has here")));
  expected_.sts_mode.reset();
  policy_ = "<html>";
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("error MTA-STS policy: It is no policy")));
  policy_ = absl::PermissionDeniedError("certificate has expired");
  EXPECT_THAT(Sts(),
              ElementsAre(HasSubstr("error MTA-STS policy: It cannot be fetched: certificate has expired")));
  Text("_mta-sts.a.test", {"v=STSv1; id=-"});
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("error MTA-STS: It does not count")));
  Text("_mta-sts.a.test", {"v=STSv1; id=1", "v=STSv1; id=2"});
  EXPECT_THAT(Sts(), ElementsAre(HasSubstr("several records")));
}

TEST_F(DomainCheckTest, TlsRptRecords) {
  const auto with = [&](std::vector<std::string> records) {
    Text("_smtp._tls.a.test", std::move(records));
    return TlsRpt();
  };
  EXPECT_THAT(with({"v=TLSRPTv1; rua=mailto:p@a.test,https://r.test/x"}), IsEmpty());
  EXPECT_THAT(with({"v=TLSRPTv1; rua=http://r.test/x"}), ElementsAre(HasSubstr("error TLS-RPT")));
  EXPECT_THAT(with({"v=TLSRPTv1; ruf=mailto:p@a.test"}), ElementsAre(HasSubstr("names nobody")));
  EXPECT_THAT(with({"v=TLSRPTv1; rua=mailto:nobody"}), ElementsAre(HasSubstr("to none of its addresses")));
  EXPECT_THAT(with({"v=TLSRPTv1; rua=mailto:p@a.test", "v=TLSRPTv1; rua=mailto:p@a.test"}),
              ElementsAre(HasSubstr("leave one")));
  EXPECT_THAT(with({"x"}), ElementsAre(HasSubstr("warning TLS-RPT")));
}

TEST_F(DomainCheckTest, WhatAStrangerWritesIsShownSafely) {
  Text("_dmarc.a.test", {absl::StrCat("v=DMARC1; p=none; x=\x1b[31m", std::string(5000, 'y'))});
  for (const CheckLine& line : Run(CheckDmarc(check_, domain_))) {
    EXPECT_LT(line.found.size(), 600u);
    EXPECT_THAT(line.found, Not(HasSubstr("\x1b")));
  }
}

}  // namespace
}  // namespace mailstead::ctl
