#include "webd/translate/error_body.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/rpc/error_details.pb.h>

#include <map>

#include "absl/strings/escaping.h"
#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

using google::protobuf::Struct;

Struct Parsed(const std::string& json) {
  Struct parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
  EXPECT_TRUE(status.ok()) << status.ToString() << " " << json;
  return parsed;
}

TEST(ErrorBody, CodeMessageAndDetails) {
  const absl::Status error =
      WithReason(absl::NotFoundError("there is no account \"x\"\n\x01"), kReasonAccountNotFound);
  const Struct body = Parsed(ErrorBody(error));
  EXPECT_EQ(body.fields().at("code").string_value(), "not_found");
  EXPECT_EQ(body.fields().at("message").string_value(), "there is no account \"x\"\n\x01");
  const auto& details = body.fields().at("details").list_value();
  ASSERT_EQ(details.values_size(), 1);
  const auto& detail = details.values(0).struct_value().fields();
  EXPECT_EQ(detail.at("type").string_value(), "google.rpc.ErrorInfo");
  EXPECT_EQ(detail.at("debug").struct_value().fields().at("reason").string_value(), "ACCOUNT_NOT_FOUND");
  std::string bytes;
  EXPECT_EQ(detail.at("value").string_value().find('='), std::string::npos) << "without padding";
  ASSERT_TRUE(absl::Base64Unescape(detail.at("value").string_value(), &bytes));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(info.ParseFromString(bytes));
  EXPECT_EQ(info.reason(), "ACCOUNT_NOT_FOUND");
}

TEST(ErrorBody, FieldsAndDelays) {
  const std::string bad = ErrorBody(FieldError("page_size", "must not be negative"));
  EXPECT_NE(bad.find("google.rpc.BadRequest"), std::string::npos) << bad;
  EXPECT_NE(bad.find("page_size"), std::string::npos) << bad;
  const std::string busy = ErrorBody(WithReason(absl::UnavailableError("busy"), kReasonBusy));
  EXPECT_NE(busy.find("google.rpc.RetryInfo"), std::string::npos) << busy;
}

TEST(ErrorBody, TheEndOfAStream) {
  EXPECT_EQ(EndOfStream(absl::OkStatus()), "{}");
  const Struct end = Parsed(EndOfStream(absl::UnavailableError("away")));
  EXPECT_EQ(end.fields().at("error").struct_value().fields().at("code").string_value(), "unavailable");
}

}  // namespace
}  // namespace mailstead::web
