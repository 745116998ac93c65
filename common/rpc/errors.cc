#include "common/rpc/errors.h"

#include <grpcpp/support/status.h>

#include "absl/strings/match.h"
#include "common/base/reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace mailstead::rpc {
namespace {

constexpr char kErrorDomain[] = "mailstead.store";

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message());
  const std::string reason = ReasonOf(status);
  const std::string field = FieldOf(status);
  if (reason.empty() && field.empty()) return grpc::Status(code, message);

  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(message);
  if (!reason.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain(kErrorDomain);
    details.add_details()->PackFrom(info);
  }
  if (!field.empty()) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    // The message is "field: description" (FieldError).
    violation->set_description(absl::StartsWith(message, field + ": ") ? message.substr(field.size() + 2)
                                                                       : message);
    details.add_details()->PackFrom(bad_request);
  }
  return grpc::Status(code, message, details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return result;
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (detail.UnpackTo(&info) && info.domain() == kErrorDomain) {
      result = WithReason(result, info.reason());
    } else if (detail.UnpackTo(&bad_request) && bad_request.field_violations_size() > 0) {
      result = WithField(result, bad_request.field_violations(0).field());
    }
  }
  return result;
}

}  // namespace mailstead::rpc
