// gRPC's own lines, as lines of our log.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::rpc {

// From now on what gRPC calls an error is a warning with event=grpc, and the rest, which gRPC writes only
// with GRPC_VERBOSITY=info or debug in the environment, is at level debug. After obs::SetUpLog, before
// threads start.
void TakeGrpcLog();

// The cause inside an error as gRPC writes it, "Address already in use"; empty when there is none to be seen.
// `message` outlives the result.
absl::string_view CauseIn(absl::string_view message);

// The cause of the last error that gRPC has logged since TakeGrpcLog. For calls of gRPC that say only that
// they failed, right after such a call: other threads log, too.
std::string LastGrpcCause();

}  // namespace mailstead::rpc
