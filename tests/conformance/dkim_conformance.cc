#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/dkim.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using mailauth::KeyType;
using testing::ElementsAre;
using testing::IsEmpty;
using State = DkimKey::State;

absl::Time At(int64_t seconds) { return absl::FromUnixSeconds(1'700'000'000 + seconds); }

DkimKey Key(std::string selector, int64_t made = 0, KeyType type = KeyType::kRsa) {
  DkimKey key;
  key.selector = std::move(selector);
  key.type = type;
  key.bits = 2048;
  key.sealed_private_key = "sealed";
  key.public_key = "public";
  key.create_time = At(made);
  return key;
}

// "a pending, b active"
std::string StatesOf(const std::vector<DkimKey>& keys) {
  std::string text;
  for (const DkimKey& key : keys) {
    const char* const state = key.state == State::kPending  ? "pending"
                              : key.state == State::kActive ? "active"
                                                            : "retired";
    absl::StrAppend(&text, text.empty() ? "" : ", ", key.selector, " ", state);
  }
  return text;
}

TEST_P(DkimConformance, AKeyIsKeptAsGiven) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  DkimKey full = Key("s", 1, KeyType::kEd25519);
  full.bits = std::numeric_limits<int32_t>::max();
  full.state = State::kActive;
  full.sealed_private_key = std::string("\0\xff sealed", 9);
  full.public_key = std::string("\0\xff public", 9);
  full.create_time = absl::FromUnixMicros(1'600'000'000'000'001);
  full.activate_time = absl::FromUnixMicros(1'600'000'000'000'002);
  ASSERT_OK(Create("a.test", full));
  ASSERT_OK(Create("a.test", Key("later")));
  EXPECT_THAT(Keys("a.test"), ElementsAre(full, Key("later")));
  Restart();
  EXPECT_THAT(Keys("a.test"), ElementsAre(full, Key("later")));
  EXPECT_THAT(Keys("b.test"), IsEmpty());
}

TEST_P(DkimConformance, AKeyNeedsItsDomainAndASelectorOfItsOwn) {
  EXPECT_THAT(Create("a.test", Key("s")), HasReason(StatusCode::kNotFound, kReasonDomainNotFound));
  EXPECT_THAT(Domains(), IsEmpty());
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(engine().CreateDomain({"b.test"}));
  ASSERT_OK(Create("a.test", Key("s")));
  EXPECT_THAT(Create("a.test", Key("s", 1)), HasReason(StatusCode::kAlreadyExists, kReasonDkimKeyExists));
  EXPECT_THAT(Keys("a.test"), ElementsAre(Key("s")));
  ASSERT_OK(Create("b.test", Key("s", 2)));
  EXPECT_THAT(Keys("b.test"), ElementsAre(Key("s", 2)));
}

TEST_P(DkimConformance, DomainsAreListedByName) {
  for (const char* domain : {"b.test", "a.test", "c.test", "a.test.x"}) {
    ASSERT_OK(engine().CreateDomain({domain}));
    ASSERT_OK(Create(domain, Key("s")));
  }
  ASSERT_OK(engine().CreateDomain({"none.test"}));
  ASSERT_OK(Activate("b.test", "s", At(1)));
  EXPECT_THAT(Domains(), ElementsAre("a.test", "a.test.x", "b.test", "c.test"));
  EXPECT_THAT(Domains("a.test", 2), ElementsAre("a.test.x", "b.test"));
  EXPECT_THAT(Domains("c.test"), IsEmpty());
  EXPECT_THAT(Domains("", 1000, /*only_pending=*/true), ElementsAre("a.test", "a.test.x", "c.test"));
  EXPECT_THAT(Domains("a.test", 1, /*only_pending=*/true), ElementsAre("a.test.x"));
  Restart();
  EXPECT_THAT(Domains("", 1000, /*only_pending=*/true), ElementsAre("a.test", "a.test.x", "c.test"));
}

TEST_P(DkimConformance, AnActiveKeyTakesThePlaceOfTheOneOfItsType) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(Create("a.test", Key("old", 0)));
  ASSERT_OK(Create("a.test", Key("e", 0, KeyType::kEd25519)));
  ASSERT_OK(Activate("a.test", "old", At(1)));
  ASSERT_OK(Activate("a.test", "e", At(2)));
  ASSERT_OK(Create("a.test", Key("skipped", 3)));
  ASSERT_OK(Create("a.test", Key("new", 4)));
  ASSERT_OK(Create("a.test", Key("next", 5)));
  EXPECT_EQ(StatesOf(Keys("a.test")), "old active, e active, skipped pending, new pending, next pending");
  ASSERT_OK(Activate("a.test", "new", At(6)));
  EXPECT_EQ(StatesOf(Keys("a.test")), "old retired, e active, skipped retired, new active, next pending");
  const std::vector<DkimKey> keys = Keys("a.test");
  EXPECT_EQ(keys[0].activate_time, At(1));
  EXPECT_EQ(keys[0].retire_time, At(6));
  EXPECT_EQ(keys[2].activate_time, absl::InfinitePast());
  EXPECT_EQ(keys[3].activate_time, At(6));
  EXPECT_EQ(keys[3].retire_time, absl::InfinitePast());
  // What is published late takes nobody's place.
  EXPECT_THAT(Activate("a.test", "skipped", At(7)),
              HasReason(StatusCode::kFailedPrecondition, kReasonDkimKeyRetired));
  EXPECT_THAT(Activate("a.test", "old", At(7)),
              HasReason(StatusCode::kFailedPrecondition, kReasonDkimKeyRetired));
  // A repeat changes nothing.
  ASSERT_OK(Activate("a.test", "new", At(8)));
  EXPECT_EQ(Keys("a.test"), keys);
  EXPECT_THAT(Activate("a.test", "none", At(8)), HasReason(StatusCode::kNotFound, kReasonDkimKeyNotFound));
  EXPECT_THAT(Activate("b.test", "new", At(8)), HasReason(StatusCode::kNotFound, kReasonDkimKeyNotFound));
  Restart();
  EXPECT_EQ(Keys("a.test"), keys);
}

TEST_P(DkimConformance, AKeyThatIsMadeActiveDoesSoAtOnce) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(Create("a.test", Key("old", 0)));
  ASSERT_OK(Activate("a.test", "old", At(1)));
  DkimKey key = Key("new", 2);
  key.state = State::kActive;
  key.activate_time = At(2);
  ASSERT_OK(Create("a.test", key));
  EXPECT_EQ(StatesOf(Keys("a.test")), "old retired, new active");
}

TEST_P(DkimConformance, AKeyThatSignsIsDeletedOnlyWhereThatIsMeant) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(Create("a.test", Key("s")));
  ASSERT_OK(Create("a.test", Key("t")));
  ASSERT_OK(Activate("a.test", "s", At(1)));
  EXPECT_THAT(Remove("a.test", "s"), HasReason(StatusCode::kFailedPrecondition, kReasonDkimKeyActive));
  EXPECT_THAT(Remove("a.test", "u"), HasReason(StatusCode::kNotFound, kReasonDkimKeyNotFound));
  EXPECT_THAT(Remove("b.test", "s"), HasReason(StatusCode::kNotFound, kReasonDkimKeyNotFound));
  ASSERT_OK(Remove("a.test", "s", /*even_active=*/true));
  EXPECT_EQ(StatesOf(Keys("a.test")), "t retired");
  ASSERT_OK(Remove("a.test", "t"));
  EXPECT_THAT(Domains(), IsEmpty());
  EXPECT_THAT(Domains("", 1000, /*only_pending=*/true), IsEmpty());
  Restart();
  EXPECT_THAT(Domains(), IsEmpty());
}

