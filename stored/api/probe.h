// What mailstead.frontend.v1.BatchService has beside Calls, which is a door (common/rpc/server).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/batch.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

// OK when the store serves a front-end of this revision. FailedPrecondition with kReasonRevisionTooOld or
// kReasonRevisionTooNew, and a message that says which program has to be replaced.
absl::Status CheckRevision(int revision);

Task<absl::Status> Probe(Environment& environment, rpc::Call& call, const frontend::v1::ProbeRequest& request,
                         frontend::v1::ProbeResponse& response);

}  // namespace mailstead::stored
