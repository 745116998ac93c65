#include "common/mailauth/tls_report_record.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace mailstead::mailauth {
namespace {

std::string Shown(const std::vector<std::string>& texts) {
  const std::optional<TlsReportRecord> record = ParseTlsReportRecord(texts);
  if (!record.has_value()) return "none";
  return absl::StrCat("mail ", absl::StrJoin(record->mail_to, " "), " post ",
                      absl::StrJoin(record->post_to, " "));
}

TEST(TlsReportRecordTest, Table) {
  const struct {
    std::vector<std::string> texts;
    std::string shown;
  } rows[] = {
      // RFC 8460 section 3.1.
      {{"v=TLSRPTv1;rua=mailto:reports@example.com"}, "mail reports@example.com post "},
      {{"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"},
       "mail  post https://reporting.example.com/v1/tlsrpt"},
      {{"v=TLSRPTv1; rua=mailto:a@b.test,https://c.test/d , mailto:e@f.test;"},
       "mail a@b.test e@f.test post https://c.test/d"},
      {{"v=TLSRPTv1 \t;\trua=MAILTO:a@b.test"}, "mail a@b.test post "},
      {{"v=TLSRPTv1; new=1; rua=mailto:a@b.test; rua=mailto:c@d.test"}, "mail a@b.test post "},
      {{"v=TLSRPTv1; rua=mailto:a%2Cb@c.test?subject=x%0d%0aBcc:y@z.test"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:a%2Bb@c.test?subject=x"}, "mail a+b@c.test post "},
      // More than one, among others.
      {{"v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv2; rua=mailto:c@d.test"},
       "mail a@b.test post "},
      {{"v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@d.test"}, "none"},
      {{}, "none"},
      {{""}, "none"},
      {{"v=TLSRPTv1"}, "none"},
      {{"v=TLSRPTv1;"}, "none"},
      {{"V=TLSRPTV1; rua=mailto:a@b.test"}, "none"},
      {{"v=TLSRPTv11; rua=mailto:a@b.test"}, "none"},
      {{" v=TLSRPTv1; rua=mailto:a@b.test"}, "none"},
      {{"rua=mailto:a@b.test; v=TLSRPTv1"}, "none"},
      // Other schemes, and what is no address or no URI.
      {{"v=TLSRPTv1; rua=http://c.test/d,ftp://e.test,mailto:f@g.test"}, "mail f@g.test post "},
      {{"v=TLSRPTv1; rua=http://c.test/d"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:nobody"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:a%0d%0a@b.test"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:a%zz@b.test"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:a%4"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:\xc3\xa4@b.test"}, "none"},
      {{"v=TLSRPTv1; rua=mailto:%C3%A4@b.test"}, "none"},
      {{"v=TLSRPTv1; rua=https://a b.test/"}, "none"},
  };
  for (const auto& row : rows) EXPECT_EQ(Shown(row.texts), row.shown) << absl::StrJoin(row.texts, " | ");
}

TEST(TlsReportRecordTest, IsBounded) {
  const auto record = [](size_t count) {
    std::vector<std::string> uris;
    for (size_t i = 0; i < count; ++i)
      uris.push_back(absl::StrCat(i % 2 == 0 ? "mailto:a@b" : "https://b", i, ".test"));
    return absl::StrCat("v=TLSRPTv1; rua=", absl::StrJoin(uris, ","));
  };
  const auto count = [](const std::string& text) {
    const std::optional<TlsReportRecord> parsed = ParseTlsReportRecord({text});
    return parsed.has_value() ? parsed->mail_to.size() + parsed->post_to.size() : 0;
  };
  EXPECT_EQ(count(record(kMaxReportUris - 1)), kMaxReportUris - 1);
  EXPECT_EQ(count(record(kMaxReportUris)), kMaxReportUris);
  EXPECT_EQ(count(record(kMaxReportUris + 1)), kMaxReportUris);
  const std::string begun = "v=TLSRPTv1; rua=mailto:a@b.test; x=";
  EXPECT_EQ(count(begun + std::string(kMaxReportRecordBytes - begun.size(), 'x')), 1u);
  EXPECT_EQ(count(begun + std::string(kMaxReportRecordBytes - begun.size() + 1, 'x')), 0u);
}

TEST(TlsReportRecordTest, ItsName) {
  EXPECT_EQ(TlsReportRecordName("example.test"), "_smtp._tls.example.test");
}

}  // namespace
}  // namespace mailstead::mailauth
