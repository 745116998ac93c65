// mailstead.frontend.v1.RelayService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/relay.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> LeaseAttempts(Environment& environment, rpc::Call& call,
                                 const frontend::v1::LeaseAttemptsRequest& request,
                                 frontend::v1::LeaseAttemptsResponse& response);
Task<absl::Status> FetchQueuedMessage(Environment& environment, rpc::Call& call,
                                      const frontend::v1::FetchQueuedMessageRequest& request,
                                      rpc::Writer<frontend::v1::FetchQueuedMessageResponse>& pieces);
Task<absl::Status> ReportAttempts(Environment& environment, rpc::Call& call,
                                  const frontend::v1::ReportAttemptsRequest& request,
                                  frontend::v1::ReportAttemptsResponse& response);

}  // namespace mailstead::stored
