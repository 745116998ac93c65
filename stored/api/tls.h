// mailstead.frontend.v1.TlsService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/tls.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> ListTicketKeys(Environment& environment, rpc::Call& call,
                                  const frontend::v1::ListTicketKeysRequest& request,
                                  frontend::v1::ListTicketKeysResponse& response);

}  // namespace mailstead::stored
