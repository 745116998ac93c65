#include "pop3d/session/store_replies.h"

#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

TEST(StoreReplies, Opening) {
  EXPECT_EQ(ReplyForFailedOpen(WithReason(absl::AbortedError(""), kReasonMaildropInUse)), ReplyId::kInUse);
  EXPECT_EQ(ReplyForFailedOpen(WithReason(absl::AbortedError(""), kReasonLoginDelay)), ReplyId::kLoginDelay);
  EXPECT_EQ(ReplyForFailedOpen(absl::AbortedError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(ReplyForFailedOpen(absl::UnavailableError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(ReplyForFailedOpen(absl::DeadlineExceededError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(ReplyForFailedOpen(absl::PermissionDeniedError("")), ReplyId::kStoreUnavailable);
  EXPECT_EQ(ReplyForFailedOpen(WithReason(absl::FailedPreconditionError(""), kReasonNoLease)),
            ReplyId::kStoreUnavailable);
  EXPECT_EQ(ReplyForFailedOpen(absl::NotFoundError("")), ReplyId::kMailboxUnusable);
}

TEST(StoreReplies, LoggingInIsNeverTheClientsFaultWhenTheStoreFails) {
  for (const absl::Status& status :
       {absl::UnavailableError(""), absl::PermissionDeniedError(""), absl::UnauthenticatedError(""),
        absl::InternalError(""), absl::DeadlineExceededError("")}) {
    EXPECT_EQ(ReplyForFailedLogin(status), ReplyId::kStoreUnavailable);
  }
}

TEST(StoreReplies, Fetching) {
  EXPECT_EQ(ReplyForFailedFetch(absl::NotFoundError("")), ReplyId::kMessageGone);
  EXPECT_EQ(ReplyForFailedFetch(absl::UnavailableError("")), ReplyId::kMessageUnreadable);
  EXPECT_EQ(ReplyForFailedFetch(absl::DataLossError("")), ReplyId::kMessageUnreadable);
  EXPECT_EQ(ReplyForFailedFetch(WithReason(absl::PermissionDeniedError(""), kReasonSessionEnded)),
            ReplyId::kSessionEnded);
}

TEST(StoreReplies, Committing) {
  EXPECT_EQ(ReplyForFailedCommit(WithReason(absl::AbortedError(""), kReasonFenced)), ReplyId::kLockLost);
  EXPECT_EQ(ReplyForFailedCommit(absl::UnavailableError("")), ReplyId::kCommitUnconfirmed);
  EXPECT_EQ(ReplyForFailedCommit(absl::DeadlineExceededError("")), ReplyId::kCommitUnconfirmed);
  EXPECT_EQ(ReplyForFailedCommit(WithReason(absl::ResourceExhaustedError(""), kReasonDiskFull)),
            ReplyId::kCommitUnconfirmed);
  // It ends with the lock, which a commit that was made has ended.
  EXPECT_EQ(ReplyForFailedCommit(WithReason(absl::PermissionDeniedError(""), kReasonGrantExpired)),
            ReplyId::kCommitUnconfirmed);
  EXPECT_EQ(ReplyForFailedCommit(WithReason(absl::PermissionDeniedError(""), kReasonSessionEnded)),
            ReplyId::kSessionEnded);
  EXPECT_EQ(ReplyForFailedCommit(absl::InvalidArgumentError("")), ReplyId::kCommitRefused);
}

}  // namespace
}  // namespace mailstead::pop3
