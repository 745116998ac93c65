// mailstead.store.v1.AdminService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/admin.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> GetStatus(Environment& environment, rpc::Call& call,
                             const store::v1::GetStatusRequest& request,
                             store::v1::GetStatusResponse& response);
Task<absl::Status> VerifyMessages(Environment& environment, rpc::Call& call,
                                  const store::v1::VerifyMessagesRequest& request,
                                  rpc::Writer<store::v1::VerifyMessagesResponse>& findings);
Task<absl::Status> ListSessions(Environment& environment, rpc::Call& call,
                                const store::v1::ListSessionsRequest& request,
                                store::v1::ListSessionsResponse& response);
Task<absl::Status> EndSession(Environment& environment, rpc::Call& call,
                              const store::v1::EndSessionRequest& request,
                              store::v1::EndSessionResponse& response);
Task<absl::Status> ListLockouts(Environment& environment, rpc::Call& call,
                                const store::v1::ListLockoutsRequest& request,
                                store::v1::ListLockoutsResponse& response);
Task<absl::Status> ClearLockouts(Environment& environment, rpc::Call& call,
                                 const store::v1::ClearLockoutsRequest& request,
                                 store::v1::ClearLockoutsResponse& response);

}  // namespace mailstead::stored
