// mailstead.frontend.v1.AuthService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/auth.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> Authenticate(Environment& environment, rpc::Call& call,
                                rpc::Reader<frontend::v1::AuthenticateRequest>& steps,
                                rpc::Writer<frontend::v1::AuthenticateResponse>& answers);
Task<absl::Status> CheckSender(Environment& environment, rpc::Call& call,
                               const frontend::v1::CheckSenderRequest& request,
                               frontend::v1::CheckSenderResponse& response);

}  // namespace mailstead::stored
