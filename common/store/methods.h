// The methods of mailstead.store.v1, for StoreApi::Call and StoreApi::Open.
#pragma once

#include "common/store/store_api.h"
#include "mailstead/store/v1/admin.pb.h"
#include "mailstead/store/v1/audit.pb.h"
#include "mailstead/store/v1/backup.pb.h"
#include "mailstead/store/v1/directory.pb.h"
#include "mailstead/store/v1/dkim.pb.h"
#include "mailstead/store/v1/key.pb.h"
#include "mailstead/store/v1/message.pb.h"
#include "mailstead/store/v1/queue.pb.h"
#include "mailstead/store/v1/route.pb.h"
#include "mailstead/store/v1/sending.pb.h"
#include "mailstead/store/v1/srs.pb.h"
#include "mailstead/store/v1/submission.pb.h"
#include "mailstead/store/v1/watch.pb.h"

namespace mailstead::store {

// ---- DirectoryService

inline constexpr Method<v1::CreateDomainRequest, v1::Domain> kCreateDomain{
    "mailstead.store.v1.DirectoryService/CreateDomain"};
inline constexpr Method<v1::GetDomainRequest, v1::Domain> kGetDomain{
    "mailstead.store.v1.DirectoryService/GetDomain"};
inline constexpr Method<v1::ListDomainsRequest, v1::ListDomainsResponse> kListDomains{
    "mailstead.store.v1.DirectoryService/ListDomains"};
inline constexpr Method<v1::UpdateDomainRequest, v1::Domain> kUpdateDomain{
    "mailstead.store.v1.DirectoryService/UpdateDomain"};
inline constexpr Method<v1::DeleteDomainRequest, v1::DeleteDomainResponse> kDeleteDomain{
    "mailstead.store.v1.DirectoryService/DeleteDomain"};

inline constexpr Method<v1::CreateAccountRequest, v1::Account> kCreateAccount{
    "mailstead.store.v1.DirectoryService/CreateAccount"};
inline constexpr Method<v1::BatchCreateAccountsRequest, v1::BatchCreateAccountsResponse> kBatchCreateAccounts{
    "mailstead.store.v1.DirectoryService/BatchCreateAccounts"};
inline constexpr Method<v1::GetAccountRequest, v1::Account> kGetAccount{
    "mailstead.store.v1.DirectoryService/GetAccount"};
inline constexpr Method<v1::ListAccountsRequest, v1::ListAccountsResponse> kListAccounts{
    "mailstead.store.v1.DirectoryService/ListAccounts"};
inline constexpr Method<v1::UpdateAccountRequest, v1::Account> kUpdateAccount{
    "mailstead.store.v1.DirectoryService/UpdateAccount"};
inline constexpr Method<v1::SetPasswordRequest, v1::SetPasswordResponse> kSetPassword{
    "mailstead.store.v1.DirectoryService/SetPassword"};
inline constexpr Method<v1::DeleteAccountRequest, v1::DeleteAccountResponse> kDeleteAccount{
    "mailstead.store.v1.DirectoryService/DeleteAccount"};

inline constexpr Method<v1::CreateAliasRequest, v1::Alias> kCreateAlias{
    "mailstead.store.v1.DirectoryService/CreateAlias"};
inline constexpr Method<v1::GetAliasRequest, v1::Alias> kGetAlias{
    "mailstead.store.v1.DirectoryService/GetAlias"};
inline constexpr Method<v1::ListAliasesRequest, v1::ListAliasesResponse> kListAliases{
    "mailstead.store.v1.DirectoryService/ListAliases"};
inline constexpr Method<v1::UpdateAliasRequest, v1::Alias> kUpdateAlias{
    "mailstead.store.v1.DirectoryService/UpdateAlias"};
inline constexpr Method<v1::DeleteAliasRequest, v1::DeleteAliasResponse> kDeleteAlias{
    "mailstead.store.v1.DirectoryService/DeleteAlias"};

inline constexpr Method<v1::ResolveAddressRequest, v1::ResolveAddressResponse> kResolveAddress{
    "mailstead.store.v1.DirectoryService/ResolveAddress"};

// ---- MessageService

// Several requests.
inline constexpr Method<v1::DeliverMessageRequest, v1::DeliverMessageResponse> kDeliverMessage{
    "mailstead.store.v1.MessageService/DeliverMessage"};
inline constexpr Method<v1::GetMessageRequest, v1::Message> kGetMessage{
    "mailstead.store.v1.MessageService/GetMessage"};
inline constexpr Method<v1::BatchGetMessagesRequest, v1::BatchGetMessagesResponse> kBatchGetMessages{
    "mailstead.store.v1.MessageService/BatchGetMessages"};
inline constexpr Method<v1::DeliverMessageStreamRequest, v1::DeliverMessageResponse> kDeliverMessageStream{
    "mailstead.store.v1.MessageService/DeliverMessageStream"};
inline constexpr Method<v1::ListMessagesRequest, v1::ListMessagesResponse> kListMessages{
    "mailstead.store.v1.MessageService/ListMessages"};
// Several responses.
inline constexpr Method<v1::FetchMessageRequest, v1::FetchMessageResponse> kFetchMessage{
    "mailstead.store.v1.MessageService/FetchMessage"};
inline constexpr Method<v1::DeleteMessagesRequest, v1::DeleteMessagesResponse> kDeleteMessages{
    "mailstead.store.v1.MessageService/DeleteMessages"};
inline constexpr Method<v1::RestoreMessagesRequest, v1::RestoreMessagesResponse> kRestoreMessages{
    "mailstead.store.v1.MessageService/RestoreMessages"};

// ---- AdminService

inline constexpr Method<v1::GetStatusRequest, v1::GetStatusResponse> kGetStatus{
    "mailstead.store.v1.AdminService/GetStatus"};
// Several responses.
inline constexpr Method<v1::VerifyMessagesRequest, v1::VerifyMessagesResponse> kVerifyMessages{
    "mailstead.store.v1.AdminService/VerifyMessages"};
inline constexpr Method<v1::ListSessionsRequest, v1::ListSessionsResponse> kListSessions{
    "mailstead.store.v1.AdminService/ListSessions"};
inline constexpr Method<v1::EndSessionRequest, v1::EndSessionResponse> kEndSession{
    "mailstead.store.v1.AdminService/EndSession"};
inline constexpr Method<v1::ListLockoutsRequest, v1::ListLockoutsResponse> kListLockouts{
    "mailstead.store.v1.AdminService/ListLockouts"};
inline constexpr Method<v1::ClearLockoutsRequest, v1::ClearLockoutsResponse> kClearLockouts{
    "mailstead.store.v1.AdminService/ClearLockouts"};

// ---- BackupService

// Several responses.
inline constexpr Method<v1::CreateBackupRequest, v1::CreateBackupResponse> kCreateBackup{
    "mailstead.store.v1.BackupService/CreateBackup"};
inline constexpr Method<v1::ListBackupsRequest, v1::ListBackupsResponse> kListBackups{
    "mailstead.store.v1.BackupService/ListBackups"};
// Several responses.
inline constexpr Method<v1::VerifyBackupRequest, v1::VerifyBackupResponse> kVerifyBackup{
    "mailstead.store.v1.BackupService/VerifyBackup"};
inline constexpr Method<v1::DeleteBackupRequest, v1::DeleteBackupResponse> kDeleteBackup{
    "mailstead.store.v1.BackupService/DeleteBackup"};

// ---- WatchService

// Several responses.
inline constexpr Method<v1::WatchRequest, v1::WatchResponse> kWatch{"mailstead.store.v1.WatchService/Watch"};
inline constexpr Method<v1::CreateConsumerRequest, v1::Consumer> kCreateConsumer{
    "mailstead.store.v1.WatchService/CreateConsumer"};
inline constexpr Method<v1::GetConsumerRequest, v1::Consumer> kGetConsumer{
    "mailstead.store.v1.WatchService/GetConsumer"};
inline constexpr Method<v1::ListConsumersRequest, v1::ListConsumersResponse> kListConsumers{
    "mailstead.store.v1.WatchService/ListConsumers"};
inline constexpr Method<v1::DeleteConsumerRequest, v1::DeleteConsumerResponse> kDeleteConsumer{
    "mailstead.store.v1.WatchService/DeleteConsumer"};
inline constexpr Method<v1::ResetConsumerRequest, v1::Consumer> kResetConsumer{
    "mailstead.store.v1.WatchService/ResetConsumer"};

// ---- RouteService

inline constexpr Method<v1::SetRouteRequest, v1::Route> kSetRoute{"mailstead.store.v1.RouteService/SetRoute"};
inline constexpr Method<v1::GetRouteRequest, v1::Route> kGetRoute{"mailstead.store.v1.RouteService/GetRoute"};
inline constexpr Method<v1::ListRoutesRequest, v1::ListRoutesResponse> kListRoutes{
    "mailstead.store.v1.RouteService/ListRoutes"};
inline constexpr Method<v1::DeleteRouteRequest, v1::DeleteRouteResponse> kDeleteRoute{
    "mailstead.store.v1.RouteService/DeleteRoute"};

// ---- DkimService

inline constexpr Method<v1::CreateDkimKeyRequest, v1::DkimKey> kCreateDkimKey{
    "mailstead.store.v1.DkimService/CreateDkimKey"};
inline constexpr Method<v1::ListDkimKeysRequest, v1::ListDkimKeysResponse> kListDkimKeys{
    "mailstead.store.v1.DkimService/ListDkimKeys"};
inline constexpr Method<v1::RotateDkimKeysRequest, v1::RotateDkimKeysResponse> kRotateDkimKeys{
    "mailstead.store.v1.DkimService/RotateDkimKeys"};
inline constexpr Method<v1::ActivateDkimKeyRequest, v1::DkimKey> kActivateDkimKey{
    "mailstead.store.v1.DkimService/ActivateDkimKey"};
inline constexpr Method<v1::DeleteDkimKeyRequest, v1::DeleteDkimKeyResponse> kDeleteDkimKey{
    "mailstead.store.v1.DkimService/DeleteDkimKey"};

// ---- QueueService

inline constexpr Method<v1::ListQueuedMessagesRequest, v1::ListQueuedMessagesResponse> kListQueuedMessages{
    "mailstead.store.v1.QueueService/ListQueuedMessages"};
inline constexpr Method<v1::GetQueuedMessageRequest, v1::QueuedMessage> kGetQueuedMessage{
    "mailstead.store.v1.QueueService/GetQueuedMessage"};
// Several responses.
inline constexpr Method<v1::ChangeQueuedMessagesRequest, v1::ChangeQueuedMessagesResponse>
    kChangeQueuedMessages{"mailstead.store.v1.QueueService/ChangeQueuedMessages"};
inline constexpr Method<v1::ListDestinationsRequest, v1::ListDestinationsResponse> kListDestinations{
    "mailstead.store.v1.QueueService/ListDestinations"};
inline constexpr Method<v1::GetQueueStatusRequest, v1::GetQueueStatusResponse> kGetQueueStatus{
    "mailstead.store.v1.QueueService/GetQueueStatus"};

// ---- SendingService

inline constexpr Method<v1::GetSendingRequest, v1::Sending> kGetSending{
    "mailstead.store.v1.SendingService/GetSending"};
inline constexpr Method<v1::SetSendingLimitsRequest, v1::Sending> kSetSendingLimits{
    "mailstead.store.v1.SendingService/SetSendingLimits"};
inline constexpr Method<v1::PauseSendingRequest, v1::Sending> kPauseSending{
    "mailstead.store.v1.SendingService/PauseSending"};
inline constexpr Method<v1::ResumeSendingRequest, v1::Sending> kResumeSending{
    "mailstead.store.v1.SendingService/ResumeSending"};

// ---- SubmissionService

// Several requests.
inline constexpr Method<v1::SubmitMessageStreamRequest, v1::SubmitMessageResponse> kSubmitMessageStream{
    "mailstead.store.v1.SubmissionService/SubmitMessageStream"};
inline constexpr Method<v1::GetSubmissionRequest, v1::Submission> kGetSubmission{
    "mailstead.store.v1.SubmissionService/GetSubmission"};
inline constexpr Method<v1::ListSubmissionsRequest, v1::ListSubmissionsResponse> kListSubmissions{
    "mailstead.store.v1.SubmissionService/ListSubmissions"};
inline constexpr Method<v1::CancelSubmissionRequest, v1::CancelSubmissionResponse> kCancelSubmission{
    "mailstead.store.v1.SubmissionService/CancelSubmission"};
// ---- KeyService

inline constexpr Method<v1::CreateKeyRequest, v1::CreateKeyResponse> kCreateKey{
    "mailstead.store.v1.KeyService/CreateKey"};
inline constexpr Method<v1::GetKeyRequest, v1::Key> kGetKey{"mailstead.store.v1.KeyService/GetKey"};
inline constexpr Method<v1::ListKeysRequest, v1::ListKeysResponse> kListKeys{
    "mailstead.store.v1.KeyService/ListKeys"};
inline constexpr Method<v1::UpdateKeyRequest, v1::Key> kUpdateKey{"mailstead.store.v1.KeyService/UpdateKey"};
inline constexpr Method<v1::RotateKeyRequest, v1::RotateKeyResponse> kRotateKey{
    "mailstead.store.v1.KeyService/RotateKey"};
inline constexpr Method<v1::RevokeKeyRequest, v1::Key> kRevokeKey{"mailstead.store.v1.KeyService/RevokeKey"};

// ---- AuditService

inline constexpr Method<v1::ListAuditEntriesRequest, v1::ListAuditEntriesResponse> kListAuditEntries{
    "mailstead.store.v1.AuditService/ListAuditEntries"};

// ---- SrsService

inline constexpr Method<v1::RotateSrsSecretRequest, v1::SrsSecret> kRotateSrsSecret{
    "mailstead.store.v1.SrsService/RotateSrsSecret"};
inline constexpr Method<v1::ListSrsSecretsRequest, v1::ListSrsSecretsResponse> kListSrsSecrets{
    "mailstead.store.v1.SrsService/ListSrsSecrets"};
inline constexpr Method<v1::DecodeSrsAddressRequest, v1::DecodeSrsAddressResponse> kDecodeSrsAddress{
    "mailstead.store.v1.SrsService/DecodeSrsAddress"};

}  // namespace mailstead::store
