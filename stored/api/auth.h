// mailstead.frontend.v1.AuthService. Every function is a method, told in its .proto.
#pragma once

#include <string>

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
// For the methods that a submission's session calls: whose login its grant is, which is good. OK without a grant: nobody's.
// PermissionDenied with kReasonGrantExpired or kReasonGrantInvalid; errors of the engine. `grant` outlives the Task.
Task<absl::StatusOr<AccountId>> CheckSending(Environment& environment, const rpc::Call& call, const std::string& grant);
Task<absl::Status> ListLoginChanges(Environment& environment, rpc::Call& call,
                                    const frontend::v1::ListLoginChangesRequest& request,
                                    frontend::v1::ListLoginChangesResponse& response);
Task<absl::Status> CheckLogins(Environment& environment, rpc::Call& call,
                               const frontend::v1::CheckLoginsRequest& request,
                               frontend::v1::CheckLoginsResponse& response);

}  // namespace mailstead::stored
