#include "common/mailauth/dmarc_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace mailstead::mailauth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "reject/none/- strict testing", or "wrong".
std::string Shown(absl::string_view text) {
  const absl::StatusOr<DmarcRecord> record = ParseDmarcRecord(text);
  if (!record.ok()) return "wrong";
  const auto policy = [](const std::optional<DmarcRecord::Policy>& each) {
    return each.has_value() ? DmarcPolicyText(*each) : absl::string_view("-");
  };
  return absl::StrCat(policy(record->policy), "/", policy(record->subdomain_policy), "/",
                      policy(record->missing_policy), record->strict_dkim ? " adkim" : "",
                      record->strict_spf ? " aspf" : "", record->testing ? " testing" : "", " ",
                      record->remarks.size());
}

TEST(DmarcRecord, ReadsWhatRfc9989Has) {
  const struct {
    const char* text;
    const char* shown;
  } kRows[] = {
      {"v=DMARC1; p=none", "none/-/- 0"},
      {"v=DMARC1;p=Reject;sp=quarantine;np=reject;adkim=s;aspf=s;t=y;psd=n;fo=1",
       "reject/quarantine/reject adkim aspf testing 0"},
      {"v = DMARC1 ; p = none ;", "none/-/- 0"},
      {"v=DMARC1; p=none; pct=50; ri=86400; rf=afrf", "none/-/- 3"},
      {"v=DMARC1; p=none; sp=later; adkim=x; t=1; psd=z; foo=bar", "none/-/- 5"},
      {"v=DMARC1; rua=mailto:a@b.test", "none/-/- 1"},
      {"v=DMARC1; p=monitor; rua=mailto:a@b.test", "none/-/- 2"},
      {"v=DMARC1; p=monitor", "wrong"},
      {"v=DMARC1", "wrong"},
      {"v=DMARC1; p=none; rua=https://b.test, mailto:a@b.test", "none/-/- 1"},
      {"v=dmarc1; p=none", "wrong"},
      {"p=none; v=DMARC1", "wrong"},
      {"v=DMARC1 p=none", "wrong"},
      {"v=DMARC1; p=none; p=reject", "wrong"},
      {"v=DMARC12; p=none", "wrong"},
      {"v=spf1 -all", "wrong"},
      {"", "wrong"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Shown(row.text), row.shown) << row.text;
}

TEST(DmarcRecord, GivesTheAddressesOfReports) {
  const DmarcRecord record =
      *ParseDmarcRecord("v=DMARC1; p=none; rua=mailto:a@b.test , mailto:c@d.test!10m; ruf=mailto:e@f.test");
  EXPECT_THAT(record.aggregate_uris, ElementsAre("mailto:a@b.test", "mailto:c@d.test!10m"));
  EXPECT_THAT(record.failure_uris, ElementsAre("mailto:e@f.test"));
  EXPECT_THAT(record.remarks, IsEmpty());
  EXPECT_THAT(ParseDmarcRecord("v=DMARC1; p=none; pct=1")->remarks.front(), HasSubstr("RFC 9989"));
}

}  // namespace
}  // namespace mailstead::mailauth
