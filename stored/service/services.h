// The services of proto/mailstead/store/v1, as gRPC registers them.
//
// Each method checks its caller and its fields, converts, calls core or engine, and maps the status: nothing
// else. Nothing blocks a gRPC thread: blocking work goes to the environment's pools, and a full pool is
// RESOURCE_EXHAUSTED.
//
// Deadlines: a unary call has kMaxUnaryTime, or less by a deadline of its own: one that waited longer is not
// begun (DEADLINE_EXCEEDED). A streaming call must have a deadline, at most kMaxStreamTime ahead
// (INVALID_ARGUMENT "deadline"), since gRPC ends a stream by its own deadline only.
#pragma once

#include <memory>

#include "absl/time/time.h"

namespace grpc {
class Service;
}

namespace mailstead::store {

struct Environment;

inline constexpr absl::Duration kMaxUnaryTime = absl::Minutes(1);
inline constexpr absl::Duration kMaxStreamTime = absl::Hours(24);

std::unique_ptr<grpc::Service> MakeDirectoryService(Environment& environment);
std::unique_ptr<grpc::Service> MakeAuthService(Environment& environment);
std::unique_ptr<grpc::Service> MakeMailboxService(Environment& environment);
std::unique_ptr<grpc::Service> MakeAdminService(Environment& environment);

}  // namespace mailstead::store
