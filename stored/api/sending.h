// SendingService (proto/mailstead/store/v1/sending.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/sending.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> GetSending(Environment& environment, rpc::Call& call,
                              const store::v1::GetSendingRequest& request, store::v1::Sending& response);
Task<absl::Status> SetSendingLimits(Environment& environment, rpc::Call& call,
                                    const store::v1::SetSendingLimitsRequest& request,
                                    store::v1::Sending& response);
Task<absl::Status> PauseSending(Environment& environment, rpc::Call& call,
                                const store::v1::PauseSendingRequest& request, store::v1::Sending& response);
Task<absl::Status> ResumeSending(Environment& environment, rpc::Call& call,
                                 const store::v1::ResumeSendingRequest& request,
                                 store::v1::Sending& response);

}  // namespace mailstead::stored
