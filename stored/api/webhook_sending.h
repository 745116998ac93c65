// WebhookSendingService (proto/mailstead/frontend/v1/webhook.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/webhook.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> ClaimWebhooks(Environment& environment, rpc::Call& call,
                                 const frontend::v1::ClaimWebhooksRequest& request,
                                 frontend::v1::ClaimWebhooksResponse& response);
Task<absl::Status> ReadWebhookEvents(Environment& environment, rpc::Call& call,
                                     const frontend::v1::ReadWebhookEventsRequest& request,
                                     frontend::v1::ReadWebhookEventsResponse& response);
Task<absl::Status> ListWebhookLanes(Environment& environment, rpc::Call& call,
                                    const frontend::v1::ListWebhookLanesRequest& request,
                                    frontend::v1::ListWebhookLanesResponse& response);
Task<absl::Status> ReportWebhookEvents(Environment& environment, rpc::Call& call,
                                       const frontend::v1::ReportWebhookEventsRequest& request,
                                       frontend::v1::ReportWebhookEventsResponse& response);

}  // namespace mailstead::stored
