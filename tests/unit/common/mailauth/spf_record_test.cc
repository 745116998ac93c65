#include "common/mailauth/spf_record.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace mailstead::mailauth {
namespace {

// "+mx -all", with the values; or "wrong".
std::string Shown(absl::string_view text) {
  const absl::StatusOr<SpfRecord> record = ParseSpfRecord(text);
  if (!record.ok()) return "wrong";
  static constexpr const char* kNames[] = {"all", "include", "a",        "mx",  "ptr",  "ip4",
                                           "ip6", "exists",  "redirect", "exp", "other"};
  std::string shown;
  for (const SpfTerm& term : record->terms) {
    absl::StrAppend(&shown, shown.empty() ? "" : " ", absl::string_view(&term.qualifier, 1),
                    kNames[static_cast<size_t>(term.kind)], term.value.empty() ? "" : ":", term.value);
  }
  return absl::StrCat(shown, " (", record->lookup_count(), ")");
}

TEST(SpfRecord, ReadsWhatRfc7208Has) {
  const struct {
    const char* text;
    const char* shown;
  } kRows[] = {
      {"v=spf1", " (0)"},
      {"v=spf1 ", " (0)"},
      {"V=SPF1 MX -ALL", "+mx -all (1)"},
      {"v=spf1 +mx a:colo.example.com/28 -all", "+mx +a:colo.example.com -all (2)"},
      {"v=spf1 a/24//64 mx//64 ~all", "+a +mx ~all (2)"},
      {"v=spf1  ip4:192.0.2.0/24   ip6:2001:db8::/32 ?all", "+ip4:192.0.2.0 +ip6:2001:db8:: ?all (0)"},
      {"v=spf1 include:_spf.example.com exists:%{ir}.%{v}._spf.%{d2} redirect=_spf.%{d}",
       "+include:_spf.example.com +exists:%{ir}.%{v}._spf.%{d2} +redirect:_spf.%{d} (3)"},
      {"v=spf1 ptr -ptr:a.test exp=explain.%{d} x-y.z=%{d}a",
       "+ptr -ptr:a.test +exp:explain.%{d} +other:%{d}a (2)"},
      {"v=spf1 a:%{d4/}/24", "+a:%{d4/} (1)"},
      {"v=spf1 a:a.test.", "+a:a.test. (1)"},
      {"v=spf10 -all", "wrong"},
      {"v=spf1\t-all", "wrong"},
      {"v=spf1-all", "wrong"},
      {" v=spf1", "wrong"},
      {"", "wrong"},
      {"v=spf1 foo", "wrong"},
      {"v=spf1 -", "wrong"},
      {"v=spf1 all:a.test", "wrong"},
      {"v=spf1 all/8", "wrong"},
      {"v=spf1 include", "wrong"},
      {"v=spf1 include:", "wrong"},
      {"v=spf1 include:a.test/24", "wrong"},
      {"v=spf1 a:", "wrong"},
      {"v=spf1 a/33", "wrong"},
      {"v=spf1 a//129", "wrong"},
      {"v=spf1 a/024", "wrong"},
      {"v=spf1 a/", "wrong"},
      {"v=spf1 ip4:192.0.2", "wrong"},
      {"v=spf1 ip4:192.0.2.256", "wrong"},
      {"v=spf1 ip4:192.0.2.0/33", "wrong"},
      {"v=spf1 ip4:192.0.2.0//24", "wrong"},
      {"v=spf1 ip4:ipv6:::1", "wrong"},
      {"v=spf1 ip6:192.0.2.0", "wrong"},
      {"v=spf1 ip6:2001:db8::/129", "wrong"},
      {"v=spf1 ip4", "wrong"},
      {"v=spf1 a:test", "wrong"},
      {"v=spf1 a:192.0.2.1", "wrong"},
      {"v=spf1 a:%{x}.test", "wrong"},
      {"v=spf1 a:%{d.test", "wrong"},
      {"v=spf1 a:%d.test", "wrong"},
      {"v=spf1 redirect=a.test redirect=b.test", "wrong"},
      {"v=spf1 exp=a.test exp=b.test", "wrong"},
      {"v=spf1 redirect:a.test", "wrong"},
      {"v=spf1 -redirect=a.test", "wrong"},
      {"v=spf1 a:\xc3\xa4.test", "wrong"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Shown(row.text), row.shown) << row.text;
}

}  // namespace
}  // namespace mailstead::mailauth
