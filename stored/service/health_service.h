// grpc.health.v1.Health (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): whether the store
// serves. Open to all, without a token. gRPC's own uses the callback API, whose threads would take part in
// the polling for all other calls (see call_loop.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stored/service/services.h"

namespace mailstead::store {

class HealthService : public Service {
 public:
  // What is answered from now on; not serving until this is called. After Drain it stays not serving. Any
  // thread.
  virtual void SetServing(bool serving) = 0;
};

// `names`: the services that are asked for by name; all have one state, and "" is the server as a whole.
std::unique_ptr<HealthService> MakeHealthService(std::vector<std::string> names);

}  // namespace mailstead::store
