// The methods of webhooks, for StoreApi::Call: of mailstead.store.v1, and of who sends them.
#pragma once

#include "common/store/store_api.h"
#include "mailstead/frontend/v1/webhook.pb.h"
#include "mailstead/store/v1/webhook.pb.h"

namespace mailstead::store {

inline constexpr Method<v1::CreateWebhookRequest, v1::CreateWebhookResponse> kCreateWebhook{
    "mailstead.store.v1.WebhookService/CreateWebhook"};
inline constexpr Method<v1::GetWebhookRequest, v1::Webhook> kGetWebhook{
    "mailstead.store.v1.WebhookService/GetWebhook"};
inline constexpr Method<v1::ListWebhooksRequest, v1::ListWebhooksResponse> kListWebhooks{
    "mailstead.store.v1.WebhookService/ListWebhooks"};
inline constexpr Method<v1::UpdateWebhookRequest, v1::Webhook> kUpdateWebhook{
    "mailstead.store.v1.WebhookService/UpdateWebhook"};
inline constexpr Method<v1::RotateWebhookSecretRequest, v1::RotateWebhookSecretResponse> kRotateWebhookSecret{
    "mailstead.store.v1.WebhookService/RotateWebhookSecret"};
inline constexpr Method<v1::PauseWebhookRequest, v1::Webhook> kPauseWebhook{
    "mailstead.store.v1.WebhookService/PauseWebhook"};
inline constexpr Method<v1::ResumeWebhookRequest, v1::Webhook> kResumeWebhook{
    "mailstead.store.v1.WebhookService/ResumeWebhook"};
inline constexpr Method<v1::TestWebhookRequest, v1::TestWebhookResponse> kTestWebhook{
    "mailstead.store.v1.WebhookService/TestWebhook"};
inline constexpr Method<v1::DeleteWebhookRequest, v1::DeleteWebhookResponse> kDeleteWebhook{
    "mailstead.store.v1.WebhookService/DeleteWebhook"};
inline constexpr Method<v1::ListDeadWebhookEventsRequest, v1::ListDeadWebhookEventsResponse>
    kListDeadWebhookEvents{"mailstead.store.v1.WebhookService/ListDeadWebhookEvents"};
inline constexpr Method<v1::RetryDeadWebhookEventsRequest, v1::RetryDeadWebhookEventsResponse>
    kRetryDeadWebhookEvents{"mailstead.store.v1.WebhookService/RetryDeadWebhookEvents"};

inline constexpr Method<frontend::v1::ClaimWebhooksRequest, frontend::v1::ClaimWebhooksResponse>
    kClaimWebhooks{"mailstead.frontend.v1.WebhookSendingService/ClaimWebhooks"};
inline constexpr Method<frontend::v1::ReadWebhookEventsRequest, frontend::v1::ReadWebhookEventsResponse>
    kReadWebhookEvents{"mailstead.frontend.v1.WebhookSendingService/ReadWebhookEvents"};
inline constexpr Method<frontend::v1::ListWebhookLanesRequest, frontend::v1::ListWebhookLanesResponse>
    kListWebhookLanes{"mailstead.frontend.v1.WebhookSendingService/ListWebhookLanes"};
inline constexpr Method<frontend::v1::ReportWebhookEventsRequest, frontend::v1::ReportWebhookEventsResponse>
    kReportWebhookEvents{"mailstead.frontend.v1.WebhookSendingService/ReportWebhookEvents"};

}  // namespace mailstead::store
