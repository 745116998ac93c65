// mailstead.frontend.v1.StsService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/sts.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> GetStsPolicy(Environment& environment, rpc::Call& call,
                                const frontend::v1::GetStsPolicyRequest& request,
                                frontend::v1::GetStsPolicyResponse& response);
Task<absl::Status> KeepStsPolicy(Environment& environment, rpc::Call& call,
                                 const frontend::v1::KeepStsPolicyRequest& request,
                                 frontend::v1::KeepStsPolicyResponse& response);

}  // namespace mailstead::stored
