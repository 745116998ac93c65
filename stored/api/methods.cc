#include "stored/api/methods.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/server/bind.h"
#include "common/store/limits.h"
#include "stored/api/admin.h"
#include "stored/api/audit_entries.h"
#include "stored/api/auth.h"
#include "stored/api/backup.h"
#include "stored/api/delivery.h"
#include "stored/api/directory.h"
#include "stored/api/dkim.h"
#include "stored/api/keys.h"
#include "stored/api/lease.h"
#include "stored/api/maildrop.h"
#include "stored/api/message.h"
#include "stored/api/probe.h"
#include "stored/api/queue.h"
#include "stored/api/relay.h"
#include "stored/api/roles.h"
#include "stored/api/routes.h"
#include "stored/api/sending.h"
#include "stored/api/srs.h"
#include "stored/api/sts.h"
#include "stored/api/submission.h"
#include "stored/api/tls.h"
#include "stored/api/tls_reports.h"
#include "stored/api/watch.h"
#include "stored/api/web.h"
#include "stored/api/webhook_sending.h"
#include "stored/api/webhooks.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

constexpr size_t kSmallCost = 512;
constexpr size_t kMessageCost = store::kPieceBytes + kSmallCost;
// One piece of it at a time, beside the request.
constexpr size_t kWholeCost = store::kMaxPieceBytes + kMaxUnaryContentBytes;
// An entry is about 80 bytes, in the engine and in the answer.
constexpr size_t kListingCost = store::kMaildropPageEntries * 160;

// Of some 1,000 recipients at most, mostly far fewer.
constexpr size_t kLeaseCost = 512 << 10;

// Ten reports, the JSON of one, or a hundred domains' counts.
constexpr size_t kTlsReportsCost = 512 << 10;
// The longest policy is one of kMaxStsPatterns names.
constexpr size_t kStsCost = 32 << 10;

// Those that keep a lease.
constexpr unsigned kWithLease = kSmtp | kPop | kRelay | kWeb;

// How a method is called, beside its name, roles and cost.
enum Trait : unsigned {
  kPlain = 0,
  // It may come in a batch.
  kBatched = 1,
  // An operator's change: one line of audit for each call. What mail and sessions change has lines of its own
  // (delivered, maildrop_committed).
  kAudited = 2,
  // Not counted in metrics.
  kUncounted = 4,
  // A stream that is there to stay, as a watch (rpc::Method).
  kLongLived = 8,
};

rpc::Method Row(std::string name, unsigned roles, size_t cost_bytes, unsigned traits) {
  rpc::Method method;
  method.name = std::move(name);
  method.roles = roles;
  method.cost_bytes = cost_bytes;
  method.batched = (traits & kBatched) != 0;
  method.audited = (traits & kAudited) != 0;
  method.counted = (traits & kUncounted) == 0;
  method.long_lived = (traits & kLongLived) != 0;
  return method;
}

}  // namespace

