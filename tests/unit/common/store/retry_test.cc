#include "common/store/retry.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "common/base/reason.h"
#include "common/base/status.h"
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

class RetryTest : public test::Awaiting {
 protected:
  // Tries that all fail with `status`: when they began, counted from the first.
  asio::awaitable<absl::Status> TryAll(absl::Duration patience, absl::Status status) {
    const absl::Time begin = time_.Now();
    Retry retry(time_, patience);
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
