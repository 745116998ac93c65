#include "common/base/reason.h"

#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(ReasonTest, StaysWithTheStatus) {
  const absl::Status status =
      WithReason(absl::AbortedError("another session holds it"), kReasonMaildropInUse);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "another session holds it");
  EXPECT_EQ(ReasonOf(status), "MAILDROP_IN_USE");
  const absl::StatusOr<int> value = status;
  EXPECT_EQ(ReasonOf(value.status()), "MAILDROP_IN_USE");
}

TEST(ReasonTest, TheLastReasonCounts) {
  const absl::Status status = WithReason(WithReason(absl::AbortedError(""), kReasonNoLease), kReasonFenced);
  EXPECT_EQ(ReasonOf(status), kReasonFenced);
}

TEST(ReasonTest, IsEmptyWhenThereIsNone) {
  EXPECT_EQ(ReasonOf(absl::AbortedError("x")), "");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("x")), "");
  EXPECT_EQ(FieldOf(absl::OkStatus()), "");
}

TEST(ReasonTest, FieldErrorsNameTheField) {
  const absl::Status status = FieldError("envelope.delivery_id", "must have 16 to 64 characters");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "envelope.delivery_id: must have 16 to 64 characters");
  EXPECT_EQ(FieldOf(status), "envelope.delivery_id");
  EXPECT_EQ(ReasonOf(status), "");
}

}  // namespace
}  // namespace mailstead
