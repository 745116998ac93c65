#include <string>

#include "absl/strings/str_cat.h"
#include "stored/rules/sts.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

StsFetch Fetched(const std::string& domain, absl::Time time, std::string policy_id = "1",
                 std::string file = "file") {
  return {domain, time, std::move(policy_id), std::move(file)};
}
StsFetch Failed(const std::string& domain, absl::Time time) { return {domain, time, "", ""}; }

TEST_P(StsConformance, APolicyIsKeptAsGiven) {
  EXPECT_THAT(Find("a.test").status(), HasCode(absl::StatusCode::kNotFound));
  const absl::Time now = absl::FromUnixMicros(1'600'000'000'000'001);
  const StsPolicy kept{"a.test", "id", std::string("\0\xff", 2), now, absl::InfinitePast()};
  EXPECT_EQ(*Keep(Fetched("a.test", now, "id", kept.file)), kept);
  EXPECT_EQ(*Find("a.test"), kept);
  EXPECT_THAT(Find("a").status(), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(Find("a.test.b").status(), HasCode(absl::StatusCode::kNotFound));
  Restart();
  EXPECT_EQ(*Find("a.test"), kept);
}

TEST_P(StsConformance, AFetchThatFailsTakesNothingAway) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_EQ(*Keep(Failed("a.test", now)), (StsPolicy{"a.test", "", "", absl::InfinitePast(), now}));
  EXPECT_EQ(*Keep(Fetched("a.test", now + absl::Minutes(1))),
            (StsPolicy{"a.test", "1", "file", now + absl::Minutes(1), absl::InfinitePast()}));
  const StsPolicy failed{"a.test", "1", "file", now + absl::Minutes(1), now + absl::Minutes(2)};
  EXPECT_EQ(*Keep(Failed("a.test", now + absl::Minutes(2))), failed);
  EXPECT_EQ(*Find("a.test"), failed);
  EXPECT_EQ(*Keep(Fetched("a.test", now + absl::Minutes(3), "2", "other")),
            (StsPolicy{"a.test", "2", "other", now + absl::Minutes(3), absl::InfinitePast()}));
}

TEST_P(StsConformance, TheDomainOfTheOldestFetchMakesRoom) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Keep(Fetched(absl::StrCat("d", i, ".test"), now + absl::Seconds(i)), 3));
  }
  // It is fetched anew, and is the newest then; a failure counts as well.
  ASSERT_OK(Keep(Fetched("d0.test", now + absl::Seconds(3)), 3));
  ASSERT_OK(Keep(Failed("d1.test", now + absl::Seconds(4)), 3));
  ASSERT_OK(Keep(Failed("d3.test", now + absl::Seconds(5)), 3));
  EXPECT_THAT(Find("d2.test").status(), HasCode(absl::StatusCode::kNotFound));
  Restart();
  ASSERT_OK(Keep(Fetched("d4.test", now + absl::Seconds(6)), 3));
  EXPECT_THAT(Find("d0.test").status(), HasCode(absl::StatusCode::kNotFound));
  for (const char* there : {"d1.test", "d3.test", "d4.test"}) EXPECT_OK(Find(there).status());
}

TEST_P(StsConformance, ASmallerLimitIsComeDownToStepByStep) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  for (int i = 0; i < 30; ++i)
    ASSERT_OK(Keep(Fetched(absl::StrCat("d", i, ".test"), now + absl::Seconds(i)), 30));
  for (int i = 30; i < 34; ++i)
    ASSERT_OK(Keep(Fetched(absl::StrCat("d", i, ".test"), now + absl::Seconds(i)), 2));
  int there = 0;
  for (int i = 0; i < 34; ++i) there += Find(absl::StrCat("d", i, ".test")).ok();
  EXPECT_EQ(there, 2);
}

}  // namespace
}  // namespace mailstead::engine
