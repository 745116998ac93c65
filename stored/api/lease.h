// mailstead.frontend.v1.LeaseService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> RenewLease(Environment& environment, rpc::Call& call,
                              const frontend::v1::RenewLeaseRequest& request,
                              frontend::v1::RenewLeaseResponse& response);
Task<absl::Status> EndLease(Environment& environment, rpc::Call& call,
                            const frontend::v1::EndLeaseRequest& request,
                            frontend::v1::EndLeaseResponse& response);

}  // namespace mailstead::stored
