// mailstead.frontend.v1.WebService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/web.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> FindMailDomain(Environment& environment, rpc::Call& call,
                                  const frontend::v1::FindMailDomainRequest& request,
                                  frontend::v1::FindMailDomainResponse& response);

}  // namespace mailstead::stored
