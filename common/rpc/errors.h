// One status in two languages: absl::Status inside a program, grpc::Status with google.rpc details between
// them.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace google::rpc {
class Status;
}
namespace grpc {
class Status;
}

namespace mailstead::rpc {

// With google.rpc.ErrorInfo for the reason and google.rpc.BadRequest for the field.
void ToProto(const absl::Status& status, google::rpc::Status& proto);
absl::Status FromProto(const google::rpc::Status& proto);

grpc::Status ToGrpc(const absl::Status& status);
// Keeps the reason and the field, if the peer sent them.
absl::Status FromGrpc(const grpc::Status& status);
// The same for a call that this end has not cancelled: Cancelled without a reason is then a store that has cut it off, and
// Unavailable.
absl::Status FromPeer(const grpc::Status& status);

}  // namespace mailstead::rpc
