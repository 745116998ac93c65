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

// With google.rpc.ErrorInfo for reason and metadata, always: an error without a reason gets the general one of its code
// (WithAnyReason). With google.rpc.RetryInfo where the error has a delay or its reason a usual one, and
// google.rpc.BadRequest for the fields that are wrong. It is made to fit into the trailers that clients take: a longer
// text is cut, and what does not fit of the fields is left out from the end, counted in the metadata
// "violations_left_out". `proto` is empty before.
void ToProto(const absl::Status& status, google::rpc::Status& proto);
absl::Status FromProto(const google::rpc::Status& proto);

grpc::Status ToGrpc(const absl::Status& status);
// Keeps what ToProto has put in, if the peer sent it.
absl::Status FromGrpc(const grpc::Status& status);
// The same for a call that this end has not cancelled: Cancelled without a reason is then a store that has cut it off, and
// Unavailable.
absl::Status FromPeer(const grpc::Status& status);

}  // namespace mailstead::rpc
