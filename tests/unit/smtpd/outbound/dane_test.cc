#include "smtpd/outbound/dane.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/io_context.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/begin.h"
#include "tests/support/fake_resolver.h"
#include "tests/support/fake_time.h"

namespace mailstead::smtp::outbound {
namespace {

using dns::Absent;
using dns::Alias;
using dns::AliasOf;
using dns::Answered;
using dns::Failed;
using dns::Failure;
using dns::Outcome;
using dns::Secure;
using dns::Tlsa;
using dns::Type;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Tlsa Record(uint8_t usage, std::string data = std::string(32, 'x')) {
  return {.usage = usage, .selector = 1, .matching_type = 1, .data = std::move(data)};
}

// Those of the usages 2 and 3; what OpenSSL thinks of the rest is tested with it.
std::vector<Tlsa> KeepUsable(std::vector<Tlsa> records) {
  std::vector<Tlsa> kept;
  for (Tlsa& record : records) {
    if (record.usage >= 2) kept.push_back(std::move(record));
  }
  return kept;
}

std::string Shown(const DaneAnswer& answer) {
  switch (answer.kind) {
    case DaneAnswer::Kind::kNotAsked:
      return "not asked";
    case DaneAnswer::Kind::kMissing:
      return "missing";
    case DaneAnswer::Kind::kUsable:
      return absl::StrCat(answer.records.size(), " usable at ", answer.base_domain, " for ",
                          absl::StrJoin(answer.names, "|"));
    case DaneAnswer::Kind::kUnusable:
      return absl::StrCat("unusable at ", answer.base_domain);
    case DaneAnswer::Kind::kBogus:
      return absl::StrCat("bogus at ", answer.base_domain, " ", answer.why);
    case DaneAnswer::Kind::kUnreachable:
      return absl::StrCat("unreachable at ", answer.base_domain, " ", answer.why);
    case DaneAnswer::Kind::kTooLarge:
      return absl::StrCat("too large at ", answer.base_domain);
  }
  return "";
}

class DaneTest : public ::testing::Test {
 protected:
  // example.test has one host, mx.example.test, and DNSSEC proves both.
  DaneTest() {
    hops_.mx_secure = true;
    hops_.canonical_domain = "example.test";
    AddHost("mx.example.test");
  }

  void AddHost(std::string host) {
    hops_.hosts.push_back({.host = host, .canonical_name = host, .secure = true, .addresses = {address_}});
  }
  void Set(const std::string& base_domain, dns::Answer answer) {
    dns_.Set(absl::StrCat("_25._tcp.", base_domain), Type::kTlsa, std::move(answer));
  }
  std::vector<std::string> Ask(const std::string& domain = "example.test", uint16_t port = 25) {
    DaneFinder finder(dns_, KeepUsable);
    const std::vector<DaneAnswer> answers =
        RunToEnd(context_, time_, finder.Ask(hops_, domain, port, time_.Now() + absl::Seconds(30)));
    std::vector<std::string> shown;
    for (const DaneAnswer& answer : answers) shown.push_back(Shown(answer));
    return shown;
  }

