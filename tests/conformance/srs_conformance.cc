#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SrsSecret Secret(int64_t number) {
  return {number, absl::StrCat(std::string("\0\xff", 2), number),
          absl::FromUnixMicros(1'600'000'000'000'000 + number)};
}

TEST_P(SrsConformance, SecretsAreKeptAsGivenAndByNumber) {
  EXPECT_THAT(Secrets(), IsEmpty());
  std::vector<SrsSecret> given = {Secret(300), Secret(2), Secret(1)};
  ASSERT_OK(BlockOn(srs().SetSecrets(given, 0)));
  EXPECT_THAT(Secrets(), ElementsAre(Secret(1), Secret(2), Secret(300)));
  Restart();
  EXPECT_THAT(Secrets(), ElementsAre(Secret(1), Secret(2), Secret(300)));
}

TEST_P(SrsConformance, WhatIsSetIsAllThereIs) {
  ASSERT_OK(BlockOn(srs().SetSecrets({Secret(1), Secret(2)}, 0)));
  ASSERT_OK(BlockOn(srs().SetSecrets({Secret(3)}, 2)));
  EXPECT_THAT(Secrets(), ElementsAre(Secret(3)));
}

TEST_P(SrsConformance, WhoHasNotSeenTheNewestChangesNothing) {
  ASSERT_OK(BlockOn(srs().SetSecrets({Secret(1)}, 0)));
  for (const int64_t seen : {0, 2}) {
    EXPECT_THAT(BlockOn(srs().SetSecrets({Secret(9)}, seen)), HasCode(absl::StatusCode::kAborted)) << seen;
  }
  EXPECT_THAT(Secrets(), ElementsAre(Secret(1)));
}

TEST_P(SrsConformance, ASenderIsFoundByItsDayAndName) {
  ASSERT_OK(BlockOn(srs().KeepSender({20'000, "name", "a@b.test"})));
  ASSERT_OK(BlockOn(srs().KeepSender({20'001, "name", "c@b.test"})));
  EXPECT_EQ(Address(20'000, "name"), "a@b.test");
  EXPECT_EQ(Address(20'001, "name"), "c@b.test");
  EXPECT_THAT(BlockOn(srs().FindSender(20'002, "name")).status(), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(BlockOn(srs().FindSender(20'000, "nam")).status(), HasCode(absl::StatusCode::kNotFound));
  Restart();
  EXPECT_EQ(Address(20'000, "name"), "a@b.test");
}

TEST_P(SrsConformance, ASenderThatIsThereStays) {
  ASSERT_OK(BlockOn(srs().KeepSender({1, "name", "first@b.test"})));
  ASSERT_OK(BlockOn(srs().KeepSender({1, "name", "second@b.test"})));
  EXPECT_EQ(Address(1, "name"), "first@b.test");
}

TEST_P(SrsConformance, OldSendersAreForgottenInSteps) {
  for (int64_t day = 254; day < 259; ++day) {
    for (const char* name : {"a", "b"}) ASSERT_OK(BlockOn(srs().KeepSender({day, name, "a@b.test"})));
  }
  EXPECT_EQ(*BlockOn(srs().ForgetSenders(257, 4)), 4u);
  EXPECT_EQ(Address(255, "b"), "");
  EXPECT_EQ(Address(256, "a"), "a@b.test");
  EXPECT_EQ(*BlockOn(srs().ForgetSenders(257, 4)), 2u);
  EXPECT_EQ(*BlockOn(srs().ForgetSenders(257, 4)), 0u);
  EXPECT_EQ(Address(256, "b"), "");
  EXPECT_EQ(Address(257, "a"), "a@b.test");
  EXPECT_EQ(Address(258, "b"), "a@b.test");
  EXPECT_THAT(Secrets(), IsEmpty());
}

}  // namespace
}  // namespace mailstead::engine
