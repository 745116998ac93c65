// WebhookService (proto/mailstead/store/v1/webhook.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/webhook.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> CreateWebhook(Environment& environment, rpc::Call& call,
                                 const store::v1::CreateWebhookRequest& request,
                                 store::v1::CreateWebhookResponse& response);
Task<absl::Status> GetWebhook(Environment& environment, rpc::Call& call,
                              const store::v1::GetWebhookRequest& request, store::v1::Webhook& response);
Task<absl::Status> ListWebhooks(Environment& environment, rpc::Call& call,
                                const store::v1::ListWebhooksRequest& request,
                                store::v1::ListWebhooksResponse& response);
Task<absl::Status> UpdateWebhook(Environment& environment, rpc::Call& call,
                                 const store::v1::UpdateWebhookRequest& request,
                                 store::v1::Webhook& response);
Task<absl::Status> RotateWebhookSecret(Environment& environment, rpc::Call& call,
                                       const store::v1::RotateWebhookSecretRequest& request,
                                       store::v1::RotateWebhookSecretResponse& response);
Task<absl::Status> PauseWebhook(Environment& environment, rpc::Call& call,
                                const store::v1::PauseWebhookRequest& request, store::v1::Webhook& response);
Task<absl::Status> ResumeWebhook(Environment& environment, rpc::Call& call,
                                 const store::v1::ResumeWebhookRequest& request,
                                 store::v1::Webhook& response);
Task<absl::Status> TestWebhook(Environment& environment, rpc::Call& call,
                               const store::v1::TestWebhookRequest& request,
                               store::v1::TestWebhookResponse& response);
Task<absl::Status> DeleteWebhook(Environment& environment, rpc::Call& call,
                                 const store::v1::DeleteWebhookRequest& request,
                                 store::v1::DeleteWebhookResponse& response);
Task<absl::Status> ListDeadWebhookEvents(Environment& environment, rpc::Call& call,
                                         const store::v1::ListDeadWebhookEventsRequest& request,
                                         store::v1::ListDeadWebhookEventsResponse& response);
Task<absl::Status> RetryDeadWebhookEvents(Environment& environment, rpc::Call& call,
                                          const store::v1::RetryDeadWebhookEventsRequest& request,
                                          store::v1::RetryDeadWebhookEventsResponse& response);

}  // namespace mailstead::stored
