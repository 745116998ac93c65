// grpc.reflection.v1.ServerReflection, and the same as v1alpha for older tools: what the API looks like, for grpcurl and
// its like. For every caller that is known.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "common/rpc/server/method_table.h"

namespace mailstead::stored {

// It outlives all calls.
class Reflection {
 public:
  // Adds its methods; the services of all methods that are in the table then are listed, and itself.
  void AddTo(rpc::MethodTable& methods);

 private:
  // An answer to each request, until the caller has no more.
  template <typename Request, typename Response>
  Task<absl::Status> Info(rpc::Call& call, rpc::Reader<Request>& requests, rpc::Writer<Response>& responses);

  std::vector<std::string> services_;
};

}  // namespace mailstead::stored
