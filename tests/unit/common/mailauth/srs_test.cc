#include "common/mailauth/srs.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace mailstead::srs {
namespace {

using Outcome = Reversed::Outcome;

constexpr int64_t kToday = 20'786;
constexpr int64_t kLifetime = 21;
const Form kForm;

Digest Under(std::string secret) {
  return [secret = std::move(secret)](absl::string_view text) {
    unsigned char mac[20];
    unsigned size = 0;
    HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    return std::string(reinterpret_cast<const char*>(mac), size);
  };
}
const Digest kDigest = Under("tops3cr3t");

std::string RewriteText(const std::string& sender, const Form& form = kForm, int64_t day = kToday) {
  const auto address = ParseAddress(sender);
  EXPECT_TRUE(address.ok()) << sender;
  const auto local_part = Rewrite(*address, day, form, kDigest);
  return local_part.ok() ? *local_part : std::string(local_part.status().message());
}

Reversed ReverseText(const std::string& local_part, int64_t today = kToday, const Form& form = kForm) {
  return Reverse(local_part, today, kLifetime, form, {kDigest});
}

// postsrsd 1.10 with this secret, on this day, has written these (SRS_HASHLENGTH 4, separator "=").
struct KnownRow {
  const char* sender;
  const char* rewritten;
};
constexpr KnownRow kKnown[] = {
    {"ann@example.test", "SRS0=vOyf=JS=example.test=ann"},
    {"Ann.O'Neil+tag=x@example.test", "SRS0=BGoC=JS=example.test=Ann.O'Neil+tag=x"},
    {"ann@EXAMPLE.test", "SRS0=vOyf=JS=EXAMPLE.test=ann"},
    {"SRS0=HHHH=TT=first.test=ann@other.test", "SRS1=3BnO=other.test==HHHH=TT=first.test=ann"},
    {"SRS0+HHHH=TT=first.test=ann@other.test", "SRS1=+mE4=other.test=+HHHH=TT=first.test=ann"},
    {"SRS1=GGGG=other.test==HHHH=TT=first.test=ann@third.test",
     "SRS1=3BnO=other.test==HHHH=TT=first.test=ann"},
    {"SRS1+GGGG=other.test=-HHHH=TT=first.test=ann@third.test",
     "SRS1=T2QP=other.test=-HHHH=TT=first.test=ann"},
};

TEST(Srs, AddressesAreThoseOfDeployedSoftware) {
  for (const KnownRow& row : kKnown) EXPECT_EQ(RewriteText(row.sender), row.rewritten) << row.sender;
}

struct ThereAndBackRow {
  const char* sender;
  // What comes back; empty: the sender itself.
  const char* back = "";
};
constexpr ThereAndBackRow kThereAndBack[] = {
    {"ann@example.test"},
    {"Ann.O'Neil+tag=x@example.test"},
    {"\"a b\"@example.test"},
    {"\"a\\\"@=b\"@example.test"},
    {"a..b@example.test", "\"a..b\"@example.test"},
    {"=@example.test"},
    {"gr\xc3\xbc\xc3\x9f@example.test"},
    {"srs0@example.test"},
    {"SRS0x=y@example.test"},
    {"SRS2=a=b=c=d@example.test"},
    // Of others: the first host has the word.
    {"SRS0=HHHH=TT=first.test=ann@other.test"},
    {"SRS0+HHHH=TT=first.test=ann@other.test"},
    {"SRS0-HHHH=TT=first.test=ann@other.test"},
    {"srs0=hhhh=tt=first.test=ann@other.test", "SRS0=hhhh=tt=first.test=ann@other.test"},
    {"SRS0=anything@other.test"},
    {"SRS1=GGGG=other.test==HHHH=TT=first.test=ann@third.test", "SRS0=HHHH=TT=first.test=ann@other.test"},
    {"SRS1+GGGG=other.test=+HHHH=TT=first.test=ann@third.test", "SRS0+HHHH=TT=first.test=ann@other.test"},
    {"srs1-gggg=other.test=-hhhh=tt=first.test=ann@third.test", "SRS0-hhhh=tt=first.test=ann@other.test"},
};

TEST(Srs, WhatIsRewrittenComesBack) {
  for (const ThereAndBackRow& row : kThereAndBack) {
    for (const char separator : {'=', '-', '+'}) {
      for (const size_t characters : {size_t{4}, size_t{5}, size_t{16}, kMaxHashCharacters}) {
        const Form form{separator, characters};
        const std::string there = RewriteText(row.sender, form);
        EXPECT_TRUE(IsRewritten(there)) << there;
        EXPECT_EQ(there[4], separator);
        const Reversed back = ReverseText(there, kToday, form);
        ASSERT_EQ(back.outcome, Outcome::kSender) << there;
        EXPECT_EQ(back.sender.ToString(), *row.back != '\0' ? row.back : row.sender) << there;
      }
    }
  }
}

TEST(Srs, SoftwareThatChangesCaseDoesNoHarm) {
  for (const char* sender : {"Ann@Example.test", "SRS0=HhHh=TT=First.test=Ann@Other.test"}) {
    const std::string there = RewriteText(sender);
    for (const std::string& changed : {absl::AsciiStrToLower(there), absl::AsciiStrToUpper(there)}) {
      const Reversed back = ReverseText(changed);
      ASSERT_EQ(back.outcome, Outcome::kSender) << changed;
      EXPECT_EQ(absl::AsciiStrToLower(back.sender.ToString()), absl::AsciiStrToLower(sender));
    }
  }
}

TEST(Srs, NothingButAnAddressMadeUnderASecretIsTaken) {
  const std::string there = RewriteText("ann@example.test");
  const std::string guarded = RewriteText("SRS0=HHHH=TT=first.test=ann@other.test");
  for (const std::string& right : {there, guarded}) {
    // Each octet of it counts, but for the separator and the case of letters.
    for (size_t i = 5; i < right.size(); ++i) {
      std::string forged = right;
      forged[i] = forged[i] == '~' ? '!' : '~';
      EXPECT_EQ(ReverseText(forged).outcome, Outcome::kForged) << forged;
    }
    for (size_t size = 0; size < right.size(); ++size) {
      EXPECT_EQ(ReverseText(right.substr(0, size)).outcome, Outcome::kForged) << right.substr(0, size);
    }
    EXPECT_EQ(ReverseText(right + "x").outcome, Outcome::kForged);
    EXPECT_EQ(Reverse(right, kToday, kLifetime, kForm, {Under("another")}).outcome, Outcome::kForged);
    EXPECT_EQ(Reverse(right, kToday, kLifetime, kForm, {}).outcome, Outcome::kForged);
    EXPECT_EQ(Reverse(right, kToday, kLifetime, kForm, {Under("another"), kDigest}).outcome,
              Outcome::kSender);
  }
  for (const char* none : {"", "ann", "SRS0", "SRS0=", "SRS1=", "SRS0====", "SRS1===", "SRS0=a=b=c=",
                           "SRS1=a=b=", "SRS2=HHHH=TT=example.test=ann", "XSRS0=HHHH=TT=example.test=ann"}) {
    EXPECT_EQ(ReverseText(none).outcome, Outcome::kForged) << none;
  }
}

TEST(Srs, AHashHasTheLengthThatIsAskedForOrMore) {
  const std::string eight = RewriteText("ann@example.test", {'=', 8});
  EXPECT_EQ(ReverseText(eight, kToday, {'=', 4}).outcome, Outcome::kSender);
  EXPECT_EQ(ReverseText(eight, kToday, {'=', 8}).outcome, Outcome::kSender);
  EXPECT_EQ(ReverseText(eight, kToday, {'=', 9}).outcome, Outcome::kForged);
}

struct AgeRow {
  int64_t made_days_ago;
  Outcome outcome;
};
constexpr AgeRow kAges[] = {
    {0, Outcome::kSender},
    {1, Outcome::kSender},
    {20, Outcome::kSender},
    {21, Outcome::kSender},
    {22, Outcome::kExpired},
    {23, Outcome::kExpired},
    {500, Outcome::kExpired},
    {1021, Outcome::kExpired},
    {1022, Outcome::kExpired},
    // A clock that went back by a day; and by more.
    {-1, Outcome::kSender},
    {-2, Outcome::kExpired},
    // The stamp is the same again after 1024 days.
    {1024, Outcome::kSender},
};

TEST(Srs, AnAddressCountsForItsLifetime) {
  // Also where the stamp turns over, and its characters carry.
  for (const int64_t today : {kToday, int64_t{20'480}, int64_t{20'481}, int64_t{20'479}, int64_t{20'512}}) {
    for (const AgeRow& row : kAges) {
      const std::string there = RewriteText("ann@example.test", kForm, today - row.made_days_ago);
      EXPECT_EQ(ReverseText(there, today).outcome, row.outcome) << today << " " << row.made_days_ago;
    }
  }
}

TEST(Srs, ASenderThatIsKeptIsNamed) {
  const std::string there = RewriteKept("abcdefghij234567", kToday - 3, kForm, kDigest);
  EXPECT_LE(there.size(), kMaxLocalPartBytes);
  EXPECT_LE(RewriteKept("abcdefghij234567", kToday, {'=', kMaxHashCharacters}, kDigest).size(),
            kMaxLocalPartBytes);
  for (const std::string& text : {there, absl::AsciiStrToLower(there), absl::AsciiStrToUpper(there)}) {
    const Reversed back = ReverseText(text);
    ASSERT_EQ(back.outcome, Outcome::kKept) << text;
    EXPECT_EQ(back.name, "abcdefghij234567");
    EXPECT_EQ(back.day, kToday - 3);
  }
  EXPECT_EQ(ReverseText(there, kToday + 18).outcome, Outcome::kKept);
  EXPECT_EQ(ReverseText(there, kToday + 19).outcome, Outcome::kExpired);
}

TEST(Srs, WhatBeginsAsSrs1AndIsNoneIsNotRewritten) {
  for (const char* sender : {"SRS1=a@other.test", "SRS1=HHHH=host@other.test", "SRS1=HHHH==x@other.test",
                             "SRS1=HHHH=host=@other.test"}) {
    EXPECT_FALSE(Rewrite(*ParseAddress(sender), kToday, kForm, kDigest).ok()) << sender;
  }
}

TEST(Srs, ADayIsThatOfUtc) {
  EXPECT_EQ(DayOf(absl::FromUnixSeconds(0)), 0);
  EXPECT_EQ(DayOf(absl::FromUnixSeconds(86'399)), 0);
  EXPECT_EQ(DayOf(absl::FromUnixSeconds(86'400)), 1);
}

}  // namespace
}  // namespace mailstead::srs
