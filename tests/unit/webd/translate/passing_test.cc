#include "webd/translate/passing.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Passing, FieldsOfTheClientAndNotOfTheProtocol) {
  const RequestHead head{.fields = {{"host", "a"},
                                    {"content-type", "application/json"},
                                    {"connect-timeout-ms", "5"},
                                    {"accept-encoding", "gzip"},
                                    {"grpc-timeout", "1S"},
                                    {"x-a", "b"},
                                    {"x-a", "c"},
                                    {"x-bin", "AAE, /w=="}}};
  EXPECT_EQ(MetadataOf(head),
            (Metadata{{"x-a", "b"}, {"x-a", "c"}, {"x-bin", std::string("\0\1", 2)}, {"x-bin", "\xff"}}));
}

TEST(Passing, MetadataAsFields) {
  const std::vector<HeaderField> fields =
      FieldsOf({{"x-a", "b"}, {"x-bin", "\xff"}, {"grpc-status", "0"}}, "trailer-");
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0].name, "trailer-x-a");
  EXPECT_EQ(fields[0].value, "b");
  EXPECT_EQ(fields[1].value, "/w");
}

TEST(Passing, TheEndOfAStream) {
  EXPECT_EQ(PassedEndOfStream({}), "{}");
  EXPECT_EQ(PassedEndOfStream({.trailing = {{"x", "1"}, {"a", "b\""}, {"x", "2"}}}),
            "{\"metadata\":{\"a\":[\"b\\\"\"],\"x\":[\"1\",\"2\"]}}");
  EXPECT_EQ(
      PassedEndOfStream({.status = absl::NotFoundError("no"), .trailing = {{"x", "1"}}}),
      "{\"error\":{\"code\":\"not_found\",\"message\":\"no\",\"details\":[]},\"metadata\":{\"x\":[\"1\"]}}");
}

TEST(Passing, TheServersOwnErrorCounts) {
  google::rpc::Status error;
  error.set_code(static_cast<int>(absl::StatusCode::kCancelled));
  error.set_message("mine");
  error.add_details()->PackFrom(google::rpc::RetryInfo());
  const CallEnd end{.status = absl::UnavailableError("cut off"),
                    .trailing = {{"grpc-status-details-bin", error.SerializeAsString()}}};
  EXPECT_EQ(PassedCode(end), absl::StatusCode::kCancelled);
  const std::string body = PassedErrorBody(end);
  EXPECT_NE(body.find("\"code\":\"canceled\",\"message\":\"mine\""), std::string::npos) << body;
  EXPECT_NE(body.find("google.rpc.RetryInfo"), std::string::npos) << body;
}

}  // namespace
}  // namespace mailstead::web