void AddMethods(Environment& environment, rpc::MethodTable& table) {
  // `name` is Service/Method of mailstead.store.v1, for operators, and for applications whose key has the scope.
  const auto store = [&](absl::string_view name, Scope scope, unsigned traits, size_t cost_bytes,
                         auto function) {
    table.Add(rpc::Bind(
        Row(absl::StrCat("mailstead.store.v1.", name), unsigned{kOperator} | scope, cost_bytes, traits),
        environment, function));
  };
  // The same, with a whole message in its request.
  const auto with_message = [&](absl::string_view name, Scope scope, unsigned traits, auto function) {
    rpc::Method row =
        Row(absl::StrCat("mailstead.store.v1.", name), unsigned{kOperator} | scope, kWholeCost, traits);
    row.max_request_bytes = kMaxUnaryContentBytes + store::kMaxEnvelopeBytes;
    table.Add(rpc::Bind(std::move(row), environment, function));
  };

  // The same, of what is about the whole store: not for keys of some mailboxes or domains.
  const auto whole = [&](absl::string_view name, Scope scope, unsigned traits, size_t cost_bytes,
                         auto function) {
    table.Add(rpc::Bind(Row(absl::StrCat("mailstead.store.v1.", name),
                            unsigned{kOperator} | scope | kWholeStore, cost_bytes, traits),
                        environment, function));
  };
  // Service/Method of mailstead.frontend.v1.
  const auto frontend = [&](absl::string_view name, unsigned roles, unsigned traits, size_t cost_bytes,
                            auto function) {
    table.Add(rpc::Bind(Row(absl::StrCat("mailstead.frontend.v1.", name), roles, cost_bytes, traits),
                        environment, function));
  };

  store("DirectoryService/CreateDomain", kDirectoryWrite, kAudited, kSmallCost, CreateDomain);
  store("DirectoryService/GetDomain", kDirectoryRead, kPlain, kSmallCost, GetDomain);
  store("DirectoryService/ListDomains", kDirectoryRead, kPlain, kListingCost, ListDomains);
  store("DirectoryService/UpdateDomain", kDirectoryWrite, kAudited, kSmallCost, UpdateDomain);
  store("DirectoryService/DeleteDomain", kDirectoryWrite, kAudited, kSmallCost, DeleteDomain);
  store("DirectoryService/CreateAccount", kDirectoryWrite, kAudited, kSmallCost, CreateAccount);
  store("DirectoryService/BatchCreateAccounts", kDirectoryWrite, kAudited, kListingCost, BatchCreateAccounts);
  store("DirectoryService/GetAccount", kDirectoryRead, kPlain, kSmallCost, GetAccount);
  store("DirectoryService/ListAccounts", kDirectoryRead, kPlain, kListingCost, ListAccounts);
  store("DirectoryService/UpdateAccount", kDirectoryWrite, kAudited, kSmallCost, UpdateAccount);
  store("DirectoryService/SetPassword", kDirectoryWrite, kAudited, kSmallCost, SetPassword);
  store("DirectoryService/DeleteAccount", kDirectoryWrite, kAudited, kSmallCost, DeleteAccount);
  store("DirectoryService/CreateAlias", kDirectoryWrite, kAudited, kSmallCost, CreateAlias);
  store("DirectoryService/GetAlias", kDirectoryRead, kPlain, kSmallCost, GetAlias);
  store("DirectoryService/ListAliases", kDirectoryRead, kPlain, kListingCost, ListAliases);
  store("DirectoryService/UpdateAlias", kDirectoryWrite, kAudited, kSmallCost, UpdateAlias);
  store("DirectoryService/DeleteAlias", kDirectoryWrite, kAudited, kSmallCost, DeleteAlias);
  store("DirectoryService/ResolveAddress", kDirectoryRead, kPlain, kSmallCost, ResolveAddress);
  store("MessageService/GetMessage", kMailRead, kPlain, kListingCost, GetMessage);
  store("MessageService/BatchGetMessages", kMailRead, kPlain, kListingCost, BatchGetMessages);
  with_message("MessageService/DeliverMessage", kMailDeliver, kAudited, DeliverMessage);
  store("MessageService/DeliverMessageStream", kMailDeliver, kAudited, kMessageCost, DeliverMessageStream);
  store("MessageService/ListMessages", kMailRead, kPlain, kListingCost, ListMessages);
  store("MessageService/FetchMessage", kMailRead, kPlain, kMessageCost, FetchMessage);
  store("MessageService/DeleteMessages", kMailDelete, kAudited, kSmallCost, DeleteMessages);
  store("MessageService/RestoreMessages", kMailDelete, kAudited, kSmallCost, RestoreMessages);
  whole("AdminService/GetStatus", kAdminRead, kPlain, kSmallCost, GetStatus);
  store("AdminService/VerifyMessages", kAdminRead, kPlain, kSmallCost, VerifyMessages);
  store("AdminService/ListSessions", kAdminRead, kPlain, kListingCost, ListSessions);
  store("AdminService/EndSession", kAdminWrite, kAudited, kSmallCost, EndSession);
  whole("AdminService/ListLockouts", kAdminRead, kPlain, kListingCost, ListLockouts);
  whole("AdminService/ClearLockouts", kAdminWrite, kAudited, kSmallCost, ClearLockouts);
  whole("BackupService/CreateBackup", kAdminWrite, kAudited, kSmallCost, CreateBackup);
  whole("BackupService/ListBackups", kAdminRead, kPlain, kListingCost, ListBackups);
  whole("BackupService/VerifyBackup", kAdminRead, kPlain, kSmallCost, VerifyBackup);
  whole("BackupService/DeleteBackup", kAdminWrite, kAudited, kSmallCost, DeleteBackup);
  store("QueueService/ListQueuedMessages", kQueueRead, kPlain, kListingCost, ListQueuedMessages);
  store("QueueService/GetQueuedMessage", kQueueRead, kPlain, kListingCost, GetQueuedMessage);
  store("QueueService/ChangeQueuedMessages", kQueueWrite, kAudited, kListingCost, ChangeQueuedMessages);
  whole("QueueService/ListDestinations", kQueueRead, kPlain, kListingCost, ListDestinations);
  whole("QueueService/GetQueueStatus", kQueueRead, kPlain, kSmallCost, GetQueueStatus);
  whole("RouteService/SetRoute", kAdminWrite, kAudited, kSmallCost, SetRoute);
  whole("RouteService/GetRoute", kAdminRead, kPlain, kSmallCost, GetRoute);
  whole("RouteService/ListRoutes", kAdminRead, kPlain, kListingCost, ListRoutes);
  whole("RouteService/DeleteRoute", kAdminWrite, kAudited, kSmallCost, DeleteRoute);
  store("SendingService/GetSending", kAdminRead, kPlain, kSmallCost, GetSending);
  store("SendingService/SetSendingLimits", kAdminWrite, kAudited, kSmallCost, SetSendingLimits);
  store("SendingService/PauseSending", kAdminWrite, kAudited, kSmallCost, PauseSending);
  store("SendingService/ResumeSending", kAdminWrite, kAudited, kListingCost, ResumeSending);
  with_message("SubmissionService/SubmitMessage", kMailSubmit, kAudited, SubmitMessage);
  store("SubmissionService/SubmitMessageStream", kMailSubmit, kAudited, kMessageCost, SubmitMessageStream);
  store("SubmissionService/GetSubmission", kMailSubmit, kPlain, kListingCost, GetSubmission);
  store("SubmissionService/ListSubmissions", kMailSubmit, kPlain, kListingCost, ListSubmissions);
  store("SubmissionService/CancelSubmission", kMailSubmit, kAudited, kListingCost, CancelSubmission);
  whole("SrsService/RotateSrsSecret", kAdminWrite, kAudited, kSmallCost, RotateSrsSecret);
  whole("SrsService/ListSrsSecrets", kAdminRead, kPlain, kSmallCost, ListSrsSecrets);
  whole("SrsService/DecodeSrsAddress", kAdminRead, kPlain, kSmallCost, DecodeSrsAddress);

  store("DkimService/CreateDkimKey", kAdminWrite, kAudited, kSmallCost, CreateDkimKey);
  store("DkimService/ListDkimKeys", kAdminRead, kPlain, kListingCost, ListDkimKeys);
  store("DkimService/RotateDkimKeys", kAdminWrite, kAudited, kSmallCost, RotateDkimKeys);
  store("DkimService/ActivateDkimKey", kAdminWrite, kAudited, kSmallCost, ActivateDkimKey);
  store("DkimService/DeleteDkimKey", kAdminWrite, kAudited, kSmallCost, DeleteDkimKey);

  store("WatchService/Watch", kMailWatch, kLongLived, kListingCost, Watch);
  store("WatchService/CreateConsumer", kMailWatch, kAudited, kSmallCost, CreateConsumer);
  store("WatchService/GetConsumer", kMailWatch, kPlain, kSmallCost, GetConsumer);
  store("WatchService/ListConsumers", kMailWatch, kPlain, kListingCost, ListConsumers);
  store("WatchService/DeleteConsumer", kMailWatch, kAudited, kSmallCost, DeleteConsumer);
  store("WatchService/AckConsumer", kMailWatch, kPlain, kSmallCost, AckConsumer);
  store("WatchService/ResetConsumer", kMailWatch, kAudited, kSmallCost, ResetConsumer);
  store("WebhookService/CreateWebhook", kAdminWrite, kAudited, kSmallCost, CreateWebhook);
  store("WebhookService/GetWebhook", kAdminRead, kPlain, kSmallCost, GetWebhook);
  store("WebhookService/ListWebhooks", kAdminRead, kPlain, kListingCost, ListWebhooks);
  store("WebhookService/UpdateWebhook", kAdminWrite, kAudited, kSmallCost, UpdateWebhook);
  store("WebhookService/RotateWebhookSecret", kAdminWrite, kAudited, kSmallCost, RotateWebhookSecret);
  store("WebhookService/PauseWebhook", kAdminWrite, kAudited, kSmallCost, PauseWebhook);
  store("WebhookService/ResumeWebhook", kAdminWrite, kAudited, kSmallCost, ResumeWebhook);
  store("WebhookService/TestWebhook", kAdminWrite, kAudited, kSmallCost, TestWebhook);
  store("WebhookService/DeleteWebhook", kAdminWrite, kAudited, kSmallCost, DeleteWebhook);
  store("WebhookService/ListDeadWebhookEvents", kAdminRead, kPlain, kListingCost, ListDeadWebhookEvents);
  store("WebhookService/RetryDeadWebhookEvents", kAdminWrite, kAudited, kListingCost, RetryDeadWebhookEvents);
  whole("KeyService/CreateKey", kAdminWrite, kAudited, kSmallCost, CreateKey);
  whole("KeyService/GetKey", kAdminRead, kPlain, kSmallCost, GetKey);
  whole("KeyService/ListKeys", kAdminRead, kPlain, kListingCost, ListKeys);
  whole("KeyService/UpdateKey", kAdminWrite, kAudited, kSmallCost, UpdateKey);
  whole("KeyService/RotateKey", kAdminWrite, kAudited, kSmallCost, RotateKey);
  whole("KeyService/RevokeKey", kAdminWrite, kAudited, kSmallCost, RevokeKey);
  whole("AuditService/ListAuditEntries", kAdminRead, kPlain, kListingCost, ListAuditEntries);

  frontend("AuthService/Authenticate", kSmtp | kPop, kBatched, kListingCost, Authenticate);
  frontend("AuthService/CheckSender", kSmtp, kBatched, kSmallCost, CheckSender);
  frontend("AuthService/ListLoginChanges", kSmtp | kPop, kBatched, kListingCost, ListLoginChanges);
  frontend("AuthService/CheckLogins", kSmtp | kPop, kBatched, kListingCost, CheckLogins);
  frontend("DeliveryService/ResolveRecipient", kSmtp, kBatched, kSmallCost, ResolveRecipient);
  frontend("DeliveryService/Deliver", kSmtp, kBatched, kSmallCost, Deliver);
  frontend("DeliveryService/SettleDelivery", kSmtp, kBatched, kSmallCost, SettleDelivery);
  frontend("MaildropService/OpenMaildrop", kPop, kBatched, kListingCost, OpenMaildrop);
  frontend("MaildropService/ListMaildrop", kPop, kBatched, kListingCost, ListMaildrop);
  frontend("MaildropService/FetchMessage", kPop, kBatched, kMessageCost, FetchFromMaildrop);
  frontend("MaildropService/CommitMaildrop", kPop, kBatched, kSmallCost, CommitMaildrop);
  frontend("MaildropService/ReleaseMaildrop", kPop, kBatched, kSmallCost, ReleaseMaildrop);
  frontend("LeaseService/RenewLease", kWithLease, kBatched, kSmallCost, RenewLease);
  frontend("LeaseService/EndLease", kWithLease, kBatched, kSmallCost, EndLease);
  frontend("RelayService/LeaseAttempts", kRelay, kBatched, kLeaseCost, LeaseAttempts);
  frontend("RelayService/FetchQueuedMessage", kRelay, kBatched, kMessageCost, FetchQueuedMessage);
  frontend("RelayService/ReportAttempts", kRelay, kBatched, kSmallCost, ReportAttempts);
  frontend("StsService/GetStsPolicy", kRelay, kBatched, kStsCost, GetStsPolicy);
  frontend("StsService/KeepStsPolicy", kRelay, kBatched, kStsCost, KeepStsPolicy);
  frontend("SigningService/SignMessage", kRelay, kBatched, kSmallCost, SignMessage);
  frontend("SigningService/ListPendingKeys", kRelay, kBatched, kSmallCost, ListPendingKeys);
  frontend("SigningService/ReportKeyRecords", kRelay, kBatched, kListingCost, ReportKeyRecords);
  frontend("TlsService/ListTicketKeys", kSmtp | kPop | kWeb, kBatched, kSmallCost, ListTicketKeys);
  frontend("TlsReportService/CountTlsSessions", kRelay, kBatched, kTlsReportsCost, CountTlsSessions);
  frontend("TlsReportService/LeaseTlsReports", kRelay, kBatched, kTlsReportsCost, LeaseTlsReports);
  frontend("TlsReportService/FinishTlsReport", kRelay, kBatched, kTlsReportsCost, FinishTlsReport);
  frontend("WebService/FindMailDomain", kWeb, kBatched, kSmallCost, FindMailDomain);
  frontend("WebhookSendingService/ClaimWebhooks", kWeb, kBatched, kListingCost, ClaimWebhooks);
  frontend("WebhookSendingService/ReadWebhookEvents", kWeb, kBatched, kLeaseCost, ReadWebhookEvents);
  frontend("WebhookSendingService/ListWebhookLanes", kWeb, kBatched, kListingCost, ListWebhookLanes);
  frontend("WebhookSendingService/ReportWebhookEvents", kWeb, kBatched, kListingCost, ReportWebhookEvents);
  frontend("BatchService/Probe", kFrontends, kUncounted, kSmallCost, Probe);
}

}  // namespace mailstead::stored
