#include "webd/connect/code.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

// https://connectrpc.com/docs/protocol#error-codes
TEST(Code, AsConnectHasThem) {
  const struct {
    absl::StatusCode code;
    const char* name;
    int http_status;
  } kRows[] = {{absl::StatusCode::kCancelled, "canceled", 499},
               {absl::StatusCode::kUnknown, "unknown", 500},
               {absl::StatusCode::kInvalidArgument, "invalid_argument", 400},
               {absl::StatusCode::kDeadlineExceeded, "deadline_exceeded", 504},
               {absl::StatusCode::kNotFound, "not_found", 404},
               {absl::StatusCode::kAlreadyExists, "already_exists", 409},
               {absl::StatusCode::kPermissionDenied, "permission_denied", 403},
               {absl::StatusCode::kResourceExhausted, "resource_exhausted", 429},
               {absl::StatusCode::kFailedPrecondition, "failed_precondition", 400},
               {absl::StatusCode::kAborted, "aborted", 409},
               {absl::StatusCode::kOutOfRange, "out_of_range", 400},
               {absl::StatusCode::kUnimplemented, "unimplemented", 501},
               {absl::StatusCode::kInternal, "internal", 500},
               {absl::StatusCode::kUnavailable, "unavailable", 503},
               {absl::StatusCode::kDataLoss, "data_loss", 500},
               {absl::StatusCode::kUnauthenticated, "unauthenticated", 401}};
  std::set<absl::StatusCode> seen;
  for (const auto& row : kRows) {
    EXPECT_EQ(CodeName(row.code), row.name);
    EXPECT_EQ(HttpStatusOf(row.code), row.http_status) << row.name;
    seen.insert(row.code);
  }
  EXPECT_EQ(seen.size(), 16u) << "each code of gRPC";
  EXPECT_EQ(CodeName(static_cast<absl::StatusCode>(99)), "unknown");
}

}  // namespace
}  // namespace mailstead::web
