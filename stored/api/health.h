// grpc.health.v1.Health (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): whether the store serves. Open
// to all, without a token.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/method.h"
#include "common/rpc/server/method_table.h"
#include "common/rpc/server/signal.h"

namespace grpc::health::v1 {
class HealthCheckRequest;
class HealthCheckResponse;
}  // namespace grpc::health::v1

namespace mailstead::stored {

class Health {
 public:
  // All that is given by reference outlives it. It outlives all calls.
  Health(Executor& executor, rpc::Draining& draining) : executor_(executor), draining_(draining) {}

  // Adds its methods; the services of all methods that are in the table then can be asked for by name. All have one state,
  // and "" is the server as a whole.
  void AddTo(rpc::MethodTable& methods);

  // What is answered from now on; not serving until this is called. When the store drains it is not serving, for ever. Any
  // thread.
  void SetServing(bool serving);

 private:
  // NOT_FOUND for a service that is not known.
  Task<absl::Status> Check(rpc::Call& call, const grpc::health::v1::HealthCheckRequest& request,
                           grpc::health::v1::HealthCheckResponse& response);
  // Says what the state is, and again whenever it has changed, until the caller goes or the store drains.
  Task<absl::Status> Watch(rpc::Call& call, const grpc::health::v1::HealthCheckRequest& request,
                           rpc::Writer<grpc::health::v1::HealthCheckResponse>& states);
  // Tells who watches; on the executor's thread.
  Task<void> TellWatchers();
  bool Knows(absl::string_view service) const { return service.empty() || services_.contains(service); }
  bool serving() const { return serving_ && !draining_.begun(); }

  Executor& executor_;
  rpc::Draining& draining_;
  absl::flat_hash_set<std::string> services_;
  std::atomic<bool> serving_ = false;
  absl::flat_hash_set<rpc::Signal*> watchers_;
};

}  // namespace mailstead::stored
