#include "common/mailauth/key_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailstead::mailauth {
namespace {

using testing::ElementsAre;

// RFC 8463 section A.2.
constexpr char kEd25519[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

std::string Ed25519Bytes() {
  return ParseKeyRecord(absl::StrCat("v=DKIM1; k=ed25519; p=", kEd25519)).value().public_key;
}

TEST(KeyRecord, Records) {
  const auto plain = ParseKeyRecord("p=YWJj");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->type, KeyType::kRsa);
  EXPECT_EQ(plain->public_key, "abc");
  EXPECT_TRUE(plain->TakesSha256());
  EXPECT_TRUE(plain->IsForEmail());
  EXPECT_FALSE(plain->testing);

  const auto full = ParseKeyRecord("v=DKIM1; h=sha1 : sha256; k=rsa; n=a note; s=email; t=y:s; p=Y\r\n WJj;");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->public_key, "abc");
  EXPECT_THAT(full->hashes, ElementsAre("sha1", "sha256"));
  EXPECT_TRUE(full->TakesSha256() && full->IsForEmail() && full->testing && full->same_domain);

  EXPECT_EQ(ParseKeyRecord(absl::StrCat("k=ed25519; p=", kEd25519))->type, KeyType::kEd25519);
  // Revoked (RFC 6376 section 3.6.1).
  EXPECT_EQ(ParseKeyRecord("v=DKIM1; p=")->public_key, "");
}

TEST(KeyRecord, WhatIsNone) {
  for (const char* text :
       {"", "v=DKIM1", "v=DKIM2; p=YWJj", "p=YWJj; v=DKIM1", "k=dsa; p=YWJj", "p=Y", "p=YWJj; p=YWJj",
        "k=ed25519; p=YWJj", "v=spf1 -all", "v=DKIM1; p=@", "V=DKIM1 p=YWJj"}) {
    EXPECT_FALSE(ParseKeyRecord(text).ok()) << text;
  }
}

TEST(KeyRecord, WhatIsPublished) {
  const std::string key = Ed25519Bytes();
  const std::string ours = KeyRecordText(KeyType::kEd25519, key);
  EXPECT_EQ(ours, absl::StrCat("v=DKIM1; k=ed25519; p=", kEd25519));
  const struct {
    const char* what;
    std::vector<std::string> records;
    Published expected;
  } kTable[] = {
      {"nothing", {}, Published::kMissing},
      {"as we print it", {ours}, Published::kSame},
      {"written otherwise",
       {absl::StrCat(" k = ed25519;p=", kEd25519, ";t=s;s=*:email;h=sha256;n=x")},
       Published::kSame},
      {"in test mode", {absl::StrCat(ours, "; t=y")}, Published::kSame},
      {"revoked", {"v=DKIM1; k=ed25519; p="}, Published::kDifferent},
      {"of another type", {absl::StrCat("v=DKIM1; p=", kEd25519)}, Published::kDifferent},
      {"another key", {"v=DKIM1; k=ed25519; p=" + std::string(43, 'A') + "="}, Published::kDifferent},
      {"the beginning of ours", {ours.substr(0, ours.size() - 4)}, Published::kDifferent},
      {"more than ours", {absl::StrCat(ours, "AAAA")}, Published::kDifferent},
      {"for another service", {absl::StrCat(ours, "; s=tlsrpt")}, Published::kDifferent},
      {"for another hash", {absl::StrCat(ours, "; h=sha1")}, Published::kDifferent},
      {"no record of DKIM", {"hello"}, Published::kDifferent},
      {"ours twice over", {ours, ours}, Published::kSeveral},
      {"ours and another", {ours, "v=spf1 -all"}, Published::kSeveral},
      {"another and ours", {"v=DKIM1; k=ed25519; p=", ours}, Published::kSeveral},
  };
  for (const auto& row : kTable)
    EXPECT_EQ(Compare(row.records, KeyType::kEd25519, key), row.expected) << row.what;
  EXPECT_EQ(Compare({ours}, KeyType::kEd25519, ""), Published::kDifferent);
}

TEST(KeyRecord, LongTextsAreInStrings) {
  for (const size_t size : {0, 1, 254, 255, 256, 510, 511, 800}) {
    const std::string text(size, 'x');
    const std::vector<std::string> strings = TxtStrings(text);
    EXPECT_EQ(absl::StrJoin(strings, ""), text);
    EXPECT_EQ(strings.size(), size == 0 ? 1 : (size + 254) / 255) << size;
    for (const std::string& each : strings) EXPECT_LE(each.size(), 255u);
  }
  EXPECT_EQ(ZoneText("v=DKIM1; p=YWJj"), "\"v=DKIM1; p=YWJj\"");
  EXPECT_EQ(ZoneText(std::string(256, 'x')), "\"" + std::string(255, 'x') + "\" \"x\"");
}

TEST(KeyRecord, Selectors) {
  for (const char* good : {"a", "s20261129r", "a-b", "_x", "mail.2026", "1"})
    EXPECT_TRUE(IsSelector(good)) << good;
  EXPECT_TRUE(IsSelector(std::string(63, 'a')));
  for (const char* bad : {"", "A", "-a", "a-", "a..b", ".a", "a.", "a b", "a/b", "\xc3\xa4", "a;b", "a=b"}) {
    EXPECT_FALSE(IsSelector(bad)) << bad;
  }
  EXPECT_FALSE(IsSelector(std::string(64, 'a')));
  EXPECT_EQ(KeyRecordName("example.test", "s"), "s._domainkey.example.test");
}

}  // namespace
}  // namespace mailstead::mailauth
