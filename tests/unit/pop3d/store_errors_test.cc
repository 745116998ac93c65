#include "pop3d/store_errors.h"

#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

TEST(StoreErrors, Opening) {
  EXPECT_EQ(OpenError(WithReason(absl::AbortedError(""), kReasonMaildropInUse)), ReplyId::kInUse);
  EXPECT_EQ(OpenError(WithReason(absl::AbortedError(""), kReasonLoginDelay)), ReplyId::kLoginDelay);
  EXPECT_EQ(OpenError(absl::AbortedError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(OpenError(absl::UnavailableError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(OpenError(absl::DeadlineExceededError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(OpenError(absl::PermissionDeniedError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(OpenError(WithReason(absl::FailedPreconditionError(""), kReasonNoLease)),
            ReplyId::kStoreUnavailable);
  EXPECT_EQ(OpenError(absl::NotFoundError("")), ReplyId::kMailboxUnusable);
}

TEST(StoreErrors, LoggingInIsNeverTheClientsFaultWhenTheStoreFails) {
  for (const absl::Status& status :
       {absl::UnavailableError(""), absl::PermissionDeniedError(""), absl::UnauthenticatedError(""),
        absl::InternalError(""), absl::DeadlineExceededError("")}) {
    EXPECT_EQ(AuthError(status), ReplyId::kStoreUnavailable);
  }
}

TEST(StoreErrors, Fetching) {
  EXPECT_EQ(FetchError(absl::NotFoundError("")), ReplyId::kMessageGone);
  EXPECT_EQ(FetchError(absl::UnavailableError("")), ReplyId::kMessageUnreadable);
  EXPECT_EQ(FetchError(absl::DataLossError("")), ReplyId::kMessageUnreadable);
}

TEST(StoreErrors, Committing) {
  EXPECT_EQ(CommitError(WithReason(absl::AbortedError(""), kReasonFenced)), ReplyId::kLockLost);
  EXPECT_EQ(CommitError(absl::UnavailableError("")), ReplyId::kCommitUnconfirmed);
  EXPECT_EQ(CommitError(absl::DeadlineExceededError("")), ReplyId::kCommitUnconfirmed);
  EXPECT_EQ(CommitError(WithReason(absl::ResourceExhaustedError(""), kReasonDiskFull)),
            ReplyId::kCommitUnconfirmed);
  EXPECT_EQ(CommitError(absl::InvalidArgumentError("")), ReplyId::kCommitRefused);
}

}  // namespace
}  // namespace mailstead::pop3
