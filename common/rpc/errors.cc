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

void ToProto(const absl::Status& status, google::rpc::Status& proto) {
  const std::string message(status.message());
  const std::string reason = ReasonOf(status);
  const std::string field = FieldOf(status);
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(message);
  if (!reason.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain(kErrorDomain);
    proto.add_details()->PackFrom(info);
  }
  if (!field.empty()) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    // The message is "field: description" (FieldError).
    violation->set_description(absl::StartsWith(message, field + ": ") ? message.substr(field.size() + 2)
                                                                       : message);
    proto.add_details()->PackFrom(bad_request);
  }
}

absl::Status FromProto(const google::rpc::Status& proto) {
  if (proto.code() == 0) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(proto.code()), proto.message());
  for (const auto& detail : proto.details()) {
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

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  google::rpc::Status details;
  ToProto(status, details);
  if (details.details().empty()) return grpc::Status(code, details.message());
  return grpc::Status(code, details.message(), details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  // The code and the message are gRPC's own; an error without details has no others.
  if (!details.ParseFromString(status.error_details())) details.Clear();
  details.set_code(status.error_code());
  details.set_message(status.error_message());
  return FromProto(details);
}

absl::Status FromPeer(const grpc::Status& status) {
  absl::Status error = FromGrpc(status);
  if (!absl::IsCancelled(error) || !ReasonOf(error).empty()) return error;
  return absl::UnavailableError("the store has cut the call off");
}

}  // namespace mailstead::rpc
