// AuditService (proto/mailstead/store/v1/audit.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/audit.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> ListAuditEntries(Environment& environment, rpc::Call& call,
                                    const store::v1::ListAuditEntriesRequest& request,
                                    store::v1::ListAuditEntriesResponse& response);

}  // namespace mailstead::stored
