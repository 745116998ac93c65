// RouteService (proto/mailstead/store/v1/route.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/route.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> SetRoute(Environment& environment, rpc::Call& call,
                            const store::v1::SetRouteRequest& request, store::v1::Route& response);
Task<absl::Status> GetRoute(Environment& environment, rpc::Call& call,
                            const store::v1::GetRouteRequest& request, store::v1::Route& response);
Task<absl::Status> ListRoutes(Environment& environment, rpc::Call& call,
                              const store::v1::ListRoutesRequest& request,
                              store::v1::ListRoutesResponse& response);
Task<absl::Status> DeleteRoute(Environment& environment, rpc::Call& call,
                               const store::v1::DeleteRouteRequest& request,
                               store::v1::DeleteRouteResponse& response);

}  // namespace mailstead::stored
