#include "common/mail/mime/date.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

// Seconds of UNIX, and the offset or "?".
std::string Shown(absl::string_view value) {
  const std::optional<Date> date = ParseDate(value);
  if (!date) return "none";
  return absl::StrCat(absl::ToUnixSeconds(date->time), " ",
                      date->is_offset_known ? absl::StrCat(date->offset_minutes) : "?");
}

TEST(ParseDate, Reads) {
  struct {
    const char* value;
    const char* shown;
  } cases[] = {
      {"Tue, 14 Nov 2023 22:13:20 +0000", "1700000000 0"},
      {" Tue, 14 Nov 2023 23:13:20 +0100 (CET)", "1700000000 60"},
      {"14 Nov 2023 22:13:20 -0000", "1700000000 ?"},
      {"14 Nov 2023 22:13 +0000", "1699999980 0"},
      {"Tue,14\r\n Nov (a) 2023 (b) 17:43:20 -0430", "1700000000 -270"},
      {"31 Dec 2016 23:59:60 +0000", "1483228800 0"},
      {"29 Feb 2024 00:00:00 +0000", "1709164800 0"},
      // Section 4.3.
      {"14 Nov 23 22:13:20 GMT", "1700000000 0"},
      {"14 Nov 99 00:00:00 UT", "942537600 0"},
      {"14 Nov 102 00:00:00 UT", "1037232000 0"},
      {"14 Nov 2023 17:13:20 EST", "1700000000 -300"},
      {"14 Nov 2023 15:13:20 PDT", "1700000000 -420"},
      {"14 Nov 2023 22:13:20 Z", "1700000000 0"},
      {"14 Nov 2023 22:13:20 A", "1700000000 ?"},
      {"14 Nov 2023 22:13:20 CEST", "1700000000 ?"},
      // And beside it.
      {"14 Nov 2023 22:13:20", "1700000000 ?"},
      {"Tue Nov 14 22:13:20 2023", "1700000000 ?"},
      {"Tuesday, 14-Nov-2023 22:13:20 GMT", "1700000000 0"},
      {"Tue, 14 November 2023 22:13:20-0000", "1700000000 ?"},
      {"14 Nov 2023 22:13:20 +0100 CET", "1699996400 60"},
      {"9 Nov 2023 2:3:4 +0000", "1699495384 0"},
      // What is none.
      {"", "none"},
      {"yesterday", "none"},
      {"14 Nov 2023", "none"},
      {"14 2023 22:13:20", "none"},
      {"31 Feb 2023 22:13:20 +0000", "none"},
      {"0 Nov 2023 22:13:20 +0000", "none"},
      {"32 Nov 2023 22:13:20 +0000", "none"},
      {"14 Nov 2023 24:00:00 +0000", "none"},
      {"14 Nov 2023 22:60:00 +0000", "none"},
      {"14 Nov 2023 22:13:61 +0000", "none"},
      {"14 Nov 2023 22:13:20 +0060", "none"},
      {"14 Nov 2023 22:13:20 +100", "none"},
      {"14 Nov 1899 22:13:20 +0000", "none"},
      {"14 Nov 20233 22:13:20 +0000", "none"},
      {"2023-11-14T22:13:20Z", "none"},
      {",-,", "none"},
      {"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", "none"},
  };
  for (const auto& c : cases) EXPECT_EQ(Shown(c.value), c.shown) << c.value;
}

}  // namespace
}  // namespace mailstead::mime
