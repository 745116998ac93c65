// The services of proto/mailstead/store/v1 and the health service.
//
// Each method checks its caller and its fields, converts, calls core or engine, and maps the status: nothing
// else. Nothing blocks the thread that serves the calls: blocking work goes to the environment's pools, and a
// full pool is RESOURCE_EXHAUSTED.
//
// Deadlines: a unary call has kMaxUnaryTime, or less by a deadline of its own: one that waited longer is not
// begun (DEADLINE_EXCEEDED). A streaming call must have a deadline, at most kMaxStreamTime ahead
// (INVALID_ARGUMENT "deadline"), since gRPC ends a stream by its own deadline only.
#pragma once

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace grpc {
class Service;
}

namespace mailstead::store {

class CallLoop;
struct Environment;

inline constexpr absl::Duration kMaxUnaryTime = absl::Minutes(1);
inline constexpr absl::Duration kMaxStreamTime = absl::Hours(24);

class Service {
 public:
  virtual ~Service() = default;
  // For the builder of the server; lives as long as that.
  virtual grpc::Service& registered() = 0;
  // Once, when the server has begun.
  virtual void Serve(CallLoop& loop) = 0;
  // The store shuts down: ends calls that would last for ever.
  virtual void Drain() {}
};

std::unique_ptr<Service> MakeDirectoryService(Environment& environment);
std::unique_ptr<Service> MakeAuthService(Environment& environment);
std::unique_ptr<Service> MakeMailboxService(Environment& environment);
std::unique_ptr<Service> MakeAdminService(Environment& environment);
std::unique_ptr<Service> MakeExchangeService();

// Calls `give`: the answers that calls of exchanges are given meanwhile, on this thread, go together when it
// returns.
void GatherAnswers(absl::FunctionRef<void()> give);

}  // namespace mailstead::store
