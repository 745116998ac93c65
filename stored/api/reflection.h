// grpc.reflection.v1alpha.ServerReflection: what the API looks like, for grpcurl and its like. Open to all, without a
// token.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "common/rpc/server/method_table.h"

namespace grpc::reflection::v1alpha {
class ServerReflectionRequest;
class ServerReflectionResponse;
}  // namespace grpc::reflection::v1alpha

namespace mailstead::stored {

// It outlives all calls.
class Reflection {
 public:
  // Adds its method; the services of all methods that are in the table then are listed, and itself.
  void AddTo(rpc::MethodTable& methods);

 private:
  // An answer to each request, until the caller has no more.
  Task<absl::Status> Info(rpc::Call& call,
                          rpc::Reader<grpc::reflection::v1alpha::ServerReflectionRequest>& requests,
                          rpc::Writer<grpc::reflection::v1alpha::ServerReflectionResponse>& responses);

  std::vector<std::string> services_;
};

}  // namespace mailstead::stored
