#include "common/mailauth/sts_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mailstead::mailauth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Mode = StsPolicy::Mode;

// ---- The record (RFC 8461 section 3.1)

struct RecordCase {
  std::vector<std::string> texts;
  // The id; or empty, and the code.
  std::string id;
  absl::StatusCode code = absl::StatusCode::kOk;
};

constexpr absl::StatusCode kNone = absl::StatusCode::kNotFound;
constexpr absl::StatusCode kBad = absl::StatusCode::kInvalidArgument;

const RecordCase kRecords[] = {
    {{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z"},
    {{"v=STSv1;id=1"}, "1"},
    {{"v=STSv1; id=1; "}, "1"},
    {{"v=STSv1; id=1 \t;"}, "1"},
    {{"v=STSv1; a.b-c_d=x:y; id=1; z=9"}, "1"},
    {{"v=STSv1; id=abcdefghijklmnopqrstuvwxyzABCDEF"}, "abcdefghijklmnopqrstuvwxyzABCDEF"},
    // What does not begin with it is no record.
    {{}, "", kNone},
    {{"v=spf1 -all"}, "", kNone},
    {{"v=STSv1"}, "", kNone},
    {{"v=STSv1 ; id=1"}, "", kNone},
    {{"V=STSv1; id=1"}, "", kNone},
    {{"v=stsv1; id=1"}, "", kNone},
    {{" v=STSv1; id=1"}, "", kNone},
    {{"v=STSv10; id=1"}, "", kNone},
    {{"v=STSv1", "v=STSv1; id=7", "v=spf1 -all"}, "7"},
    // Of two that do there is none.
    {{"v=STSv1; id=1", "v=STSv1; id=1"}, "", kBad},
    {{"v=STSv1; id=1", "v=STSv1;"}, "", kBad},
    // Of one that is not written as it must be, neither.
    {{"v=STSv1;"}, "", kBad},
    {{"v=STSv1; id="}, "", kBad},
    {{"v=STSv1; id =1"}, "", kBad},
    {{"v=STSv1; id= 1"}, "", kBad},
    {{"v=STSv1; id=1-2"}, "", kBad},
    {{"v=STSv1; id=abcdefghijklmnopqrstuvwxyzABCDEFG"}, "", kBad},
    {{"v=STSv1; ID=1"}, "", kBad},
    {{"v=STSv1; id=1; x"}, "", kBad},
    {{"v=STSv1; id=1;; x=1"}, "", kBad},
    {{"v=STSv1; id=1; x=a=b"}, "", kBad},
    {{"v=STSv1; id=1; x=a b"}, "", kBad},
    {{"v=STSv1; id=1; -x=1"}, "", kBad},
    {{std::string("v=STSv1; id=1\0", 14)}, "", kBad},
    {{"v=STSv1; id=1; x=\xc3\xa4"}, "", kBad},
    // The first of two counts, as in the policy.
    {{"v=STSv1; id=1; id=2"}, "1"},
};

TEST(FindStsId, TakesOneRecordThatIsWrittenAsItMustBe) {
  for (const RecordCase& row : kRecords) {
    const absl::StatusOr<std::string> id = FindStsId(row.texts);
    const std::string shown = row.texts.empty() ? "nothing" : row.texts.front();
    EXPECT_EQ(id.status().code(), row.code) << shown << ": " << id.status();
    EXPECT_EQ(id.ok() ? *id : "", row.id) << shown;
  }
}

// ---- The policy (section 3.2)

StsPolicy Parsed(absl::string_view file) {
  const absl::StatusOr<StsPolicy> policy = ParseStsPolicy(file);
  EXPECT_TRUE(policy.ok()) << policy.status() << " of\n" << file;
  return policy.ok() ? *policy : StsPolicy();
}

TEST(ParseStsPolicy, ReadsThePolicyOfTheRfc) {
  const StsPolicy policy = Parsed(
      "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
      "mx: backupmx.example.com\r\nmax_age: 604800\r\n");
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_EQ(policy.max_age, absl::Hours(24 * 7));
  EXPECT_THAT(policy.mx, ElementsAre("mail.example.com", "*.example.net", "backupmx.example.com"));
}

struct PolicyCase {
  std::string file;
  // In the form of StsPolicyFile, without version and with blanks between the fields; or empty, and what the error says.
  std::string policy;
  std::string error;
};

const PolicyCase kPolicies[] = {
    // Ends of lines, blanks, order.
    {"version: STSv1\nmode: testing\nmx: a.test\nmax_age: 1", "testing a.test 1"},
    {"max_age:1\nmx:a.test\nmode:enforce\nversion:STSv1\n", "enforce a.test 1"},
    {"version: STSv1 \t\r\nmode:\t enforce\r\nmx:  a.test \r\nmax_age: 1 \r\n", "enforce a.test 1"},
    {"version: STSv1\n\nmode: enforce\r\n \r\nmx: a.test\nmax_age: 1\n\n\n", "enforce a.test 1"},
    // What is not known, and what is doubled.
    {"version: STSv1\nfoo: bar\nmode: enforce\nx-y.z_1: \xc3\xa4 b\nmx: a.test\nmax_age: 1",
     "enforce a.test 1"},
    {"version: STSv1\nversion: STSv2\nmode: enforce\nmode: none\nmx: a.test\nmax_age: 5\nmax_age: x",
     "enforce a.test 5"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmx: a.test\nmax_age: 1", "enforce a.test a.test 1"},
    // Names.
    {"version: STSv1\nmode: enforce\nmx: A.TEST\nmx: *.B.test.\nmax_age: 1", "enforce a.test *.b.test 1"},
    {"version: STSv1\nmode: enforce\nmx: b\xc3\xbc"
     "cher.test\nmx: *.b\xc3\xbc"
     "cher.test\nmax_age: 1",
     "enforce xn--bcher-kva.test *.xn--bcher-kva.test 1"},
    {"version: STSv1\nmode: none\nmax_age: 0", "none 0"},
    {"version: STSv1\nmode: none\nmx: a.test\nmax_age: 86400", "none a.test 86400"},
    // A year is the most.
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557600", "enforce a.test 31557600"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557601", "enforce a.test 31557600"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9999999999", "enforce a.test 31557600"},
    // What is no policy.
    {"", "", "no version"},
    {"mode: enforce\nmx: a.test\nmax_age: 1", "", "no version"},
    {"version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1", "", "not STSv1"},
    {"version: stsv1\nmode: enforce\nmx: a.test\nmax_age: 1", "", "not STSv1"},
    {"Version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1", "", "no version"},
    {"version: STSv1\nmx: a.test\nmax_age: 1", "", "no mode"},
    {"version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1", "", "mode"},
    {"version: STSv1\nmode: report\nmx: a.test\nmax_age: 1", "", "mode"},
    {"version: STSv1\nmode: enforce\nmx: a.test", "", "no max_age"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1", "", "max_age"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1h", "", "max_age"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 10000000000", "", "max_age"},
    {"version: STSv1\nmode: enforce\nmax_age: 1", "", "no mx"},
    {"version: STSv1\nmode: testing\nmax_age: 1", "", "no mx"},
    {"version: STSv1\nmode: enforce\nmx: \nmax_age: 1", "", "without a value"},
    {"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: .a.test\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: *.*.test\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: *a.test\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: [192.0.2.1]\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: a.test b.test\nmax_age: 1", "", "mx"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\ngarbage", "", "a name, a colon"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\n: x", "", "a name, a colon"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\na b: x", "", "a name, a colon"},
    {"version: STSv1\rmode: enforce\rmx: a.test\rmax_age: 1", "", "control"},
    {"version: STSv1\r\r\nmode: enforce\nmx: a.test\nmax_age: 1", "", "control"},
    {std::string("version: STSv1\nmode: enforce\nmx: a.test\0b\nmax_age: 1", 51), "", "control"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\nx: \x7f", "", "control"},
    {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\nx: \xff", "", "UTF-8"},
    {"\xef\xbb\xbfversion: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1", "", "a name, a colon"},
    {"<html><body>404</body></html>\n", "", "a name, a colon"},
};

TEST(ParseStsPolicy, ReadsWhatSection32Allows) {
  for (const PolicyCase& row : kPolicies) {
    const absl::StatusOr<StsPolicy> policy = ParseStsPolicy(row.file);
    if (!row.error.empty()) {
      EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument) << row.file;
      EXPECT_THAT(std::string(policy.status().message()), HasSubstr(row.error)) << row.file;
      continue;
    }
    ASSERT_TRUE(policy.ok()) << policy.status() << " of\n" << row.file;
    std::string shown(StsModeText(policy->mode));
    for (const std::string& mx : policy->mx) absl::StrAppend(&shown, " ", mx);
    absl::StrAppend(&shown, " ", absl::ToInt64Seconds(policy->max_age));
    EXPECT_EQ(shown, row.policy) << row.file;
    EXPECT_EQ(Parsed(StsPolicyFile(*policy)), *policy) << row.file;
  }
}

std::string WithHosts(size_t count) {
  std::string file = "version: STSv1\nmode: enforce\nmax_age: 1\n";
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&file, "mx: h", i, ".test\n");
  return file;
}

TEST(ParseStsPolicy, HasLimits) {
  EXPECT_EQ(Parsed(WithHosts(kMaxStsPatterns)).mx.size(), kMaxStsPatterns);
  EXPECT_FALSE(ParseStsPolicy(WithHosts(kMaxStsPatterns + 1)).ok());
  std::string file = WithHosts(1) + "x: ";
  file.append(kMaxStsPolicyBytes - file.size(), 'y');
  EXPECT_TRUE(ParseStsPolicy(file).ok());
  EXPECT_FALSE(ParseStsPolicy(file + "y").ok());
}

// ---- Hosts (section 4.1)

TEST(StsAllows, ComparesNames) {
  StsPolicy policy;
  policy.mx = {"mail.example.com", "*.example.net", "xn--bcher-kva.test", "*.xn--bcher-kva.test"};
  for (const char* host :
       {"mail.example.com", "MAIL.Example.COM", "mail.example.com.", "a.example.net", "A.EXAMPLE.NET.",
        "xn--bcher-kva.test", "XN--BCHER-KVA.test", "mx.xn--bcher-kva.test", "_a.example.net"}) {
    EXPECT_TRUE(StsAllows(policy, host)) << host;
  }
  for (const char* host :
       {"", ".", "example.com", "xmail.example.com", "mail.example.com.evil.test", "a.mail.example.com",
        "example.net", ".example.net", "a.b.example.net", "aexample.net", "mail.example.co",
        "b\xc3\xbc"
        "cher.test",
        "*.example.org", "com"}) {
    EXPECT_FALSE(StsAllows(policy, host)) << host;
  }
  EXPECT_FALSE(StsAllows(StsPolicy(), "mail.example.com"));
}

TEST(IsStsMediaType, TakesPlainText) {
  for (const char* type :
       {"text/plain", "Text/Plain", "text/plain; charset=utf-8", "text/plain;x", " text/plain ;"}) {
    EXPECT_TRUE(IsStsMediaType(type)) << type;
  }
  for (const char* type :
       {"", "text/html", "text/plainx", "text", "application/octet-stream; x=text/plain"}) {
    EXPECT_FALSE(IsStsMediaType(type)) << type;
  }
}

TEST(StsNames, AreUnderTheDomain) {
  EXPECT_EQ(StsRecordName("example.com"), "_mta-sts.example.com");
  EXPECT_EQ(StsPolicyHost("example.com"), "mta-sts.example.com");
}

}  // namespace
}  // namespace mailstead::mailauth
