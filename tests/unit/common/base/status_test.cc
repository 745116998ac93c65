#include "common/base/status.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace mailstead {
namespace {

absl::Status ReturnIfError(const absl::Status& status, int& evaluated) {
  RETURN_IF_ERROR((++evaluated, status));
  return absl::AlreadyExistsError("reached the end");
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsErrorsOnly) {
  int evaluated = 0;
  EXPECT_EQ(ReturnIfError(absl::NotFoundError("gone"), evaluated), absl::NotFoundError("gone"));
  EXPECT_EQ(ReturnIfError(absl::OkStatus(), evaluated), absl::AlreadyExistsError("reached the end"));
  EXPECT_EQ(evaluated, 2);
}

absl::StatusOr<std::string> AssignTwice(absl::StatusOr<int> first,
                                        absl::StatusOr<std::unique_ptr<int>> second) {
  ASSIGN_OR_RETURN(const int value, first);
  std::unique_ptr<int> owned;
  ASSIGN_OR_RETURN(owned, std::move(second));
  return std::to_string(value + *owned);
}

TEST(StatusMacrosTest, AssignOrReturnDeclaresAssignsAndMoves) {
  EXPECT_EQ(*AssignTwice(1, std::make_unique<int>(2)), "3");
  EXPECT_EQ(AssignTwice(absl::AbortedError("a"), std::make_unique<int>(2)).status(), absl::AbortedError("a"));
  EXPECT_EQ(AssignTwice(1, absl::DataLossError("b")).status(), absl::DataLossError("b"));
}

TEST(IsTemporaryTest, FollowsTheCode) {
  using Code = absl::StatusCode;
  for (const Code code :
       {Code::kUnavailable, Code::kDeadlineExceeded, Code::kAborted, Code::kResourceExhausted,
        Code::kDataLoss, Code::kCancelled, Code::kInternal, Code::kUnknown}) {
    EXPECT_TRUE(IsTemporary(absl::Status(code, ""))) << absl::StatusCodeToString(code);
  }
  for (const Code code :
       {Code::kOk, Code::kNotFound, Code::kAlreadyExists, Code::kInvalidArgument, Code::kOutOfRange,
        Code::kFailedPrecondition, Code::kPermissionDenied, Code::kUnauthenticated, Code::kUnimplemented}) {
    EXPECT_FALSE(IsTemporary(absl::Status(code, ""))) << absl::StatusCodeToString(code);
  }
}

}  // namespace
}  // namespace mailstead
