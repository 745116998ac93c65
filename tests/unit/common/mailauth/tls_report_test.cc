#include "common/mailauth/tls_report.h"

#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "common/mailauth/tls_result.h"
#include "gtest/gtest.h"

namespace mailstead::mailauth {
namespace {

TlsReport Sample() {
  TlsReport report;
  report.organization = "Company-X \"quoted\" \\ \xc3\xa4";
  report.contact = "sts-reporting@company-x.example";
  report.id = "tls-report-1459468800-company-y.example";
  report.start = absl::FromUnixSeconds(1'459'468'800);
  report.end = report.start + absl::Hours(24);
  report.domain = "company-y.example";
  TlsReportPolicy policy;
  policy.type = "sts";
  policy.domain = "company-y.example";
  policy.strings = {"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"};
  policy.mx_hosts = {"*.mail.company-y.example"};
  policy.success_count = 5326;
  policy.failure_count = 303;
  policy.failures = {{"certificate-expired", "mx1.mail.company-y.example", "2001:db8:abcd:13::1", "", 100},
                     {"validation-failure", "", "", "mx-mismatch", 203}};
  report.policies = {policy};
  TlsReportPolicy none;
  none.type = "no-policy-found";
  none.domain = "company-y.example";
  none.success_count = 1;
  report.policies.push_back(none);
  return report;
}

// As another one reads it, written again in an order of its own.
std::string Sorted(const google::protobuf::Value& value);
std::string Sorted(const google::protobuf::Struct& object) {
  std::set<std::string> fields;
  for (const auto& [name, value] : object.fields()) fields.insert(name + ":" + Sorted(value));
  std::string text = "{";
  for (const std::string& field : fields) text += field + ",";
  return text + "}";
}
std::string Sorted(const google::protobuf::Value& value) {
  if (value.has_struct_value()) return Sorted(value.struct_value());
  if (value.has_list_value()) {
    std::string text = "[";
    for (const auto& item : value.list_value().values()) text += Sorted(item) + ",";
    return text + "]";
  }
  if (value.kind_case() == google::protobuf::Value::kNumberValue)
    return std::to_string(static_cast<int64_t>(value.number_value()));
  return "'" + value.string_value() + "'";
}

// RFC 8460 section 4.4 and its appendix B.
TEST(TlsReportTest, Json) {
  google::protobuf::Struct read;
  const std::string text = TlsReportJson(Sample());
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(text, &read).ok()) << text;
  EXPECT_EQ(
      Sorted(read),
      "{contact-info:'sts-reporting@company-x.example',"
      "date-range:{end-datetime:'2016-04-01T23:59:59Z',start-datetime:'2016-04-01T00:00:00Z',},"
      "organization-name:'Company-X \"quoted\" \\ \xc3\xa4',"
      "policies:["
      "{failure-details:["
      "{failed-session-count:100,receiving-ip:'2001:db8:abcd:13::1',"
      "receiving-mx-hostname:'mx1.mail.company-y.example',result-type:'certificate-expired',},"
      "{failed-session-count:203,failure-reason-code:'mx-mismatch',result-type:'validation-failure',},],"
      "policy:{mx-host:['*.mail.company-y.example',],policy-domain:'company-y.example',"
      "policy-string:['version: STSv1','mode: testing','mx: *.mail.company-y.example','max_age: 86400',],"
      "policy-type:'sts',},"
      "summary:{total-failure-session-count:303,total-successful-session-count:5326,},},"
      "{policy:{policy-domain:'company-y.example',policy-type:'no-policy-found',},"
      "summary:{total-failure-session-count:0,total-successful-session-count:1,},},],"
      "report-id:'tls-report-1459468800-company-y.example',}");
  // Counts are numbers as JSON has them.
  EXPECT_TRUE(absl::StrContains(text, "5326")) << text;
  EXPECT_FALSE(absl::StrContains(text, "\"5326\"")) << text;
}

TEST(TlsReportTest, GzipIsRead) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100'000}}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * i % 251);
    const std::string packed = Gzip(text);
    google::protobuf::io::ArrayInputStream in(packed.data(), static_cast<int>(packed.size()));
    google::protobuf::io::GzipInputStream gzip(&in);
    std::string read;
    const void* piece = nullptr;
    int piece_size = 0;
    while (gzip.Next(&piece, &piece_size))
      read.append(static_cast<const char*>(piece), static_cast<size_t>(piece_size));
    EXPECT_EQ(read, text);
  }
}

TEST(TlsReportTest, Mail) {
  const WrittenTlsReport mail = WriteTlsReportMail(
      Sample(), {"mail.company-x.example", absl::FromUnixSeconds(1'459'562'400), {"a@b.test", "c@d.test"}});
  EXPECT_EQ(mail.envelope.reverse_path, "sts-reporting@company-x.example");
  ASSERT_EQ(mail.envelope.recipients.size(), 2u);
  EXPECT_EQ(mail.envelope.recipients[1].address, "c@d.test");
  EXPECT_TRUE(mail.envelope.recipients[0].notify.given);
  EXPECT_FALSE(mail.envelope.recipients[0].notify.failure);
  EXPECT_FALSE(mail.envelope.require_tls);
  for (const char* line :
       {"Date: Sat, 02 Apr 2016 02:00:00 +0000\r\n", "From: <sts-reporting@company-x.example>\r\n",
        "To: <a@b.test>, <c@d.test>\r\n", "TLS-Report-Domain: company-y.example\r\n",
        "TLS-Report-Submitter: mail.company-x.example\r\n", "TLS-Required: No\r\n",
        "Auto-Submitted: auto-generated\r\n", "Content-Type: application/tlsrpt+gzip\r\n"}) {
    EXPECT_TRUE(absl::StrContains(mail.content, line)) << line << mail.content;
  }
}

TEST(TlsReportTest, NamesAreTheirOwn) {
  std::set<absl::string_view> names;
  for (const TlsFailure failure : kAllTlsFailures) EXPECT_TRUE(names.insert(FailureName(failure)).second);
  for (const TlsPolicyType type : kAllTlsPolicyTypes) EXPECT_TRUE(names.insert(PolicyTypeName(type)).second);
  EXPECT_EQ(names.size(), 14u);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace mailstead::mailauth