TEST_P(DkimConformance, WhatSomebodyElseHasChangedIsLeftAlone) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(Create("a.test", Key("s")));
  const int64_t pending = rules::VersionOf(Keys("a.test")[0]);
  EXPECT_GT(pending, 0);
  EXPECT_THAT(Activate("a.test", "s", At(1), pending + 1),
              HasReason(StatusCode::kAborted, kReasonEtagMismatch));
  ASSERT_OK(Activate("a.test", "s", At(1), pending));
  const int64_t active = rules::VersionOf(Keys("a.test")[0]);
  EXPECT_NE(active, pending);
  EXPECT_THAT(Remove("a.test", "s", /*even_active=*/true, pending),
              HasReason(StatusCode::kAborted, kReasonEtagMismatch));
  EXPECT_EQ(StatesOf(Keys("a.test")), "s active");
  ASSERT_OK(Remove("a.test", "s", /*even_active=*/true, active));
  // Another key with the selector of one that is gone.
  ASSERT_OK(Create("a.test", Key("s", 1)));
  EXPECT_NE(rules::VersionOf(Keys("a.test")[0]), pending);
  EXPECT_THAT(Remove("a.test", "s", /*even_active=*/false, pending),
              HasReason(StatusCode::kAborted, kReasonEtagMismatch));
}

