#include "mailctl/exit_code.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"

namespace mailstead::ctl {
namespace {

int CodeOf(const absl::Status& status) { return static_cast<int>(ExitCodeOf(status)); }

// The numbers are a promise to scripts.
TEST(ExitCodeTest, Numbers) {
  EXPECT_EQ(CodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(CodeOf(absl::InvalidArgumentError("x")), 1);
  EXPECT_EQ(CodeOf(FieldError("account.address", "is empty")), 1);
  EXPECT_EQ(CodeOf(absl::FailedPreconditionError("x")), 1);
  EXPECT_EQ(CodeOf(absl::PermissionDeniedError("x")), 1);
  EXPECT_EQ(CodeOf(absl::UnauthenticatedError("x")), 1);
  EXPECT_EQ(CodeOf(absl::DataLossError("x")), 1);
  EXPECT_EQ(CodeOf(absl::InternalError("x")), 1);
  EXPECT_EQ(CodeOf(absl::CancelledError("x")), 1);
  EXPECT_EQ(CodeOf(UsageError("x")), 2);
  EXPECT_EQ(CodeOf(absl::NotFoundError("x")), 3);
  EXPECT_EQ(CodeOf(absl::AlreadyExistsError("x")), 4);
  EXPECT_EQ(CodeOf(absl::UnavailableError("x")), 5);
  EXPECT_EQ(CodeOf(absl::DeadlineExceededError("x")), 5);
  EXPECT_EQ(CodeOf(WithReason(absl::AbortedError("x"), kReasonMaildropInUse)), 5);
  EXPECT_EQ(CodeOf(WithReason(absl::ResourceExhaustedError("x"), kReasonDiskFull)), 5);
  EXPECT_EQ(CodeOf(WithReason(absl::ResourceExhaustedError("x"), kReasonOverQuota)), 5);
  EXPECT_EQ(CodeOf(WithReason(absl::ResourceExhaustedError("x"), kReasonTooLarge)), 1);
  EXPECT_EQ(CodeOf(WithReason(absl::ResourceExhaustedError("x"), kReasonQuotaTooSmall)), 1);
  EXPECT_EQ(CodeOf(WithReason(absl::ResourceExhaustedError("x"), kReasonTooManyMailboxes)), 1);
  EXPECT_EQ(CodeOf(ReaderGoneError()), 141);
}

}  // namespace
}  // namespace mailstead::ctl
