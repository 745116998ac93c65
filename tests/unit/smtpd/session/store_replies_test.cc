#include "smtpd/session/store_replies.h"

#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

// A message the client gave in good order must not bounce because something of ours is broken: whatever the
// store says, but for its size and the number of its mailboxes, is temporary.
TEST(ReplyForStoreFailure, IsTemporaryForEveryCode) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "x");
    EXPECT_EQ(GetReply(ReplyForStoreFailure(status)).code / 100, 4) << status;
  }
}

TEST(ReplyForStoreFailure, ObeysTheReason) {
  const auto reply = [](absl::string_view reason) {
    return ReplyForStoreFailure(WithReason(absl::ResourceExhaustedError("x"), reason));
  };
  EXPECT_EQ(reply(kReasonTooLarge), ReplyId::kMessageTooBig);
  EXPECT_EQ(reply(kReasonOverQuota), ReplyId::kMailboxFull);
  EXPECT_EQ(reply(kReasonDiskFull), ReplyId::kStoreFull);
  EXPECT_EQ(reply(kReasonQuotaTooSmall), ReplyId::kMailboxTooSmall);
  EXPECT_EQ(reply(kReasonTooManyMailboxes), ReplyId::kTooManyMailboxes);
  EXPECT_EQ(reply(kReasonAliasTooDeep), ReplyId::kListTooLong);
  EXPECT_EQ(reply("SOMETHING_NEW"), ReplyId::kStoreAway);
}

TEST(IsAlarm, IsForOperators) {
  EXPECT_TRUE(IsAlarm(absl::DataLossError("x")));
  EXPECT_TRUE(IsAlarm(absl::UnauthenticatedError("x")));
  EXPECT_FALSE(IsAlarm(absl::UnavailableError("x")));
  EXPECT_FALSE(IsAlarm(absl::ResourceExhaustedError("x")));
}

}  // namespace
}  // namespace mailstead::smtp