TEST_P(DkimConformance, KeysGoWithTheirDomain) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(engine().CreateDomain({"a.test.b"}));
  ASSERT_OK(Create("a.test", Key("s")));
  ASSERT_OK(Create("a.test.b", Key("s")));
  ASSERT_OK(engine().DeleteDomain("a.test"));
  EXPECT_THAT(Keys("a.test"), IsEmpty());
  EXPECT_THAT(Domains("", 1000, /*only_pending=*/true), ElementsAre("a.test.b"));
  // A domain of the same name has none of them.
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  EXPECT_THAT(Keys("a.test"), IsEmpty());
  Restart();
  EXPECT_THAT(Domains(), ElementsAre("a.test.b"));
}

TEST_P(DkimConformance, KeysAreApartFromTheRestOfTheDirectory) {
  NewMailbox("r@example.test");
  ASSERT_OK(engine().CreateAlias({"a@example.test", {"r@example.test"}, clock().Now()}));
  ASSERT_OK(Create("example.test", Key("s")));
  EXPECT_EQ(engine().ListDomains("", 10)->size(), 1u);
  EXPECT_EQ(engine().ListAccounts("", "", 10)->size(), 1u);
  EXPECT_EQ(engine().ListAliases("", "", 10)->size(), 1u);
  EXPECT_THAT(BlockOn(facets().routes().List()).value(), IsEmpty());
}

TEST_P(DkimConformance, TheDirectorysVersionGrowsWithEachChange) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  int64_t before = engine().DirectoryVersion();
  const auto has_grown = [&] {
    const int64_t now = engine().DirectoryVersion();
    const bool grown = now > before;
    before = now;
    return grown;
  };
  ASSERT_OK(Create("a.test", Key("s")));
  EXPECT_TRUE(has_grown());
  ASSERT_OK(Activate("a.test", "s", At(1)));
  EXPECT_TRUE(has_grown());
  ASSERT_OK(Remove("a.test", "s", /*even_active=*/true));
  EXPECT_TRUE(has_grown());
}

TEST_P(DkimConformance, ThereIsAGreatestNumberOfThem) {
  ASSERT_OK(engine().CreateDomain({"a.test"}));
  ASSERT_OK(engine().CreateDomain({"b.test"}));
  for (size_t i = 0; i < kMaxDkimKeys; ++i) {
    ASSERT_OK(Create("a.test", Key(absl::StrCat("s", i), static_cast<int64_t>(i))));
  }
  const auto is_full = HasReason(StatusCode::kResourceExhausted, kReasonTooManyDkimKeys);
  EXPECT_THAT(Create("a.test", Key("more", 20)), is_full);
  ASSERT_OK(Create("b.test", Key("more", 20)));
  // s0 signs until second 21, and s1 never did: its record is of no use from then on.
  ASSERT_OK(Activate("a.test", "s0", At(20)));
  ASSERT_OK(Activate("a.test", "s2", At(21)));
  EXPECT_THAT(Create("a.test", Key("more", 20)), is_full);
  ASSERT_OK(Create("a.test", Key("more", 21)));
  EXPECT_EQ(StatesOf(Keys("a.test")).substr(0, 32), "s0 retired, s2 active, s3 pendin");
  const int64_t week = absl::ToInt64Seconds(rules::kRetiredKeyTime);
  EXPECT_THAT(Create("a.test", Key("more2", 20 + week)), is_full);
  ASSERT_OK(Create("a.test", Key("more2", 21 + week)));
  EXPECT_EQ(StatesOf(Keys("a.test")).substr(0, 20), "s2 active, s3 pendin");
}

}  // namespace
}  // namespace mailstead::engine
