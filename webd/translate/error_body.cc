#include "webd/translate/error_body.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/rpc/errors.h"
#include "webd/connect/code.h"

namespace mailstead::web {
namespace {

namespace util = google::protobuf::util;
using google::protobuf::Any;

// `otherwise`: of what has no JSON.
std::string JsonOf(const google::protobuf::Message& message, absl::string_view otherwise) {
  std::string json;
  return util::MessageToJsonString(message, &json).ok() ? json : std::string(otherwise);
}

std::string Base64(absl::string_view bytes) {
  const std::string padded = absl::Base64Escape(bytes);
  return padded.substr(0, padded.find('='));
}

// "debug" is for people who read it; programs take "value".
template <typename Detail>
bool AppendDebug(const Any& any, std::string& json) {
  Detail detail;
  if (!any.UnpackTo(&detail)) return false;
  absl::StrAppend(&json, ",\"debug\":", JsonOf(detail, "{}"));
  return true;
}

std::string DetailBody(const Any& any) {
  const absl::string_view type = absl::StripPrefix(any.type_url(), "type.googleapis.com/");
  std::string json = absl::StrCat("{\"type\":\"", type, "\",\"value\":\"", Base64(any.value()), "\"");
  static_cast<void>(AppendDebug<google::rpc::ErrorInfo>(any, json) ||
                    AppendDebug<google::rpc::RetryInfo>(any, json) ||
                    AppendDebug<google::rpc::BadRequest>(any, json));
  absl::StrAppend(&json, "}");
  return json;
}

}  // namespace

std::string JsonString(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  return JsonOf(value, "\"\"");
}

std::string ErrorBody(const absl::Status& error) {
  google::rpc::Status proto;
  rpc::ToProto(error, proto);
  return ErrorBody(proto);
}

std::string ErrorBody(const google::rpc::Status& error) {
  std::string json = absl::StrCat("{\"code\":\"", CodeName(static_cast<absl::StatusCode>(error.code())),
                                  "\",\"message\":", JsonString(error.message()), ",\"details\":[");
  for (int i = 0; i < error.details_size(); ++i) {
    absl::StrAppend(&json, i == 0 ? "" : ",", DetailBody(error.details(i)));
  }
  absl::StrAppend(&json, "]}");
  return json;
}

std::string EndOfStream(const absl::Status& status) {
  return status.ok() ? "{}" : absl::StrCat("{\"error\":", ErrorBody(status), "}");
}

}  // namespace mailstead::web
