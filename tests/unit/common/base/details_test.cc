#include "common/base/details.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead {

bool operator==(const FieldViolation& a, const FieldViolation& b) {
  return a.field == b.field && a.description == b.description && a.reason == b.reason;
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(DetailsTest, AnErrorHasNoneAtFirst) {
  for (const absl::Status& status : {absl::OkStatus(), absl::NotFoundError("x")}) {
    EXPECT_THAT(MetadataOf(status), IsEmpty());
    EXPECT_EQ(RetryDelayOf(status), std::nullopt);
    EXPECT_THAT(ViolationsOf(status), IsEmpty());
    EXPECT_EQ(ViolationsLeftOut(status), 0u);
  }
}

TEST(DetailsTest, MetadataIsByKeyAndTheLastValueCounts) {
  absl::Status status = WithMetadata(absl::PermissionDeniedError("no"), "scope", "mail.read");
  status = WithMetadata(std::move(status), "key", "7:of 3:them\n");
  status = WithMetadata(std::move(status), "scope", "");
  EXPECT_THAT(MetadataOf(status), ElementsAre(Pair("key", "7:of 3:them\n"), Pair("scope", "")));
  EXPECT_EQ(status.message(), "no");
}

TEST(DetailsTest, MetadataIsBounded) {
  absl::Status status = absl::AbortedError("x");
  for (size_t i = 0; i <= kMaxMetadata; ++i)
    status = WithMetadata(std::move(status), absl::StrCat("key_", i), "v");
  EXPECT_EQ(MetadataOf(status).size(), kMaxMetadata);
  // A key that is there already can still be given.
  status = WithMetadata(std::move(status), "key_0", std::string(kMaxMetadataValueBytes + 1, 'v'));
  EXPECT_THAT(MetadataOf(status).front(), Pair("key_0", std::string(kMaxMetadataValueBytes, 'v')));
}

TEST(DetailsTest, ARetryDelayIsRoundedUp) {
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(absl::AbortedError("x"), absl::Microseconds(1))),
            absl::Milliseconds(1));
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(absl::AbortedError("x"), absl::Milliseconds(5))),
            absl::Milliseconds(5));
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(absl::AbortedError("x"), -absl::Seconds(5))), absl::ZeroDuration());
}

TEST(DetailsTest, TheUsualRetryDelayIsThatOfTheReason) {
  const auto usual = [](absl::Status status) { return RetryDelayOf(WithUsualRetryDelay(std::move(status))); };
  EXPECT_EQ(usual(absl::UnavailableError("x")), absl::Seconds(1));
  EXPECT_EQ(usual(WithReason(absl::ResourceExhaustedError("x"), kReasonBusy)), absl::Seconds(1));
  EXPECT_EQ(usual(WithReason(absl::ResourceExhaustedError("x"), kReasonDiskFull)), absl::Minutes(1));
  EXPECT_EQ(usual(WithReason(absl::AbortedError("x"), kReasonMaildropInUse)), absl::Seconds(5));
  EXPECT_EQ(usual(WithReason(absl::DeadlineExceededError("x"), kReasonStreamAge)), absl::ZeroDuration());
  // Waiting alone does not help.
  EXPECT_EQ(usual(WithReason(absl::AbortedError("x"), kReasonEtagMismatch)), std::nullopt);
  EXPECT_EQ(usual(WithReason(absl::ResourceExhaustedError("x"), kReasonTooLarge)), std::nullopt);
  EXPECT_EQ(usual(absl::NotFoundError("x")), std::nullopt);
  EXPECT_EQ(usual(absl::OkStatus()), std::nullopt);
  // Who knows better is left alone.
  EXPECT_EQ(usual(WithRetryDelay(absl::UnavailableError("x"), absl::Seconds(7))), absl::Seconds(7));
}

TEST(DetailsTest, AFieldErrorHasItsViolation) {
  EXPECT_THAT(ViolationsOf(FieldError("name", "must be set")),
              ElementsAre(FieldViolation{"name", "must be set", ""}));
  EXPECT_THAT(ViolationsOf(WithField(absl::NotFoundError("there is none"), "account")),
              ElementsAre(FieldViolation{"account", "there is none", ""}));
}

TEST(DetailsTest, ViolationsKeepTheirOrderAndAnyText) {
  const std::vector<FieldViolation> violations = {{"b", "3:x", "NUL"}, {"a", "", ""}};
  const absl::Status status = WithViolations(absl::NotFoundError("two"), violations);
  EXPECT_EQ(ViolationsOf(status), violations);
  EXPECT_EQ(FieldOf(status), "b");
  EXPECT_EQ(status.message(), "two");
  EXPECT_TRUE(WithViolations(absl::OkStatus(), violations).ok());
}

TEST(DetailsTest, ViolationsBeyondTheLimitAreCounted) {
  for (const size_t count : {kMaxViolations - 1, kMaxViolations, kMaxViolations + 1}) {
    const absl::Status status = WithViolations(
        absl::NotFoundError("x"), std::vector<FieldViolation>(count, FieldViolation{"f", "d", ""}));
    EXPECT_EQ(ViolationsOf(status).size(), std::min(count, kMaxViolations));
    EXPECT_EQ(ViolationsOf(status).size() + ViolationsLeftOut(status), count);
  }
}

TEST(ViolationsTest, NothingWrongIsOk) {
  Violations wrong;
  wrong.Add(absl::OkStatus());
  EXPECT_EQ(wrong.Take(absl::StatusOr<int>(7)), 7);
  EXPECT_TRUE(wrong.empty());
  EXPECT_TRUE(wrong.Result().ok());
}

TEST(ViolationsTest, OneIsAsIfItHadComeAlone) {
  Violations wrong;
  EXPECT_EQ(wrong.Take(absl::StatusOr<int>(FieldError("name", "must be set"))), 0);
  EXPECT_FALSE(wrong.empty());
  EXPECT_EQ(wrong.Result().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(wrong.Result().message(), FieldError("name", "must be set").message());
  EXPECT_EQ(FieldOf(wrong.Result()), "name");
  EXPECT_EQ(ReasonOf(wrong.Result()), "");
}

TEST(ViolationsTest, AllAreNamed) {
  Violations wrong;
  wrong.Add(FieldError("name", "must be set"));
  wrong.Add("quota", "must not be negative", kReasonQuotaTooSmall);
  wrong.Add(WithReason(FieldError("content", "has a NUL"), kReasonNul));
  EXPECT_EQ(wrong.Result().message(), "name: must be set (and 2 more)");
  EXPECT_THAT(ViolationsOf(wrong.Result()),
              ElementsAre(FieldViolation{"name", "must be set", ""},
                          FieldViolation{"quota", "must not be negative", "QUOTA_TOO_SMALL"},
                          FieldViolation{"content", "has a NUL", "NUL"}));
}

TEST(ViolationsTest, WhatIsAboutNoFieldComesFirst) {
  Violations wrong;
  wrong.Add(FieldError("name", "must be set"));
  wrong.Add(absl::UnavailableError("the disk is away"));
  wrong.Add(absl::InternalError("later"));
  EXPECT_EQ(wrong.Result(), absl::UnavailableError("the disk is away"));
}

}  // namespace
}  // namespace mailstead
