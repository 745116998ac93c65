#include "common/store/retry.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/transport.h"
#include "tests/support/fake_time.h"
#include "tests/unit/common/store/awaiting.h"

namespace mailstead::store {
namespace {

using testing::ElementsAre;

struct Case {
  absl::StatusCode code;
  absl::string_view reason;
  bool worth;
};

TEST(WorthTryingAgainTest, IsOneRule) {
  using Code = absl::StatusCode;
  const Case cases[] = {
      // The store was away, or lost a race: a moment helps.
      {Code::kUnavailable, "", true},
      {Code::kUnavailable, "ANY", true},
      {Code::kDeadlineExceeded, "", true},
      {Code::kAborted, "", true},
      {Code::kAborted, "ANY", true},
      // Somebody else has what is asked for: an answer.
      {Code::kAborted, kReasonMaildropInUse, false},
      {Code::kAborted, kReasonLoginDelay, false},
      {Code::kAborted, kReasonFenced, false},
      {Code::kAborted, kReasonEtagMismatch, false},
      {Code::kAborted, kReasonExchangeAbandoned, false},
      // Temporary, but not over in a moment.
      {Code::kResourceExhausted, kReasonDiskFull, false},
      {Code::kResourceExhausted, kReasonOverQuota, false},
      {Code::kResourceExhausted, "", false},
      {Code::kDataLoss, "", false},
      {Code::kInternal, "", false},
      {Code::kUnknown, "", false},
      {Code::kCancelled, "", false},
      // Permanent.
      {Code::kOk, "", false},
      {Code::kInvalidArgument, "", false},
      {Code::kNotFound, "", false},
      {Code::kAlreadyExists, "", false},
      {Code::kPermissionDenied, "", false},
      {Code::kFailedPrecondition, kReasonNoLease, false},
      {Code::kOutOfRange, "", false},
      {Code::kUnimplemented, "", false},
      {Code::kUnauthenticated, "", false},
  };
  for (const Case& each : cases) {
    absl::Status status(each.code, "x");
    if (!each.reason.empty()) status = WithReason(status, each.reason);
    EXPECT_EQ(WorthTryingAgain(status), each.worth) << status << " " << each.reason;
    // All that is worth trying again is temporary.
    EXPECT_TRUE(!each.worth || IsTemporary(status)) << status;
  }
}

TEST(IsOutcomeUnknownTest, IsOneRule) {
  using Code = absl::StatusCode;
  struct OutcomeCase {
    Code code;
    absl::string_view reason;
    bool unknown;
  };
  const OutcomeCase cases[] = {
      {Code::kOk, "", false},
      // The way broke, or the store could not say.
      {Code::kUnavailable, "", true},
      {Code::kUnavailable, "UNAVAILABLE", true},
      {Code::kDeadlineExceeded, "", true},
      {Code::kCancelled, "", true},
      {Code::kUnknown, "", true},
      {Code::kInternal, "", true},
      {Code::kDataLoss, "", true},
      // gRPC's own, of a stream with many calls.
      {Code::kResourceExhausted, "", true},
      {Code::kAborted, "", true},
      // The store's word.
      {Code::kResourceExhausted, kReasonDiskFull, false},
      {Code::kAborted, kReasonFenced, false},
      {Code::kNotFound, "", false},
      {Code::kInvalidArgument, "", false},
      {Code::kAlreadyExists, "", false},
      {Code::kFailedPrecondition, "", false},
      {Code::kPermissionDenied, "", false},
      {Code::kUnauthenticated, "", false},
      {Code::kUnimplemented, "", false},
      {Code::kOutOfRange, "", false},
  };
  for (const OutcomeCase& each : cases) {
    absl::Status status(each.code, "x");
    if (!each.reason.empty()) status = WithReason(status, each.reason);
    EXPECT_EQ(IsOutcomeUnknown(status), each.unknown) << status << " " << each.reason;
    EXPECT_FALSE(IsOutcomeUnknown(rpc::NotSent(status))) << status;
    EXPECT_EQ(IsOutcomeUnknown(rpc::PerhapsSent(rpc::NotSent(status))), each.unknown) << status;
  }
}

class RetryTest : public test::Awaiting {
 protected:
  // Tries that all fail with `status`: when they began, counted from the first.
  asio::awaitable<absl::Status> TryAll(absl::Duration patience, absl::Status status) {
    const absl::Time begin = time_.Now();
    Retry retry(time_, patience, outcome_patience_);
    while (true) {
      tries_.push_back(time_.Now() - begin);
      const bool again = co_await retry.Again(status);
      if (!again) co_return status;
    }
  }
  void Run(absl::Duration patience, absl::Status status) {
    tries_.clear();
    const auto pending = Start(TryAll(patience, std::move(status)));
    while (!pending->has_value()) {
      ASSERT_TRUE(time_.AdvanceToNext());
      io_.restart();
      io_.poll();
    }
  }

  FakeTime time_;
  absl::Duration outcome_patience_ = absl::ZeroDuration();
  std::vector<absl::Duration> tries_;
};

TEST_F(RetryTest, WaitsLongerEachTime) {
  Run(absl::Milliseconds(4000), absl::UnavailableError("away"));
  std::vector<int64_t> begun;
  for (const absl::Duration each : tries_) begun.push_back(absl::ToInt64Milliseconds(each));
  EXPECT_THAT(begun, ElementsAre(0, 50, 150, 350, 750, 1550, 2550, 3550));
}

TEST_F(RetryTest, NoTryBeginsLaterThanPatienceLasts) {
  Run(absl::Milliseconds(150), absl::UnavailableError("away"));
  EXPECT_EQ(tries_.size(), 3u);
  Run(absl::Milliseconds(149), absl::UnavailableError("away"));
  EXPECT_EQ(tries_.size(), 2u);
  Run(absl::ZeroDuration(), absl::UnavailableError("away"));
  EXPECT_EQ(tries_.size(), 1u);
}

TEST_F(RetryTest, WhatWasPerhapsSentIsAskedForLonger) {
  outcome_patience_ = absl::Minutes(5);
  Run(absl::Milliseconds(150), rpc::NotSent(absl::UnavailableError("away")));
  EXPECT_EQ(tries_.size(), 3u);
  Run(absl::Milliseconds(150), absl::UnavailableError("lost"));
  EXPECT_GT(tries_.size(), 295u);
  EXPECT_LE(tries_.back(), absl::Minutes(5));
  outcome_patience_ = absl::ZeroDuration();
  Run(absl::Milliseconds(150), absl::UnavailableError("lost"));
  EXPECT_EQ(tries_.size(), 3u);
}

TEST_F(RetryTest, AnAnswerIsNotTriedAgain) {
  Run(absl::Hours(1), WithReason(absl::AbortedError("fenced"), kReasonFenced));
  EXPECT_EQ(tries_.size(), 1u);
}

TEST_F(RetryTest, HoursOfTriesTakeAMoment) {
  Run(absl::Hours(2), absl::UnavailableError("away"));
  EXPECT_NEAR(static_cast<double>(tries_.size()), 2 * 3600, 10);
}

}  // namespace
}  // namespace mailstead::store