  const asio::ip::address address_ = asio::ip::make_address("192.0.2.1");
  FakeTime time_;
  asio::io_context context_{1};
  dns::FakeResolver dns_{time_};
  NextHops hops_;
};

// What the answer about the records is, and what that means. Four things, and no two of them the same.
TEST_F(DaneTest, Table) {
  const std::string usable = "1 usable at mx.example.test for mx.example.test|example.test";
  const struct {
    const char* what;
    dns::Answer answer;
    std::string shown;
  } rows[] = {
      {"a record", Secure(Answered({Record(3)})), usable},
      {"of an authority", Secure(Answered({Record(2)})), usable},
      {"among others", Secure(Answered({Record(0), Record(1), Record(3)})), usable},
      {"none of use", Secure(Answered({Record(0), Record(1)})), "unusable at mx.example.test"},
      {"not signed", Answered({Record(3)}), "missing"},
      {"none of use, not signed", Answered({Record(0)}), "missing"},
      {"no such name", Secure(Absent(Outcome::kNoName)), "missing"},
      {"no record", Secure(Absent(Outcome::kNoData)), "missing"},
      {"no such name, not signed", Absent(Outcome::kNoName), "missing"},
      {"bogus", Failed(Failure::kServFail), "bogus at mx.example.test servfail"},
      {"no answer", Failed(Failure::kTimeout), "unreachable at mx.example.test timeout"},
      {"refused", Failed(Failure::kRefused), "unreachable at mx.example.test refused"},
      {"nonsense", Failed(Failure::kGarbled), "unreachable at mx.example.test garbled"},
      {"no server", Failed(Failure::kUnreachable), "unreachable at mx.example.test unreachable"},
      {"an answer that has no end", Failed(Failure::kTooLarge), "too large at mx.example.test"},
  };
  for (const auto& row : rows) {
    Set("mx.example.test", row.answer);
    EXPECT_THAT(Ask(), ElementsAre(row.shown)) << row.what;
  }
}

// RFC 7672 section 2.2: what DNSSEC does not prove may be anybody's, and so may its records.
TEST_F(DaneTest, IsAskedOnlyWhereHostsAndAddressesAreProven) {
  Set("mx.example.test", Secure(Answered({Record(3)})));
  Set("192.0.2.1", Secure(Answered({Record(3)})));
  hops_.mx_secure = false;
  EXPECT_THAT(Ask(), ElementsAre("not asked"));
  hops_.mx_secure = true;
  hops_.hosts[0].secure = false;
  EXPECT_THAT(Ask(), ElementsAre("not asked"));
  hops_.hosts[0] = {
      .host = "192.0.2.1", .canonical_name = "192.0.2.1", .secure = true, .addresses = {address_}};
  EXPECT_THAT(Ask(), ElementsAre("not asked"));
  hops_.hosts[0].host = "[192.0.2.1]";
  EXPECT_THAT(Ask(), ElementsAre("not asked"));
  EXPECT_THAT(dns_.asked(), IsEmpty());
}

TEST_F(DaneTest, IsAskedForThePortOfDelivery) {
  dns_.Set("_2525._tcp.mx.example.test", Type::kTlsa, Secure(Answered({Record(3)})));
  EXPECT_THAT(Ask("example.test", 2525),
              ElementsAre("1 usable at mx.example.test for mx.example.test|example.test"));
  EXPECT_THAT(Ask(), ElementsAre("missing"));
}

// RFC 7672 sections 2.2.2 and 2.2.3.
TEST_F(DaneTest, AHostThatIsAnAlias) {
  hops_.hosts[0].canonical_name = "real.host.test";
  const std::string names = "mx.example.test|example.test";
  // Where the aliases lead comes first.
  Set("real.host.test", Secure(Answered({Record(3)})));
  Set("mx.example.test", Secure(Answered({Record(3), Record(2)})));
  EXPECT_THAT(Ask(), ElementsAre("1 usable at real.host.test for real.host.test|" + names));
  // Then the name itself.
  Set("real.host.test", Secure(Absent(Outcome::kNoName)));
  EXPECT_THAT(Ask(), ElementsAre("2 usable at mx.example.test for " + names));
  Set("real.host.test", Answered({Record(3)}));
  EXPECT_THAT(Ask(), ElementsAre("2 usable at mx.example.test for " + names));
  // But not where the first is not known.
  Set("real.host.test", Failed(Failure::kServFail));
  EXPECT_THAT(Ask(), ElementsAre("bogus at real.host.test servfail"));
  Set("real.host.test", Secure(Answered({Record(1)})));
  EXPECT_THAT(Ask(), ElementsAre("unusable at real.host.test"));
}

TEST_F(DaneTest, AHostThatIsAnAliasOutOfWhatIsSigned) {
  hops_.hosts[0].canonical_name = "real.plain.test";
  hops_.hosts[0].secure = false;
  Set("real.plain.test", Secure(Answered({Record(3)})));
  Set("mx.example.test", Secure(Answered({Record(3)})));
  // The alias is signed: its name has records of its own.
  dns_.Set("mx.example.test", Type::kCname, Secure(Answered({Alias{"real.plain.test"}})));
  EXPECT_THAT(Ask(), ElementsAre("1 usable at mx.example.test for mx.example.test|example.test"));
  dns_.Set("mx.example.test", Type::kCname, Answered({Alias{"real.plain.test"}}));
  EXPECT_THAT(Ask(), ElementsAre("not asked"));
  dns_.Set("mx.example.test", Type::kCname, Failed(Failure::kTimeout));
  EXPECT_THAT(Ask(), ElementsAre("unreachable at mx.example.test timeout"));
  EXPECT_EQ(dns_.count("_25._tcp.real.plain.test", Type::kTlsa), 0);
}

// RFC 7672 section 3.2.2.
TEST_F(DaneTest, TheNamesOfACertificate) {
  hops_.canonical_domain = "moved.test";
  Set("mx.example.test", Secure(Answered({Record(2)})));
  EXPECT_THAT(Ask(), ElementsAre("1 usable at mx.example.test for mx.example.test|example.test|moved.test"));
  // The domain is its own host.
  hops_.hosts[0].host = hops_.hosts[0].canonical_name = hops_.canonical_domain = "example.test";
  Set("example.test", Secure(Answered({Record(2)})));
  EXPECT_THAT(Ask(), ElementsAre("1 usable at example.test for example.test"));
  // An operator has named it, in his own way of writing.
  hops_.hosts[0].host = "Relay.Example.TEST";
  hops_.hosts[0].canonical_name = "relay.example.test";
  hops_.canonical_domain.clear();
  Set("relay.example.test", Secure(Answered({Record(2)})));
  EXPECT_THAT(Ask(""), ElementsAre("1 usable at relay.example.test for relay.example.test"));
  hops_.hosts[0].secure = false;
  EXPECT_THAT(Ask(""), ElementsAre("not asked"));
}

TEST_F(DaneTest, EachHostHasItsOwn) {
  AddHost("second.example.test");
  AddHost("third.example.test");
  hops_.hosts[1].canonical_name = "real.example.test";
  Set("real.example.test", Failed(Failure::kServFail));
  Set("third.example.test", Secure(Answered({Record(3)})));
  EXPECT_THAT(Ask(), ElementsAre("missing", "bogus at real.example.test servfail",
                                 "1 usable at third.example.test for third.example.test|example.test"));
  hops_.hosts.clear();
  EXPECT_THAT(Ask(), IsEmpty());
}

TEST_F(DaneTest, SetsAreBounded) {
  const auto set = [](size_t count, size_t bytes) {
    return Secure(Answered(std::vector<dns::Record>(count, Record(3, std::string(bytes, 'x')))));
  };
  const std::string usable = " usable at mx.example.test for mx.example.test|example.test";
  Set("mx.example.test", set(kMaxTlsaRecords, 32));
  EXPECT_THAT(Ask(), ElementsAre(absl::StrCat(kMaxTlsaRecords, usable)));
  Set("mx.example.test", set(kMaxTlsaRecords + 1, 32));
  EXPECT_THAT(Ask(), ElementsAre("too large at mx.example.test"));
  Set("mx.example.test", set(2, kMaxTlsaBytes / 2));
  EXPECT_THAT(Ask(), ElementsAre(absl::StrCat(2, usable)));
  Set("mx.example.test", set(1, kMaxTlsaBytes + 1));
  EXPECT_THAT(Ask(), ElementsAre("too large at mx.example.test"));
}

TEST_F(DaneTest, ALateAnswerIsNone) {
  dns_.SetDelay(absl::Seconds(31));
  Set("mx.example.test", Secure(Absent(Outcome::kNoName)));
  EXPECT_THAT(Ask(), ElementsAre("unreachable at mx.example.test timeout"));
}

}  // namespace
}  // namespace mailstead::smtp::outbound
