// Every method by every caller, on the caller's own mailbox and on another's, against one table.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/reason.h"
#include "common/rpc/server/method_table.h"
#include "mailstead/store/v1/key.pb.h"
#include "stored/api/environment.h"
#include "stored/api/methods.h"
#include "stored/api/metrics.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

struct Row {
  // "frontend.v1.MaildropService/FetchMessage"
  const char* method;
  // The roles that may call it; of keys those with the scope, and with kWholeStore only those that see everything.
  unsigned roles;
  // Whether it needs a grant, which decides whose mailbox it is.
  bool needs_grant = false;
};

// The enumerations of roles and scopes are one set of bits.
constexpr unsigned kOp = kOperator;

constexpr Row kTable[] = {
    {"store.v1.DirectoryService/CreateDomain", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/GetDomain", kOp | kDirectoryRead},
    {"store.v1.DirectoryService/ListDomains", kOp | kDirectoryRead},
    {"store.v1.DirectoryService/UpdateDomain", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/DeleteDomain", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/CreateAccount", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/BatchCreateAccounts", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/GetAccount", kOp | kDirectoryRead},
    {"store.v1.DirectoryService/ListAccounts", kOp | kDirectoryRead},
    {"store.v1.DirectoryService/UpdateAccount", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/SetPassword", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/DeleteAccount", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/CreateAlias", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/GetAlias", kOp | kDirectoryRead},
    {"store.v1.DirectoryService/ListAliases", kOp | kDirectoryRead},
    {"store.v1.DirectoryService/UpdateAlias", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/DeleteAlias", kOp | kDirectoryWrite},
    {"store.v1.DirectoryService/ResolveAddress", kOp | kDirectoryRead},
    {"store.v1.MessageService/DeliverMessage", kOp | kMailDeliver},
    {"store.v1.MessageService/DeliverMessageStream", kOp | kMailDeliver},
    {"store.v1.MessageService/GetMessage", kOp | kMailRead},
    {"store.v1.MessageService/BatchGetMessages", kOp | kMailRead},
    {"store.v1.MessageService/ListMessages", kOp | kMailRead},
    {"store.v1.MessageService/FetchMessage", kOp | kMailRead},
    {"store.v1.MessageService/DeleteMessages", kOp | kMailDelete},
    {"store.v1.MessageService/RestoreMessages", kOp | kMailDelete},
    {"store.v1.AdminService/GetStatus", kOp | kAdminRead | kWholeStore},
    {"store.v1.AdminService/VerifyMessages", kOp | kAdminRead},
    {"store.v1.AdminService/ListSessions", kOp | kAdminRead},
    {"store.v1.AdminService/EndSession", kOp | kAdminWrite},
    {"store.v1.AdminService/ListLockouts", kOp | kAdminRead | kWholeStore},
    {"store.v1.AdminService/ClearLockouts", kOp | kAdminWrite | kWholeStore},
    {"store.v1.BackupService/CreateBackup", kOp | kAdminWrite | kWholeStore},
    {"store.v1.BackupService/ListBackups", kOp | kAdminRead | kWholeStore},
    {"store.v1.BackupService/VerifyBackup", kOp | kAdminRead | kWholeStore},
    {"store.v1.BackupService/DeleteBackup", kOp | kAdminWrite | kWholeStore},
    {"store.v1.RouteService/SetRoute", kOp | kAdminWrite | kWholeStore},
    {"store.v1.RouteService/GetRoute", kOp | kAdminRead | kWholeStore},
    {"store.v1.RouteService/ListRoutes", kOp | kAdminRead | kWholeStore},
    {"store.v1.RouteService/DeleteRoute", kOp | kAdminWrite | kWholeStore},
    {"store.v1.DkimService/CreateDkimKey", kOp | kAdminWrite},
    {"store.v1.DkimService/ListDkimKeys", kOp | kAdminRead},
    {"store.v1.DkimService/RotateDkimKeys", kOp | kAdminWrite},
    {"store.v1.DkimService/ActivateDkimKey", kOp | kAdminWrite},
    {"store.v1.DkimService/DeleteDkimKey", kOp | kAdminWrite},
    {"store.v1.SendingService/GetSending", kOp | kAdminRead},
    {"store.v1.SendingService/SetSendingLimits", kOp | kAdminWrite},
    {"store.v1.SendingService/PauseSending", kOp | kAdminWrite},
    {"store.v1.SendingService/ResumeSending", kOp | kAdminWrite},
    {"store.v1.WebhookService/CreateWebhook", kOp | kAdminWrite},
    {"store.v1.WebhookService/GetWebhook", kOp | kAdminRead},
    {"store.v1.WebhookService/ListWebhooks", kOp | kAdminRead},
    {"store.v1.WebhookService/UpdateWebhook", kOp | kAdminWrite},
    {"store.v1.WebhookService/RotateWebhookSecret", kOp | kAdminWrite},
    {"store.v1.WebhookService/PauseWebhook", kOp | kAdminWrite},
    {"store.v1.WebhookService/ResumeWebhook", kOp | kAdminWrite},
    {"store.v1.WebhookService/TestWebhook", kOp | kAdminWrite},
    {"store.v1.WebhookService/DeleteWebhook", kOp | kAdminWrite},
    {"store.v1.WebhookService/ListDeadWebhookEvents", kOp | kAdminRead},
    {"store.v1.WebhookService/RetryDeadWebhookEvents", kOp | kAdminWrite},
    {"store.v1.SrsService/RotateSrsSecret", kOp | kAdminWrite | kWholeStore},
    {"store.v1.SrsService/ListSrsSecrets", kOp | kAdminRead | kWholeStore},
    {"store.v1.SrsService/DecodeSrsAddress", kOp | kAdminRead | kWholeStore},
    {"store.v1.QueueService/ListQueuedMessages", kOp | kQueueRead},
    {"store.v1.QueueService/GetQueuedMessage", kOp | kQueueRead},
    {"store.v1.QueueService/ChangeQueuedMessages", kOp | kQueueWrite},
    {"store.v1.QueueService/ListDestinations", kOp | kQueueRead | kWholeStore},
    {"store.v1.QueueService/GetQueueStatus", kOp | kQueueRead | kWholeStore},
    {"store.v1.SubmissionService/SubmitMessage", kOp | kMailSubmit},
    {"store.v1.SubmissionService/SubmitMessageStream", kOp | kMailSubmit},
    {"store.v1.SubmissionService/GetSubmission", kOp | kMailSubmit},
    {"store.v1.SubmissionService/ListSubmissions", kOp | kMailSubmit},
    {"store.v1.SubmissionService/CancelSubmission", kOp | kMailSubmit},
    {"store.v1.WatchService/Watch", kOp | kMailWatch},
    {"store.v1.WatchService/CreateConsumer", kOp | kMailWatch},
    {"store.v1.WatchService/GetConsumer", kOp | kMailWatch},
    {"store.v1.WatchService/ListConsumers", kOp | kMailWatch},
    {"store.v1.WatchService/DeleteConsumer", kOp | kMailWatch},
    {"store.v1.WatchService/AckConsumer", kOp | kMailWatch},
    {"store.v1.WatchService/ResetConsumer", kOp | kMailWatch},
    {"store.v1.KeyService/CreateKey", kOp | kAdminWrite | kWholeStore},
    {"store.v1.KeyService/GetKey", kOp | kAdminRead | kWholeStore},
    {"store.v1.KeyService/ListKeys", kOp | kAdminRead | kWholeStore},
    {"store.v1.KeyService/UpdateKey", kOp | kAdminWrite | kWholeStore},
    {"store.v1.KeyService/RotateKey", kOp | kAdminWrite | kWholeStore},
    {"store.v1.KeyService/RevokeKey", kOp | kAdminWrite | kWholeStore},
    {"store.v1.AuditService/ListAuditEntries", kOp | kAdminRead | kWholeStore},
    {"frontend.v1.AuthService/Authenticate", kSmtp | kPop},
    {"frontend.v1.AuthService/CheckSender", kSmtp},
    {"frontend.v1.AuthService/ListLoginChanges", kSmtp | kPop},
    {"frontend.v1.AuthService/CheckLogins", kSmtp | kPop},
    {"frontend.v1.DeliveryService/ResolveRecipient", kSmtp},
    {"frontend.v1.DeliveryService/Deliver", kSmtp},
    {"frontend.v1.DeliveryService/SettleDelivery", kSmtp},
    {"frontend.v1.MaildropService/OpenMaildrop", kPop, true},
    {"frontend.v1.MaildropService/ListMaildrop", kPop, true},
    {"frontend.v1.MaildropService/FetchMessage", kPop, true},
    {"frontend.v1.MaildropService/CommitMaildrop", kPop, true},
    {"frontend.v1.MaildropService/ReleaseMaildrop", kPop, true},
    {"frontend.v1.LeaseService/RenewLease", kSmtp | kPop | kRelay | kWeb},
    {"frontend.v1.LeaseService/EndLease", kSmtp | kPop | kRelay | kWeb},
    {"frontend.v1.RelayService/LeaseAttempts", kRelay},
    {"frontend.v1.RelayService/FetchQueuedMessage", kRelay},
    {"frontend.v1.RelayService/ReportAttempts", kRelay},
    {"frontend.v1.StsService/GetStsPolicy", kRelay},
    {"frontend.v1.StsService/KeepStsPolicy", kRelay},
    {"frontend.v1.SigningService/SignMessage", kRelay},
    {"frontend.v1.SigningService/ListPendingKeys", kRelay},
    {"frontend.v1.SigningService/ReportKeyRecords", kRelay},
    {"frontend.v1.TlsService/ListTicketKeys", kSmtp | kPop | kWeb},
    {"frontend.v1.WebService/FindMailDomain", kWeb},
    {"frontend.v1.TlsReportService/CountTlsSessions", kRelay},
    {"frontend.v1.TlsReportService/LeaseTlsReports", kRelay},
    {"frontend.v1.TlsReportService/FinishTlsReport", kRelay},
    {"frontend.v1.WebhookSendingService/ClaimWebhooks", kWeb},
    {"frontend.v1.WebhookSendingService/ReadWebhookEvents", kWeb},
    {"frontend.v1.WebhookSendingService/ListWebhookLanes", kWeb},
    {"frontend.v1.WebhookSendingService/ReportWebhookEvents", kWeb},
    {"frontend.v1.BatchService/Probe", kSmtp | kPop | kRelay | kWeb},
};

constexpr unsigned kCallers[] = {0, kSmtp, kPop, kRelay, kWeb, kOperator};

class WalkTest : public ApiTest {
 protected:
  // What a call with an empty request ends with: nothing is behind the door that would succeed, so that what
  // is refused for who calls and what is refused for what it says are told apart by the reason.
  // The secret of a new key.
  std::string MakeKey(const std::string& name, unsigned scopes, const std::string& domain,
                      const std::string& account = "") {
    store::v1::CreateKeyRequest request;
    request.mutable_key()->set_name(name);
    int value = 1;
    for (const ScopeName& scope : kScopeNames) {
      if ((scopes & scope.scope) != 0)
        request.mutable_key()->add_scopes(static_cast<store::v1::KeyScope>(value));
      ++value;
    }
    if (!domain.empty()) request.mutable_key()->add_domains(domain);
    if (!account.empty()) request.mutable_key()->add_accounts(account);
    const auto made = AsOperator<store::v1::CreateKeyResponse>("KeyService/CreateKey", request);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->secret() : "";
  }

  // Calls a method with a request that is about this account and domain: every field that may name one does.
  absl::Status CallAbout(const std::string& method, const std::string& secret, const std::string& account,
                         const std::string& domain) {
    const std::string name = absl::StrReplaceAll(absl::StrCat("mailstead.", method), {{"/", "."}});
    const auto* const descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
    EXPECT_NE(descriptor, nullptr) << name;
    if (descriptor == nullptr) return absl::OkStatus();
    const std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor->input_type())->New());
    Fill(*request, account, domain, /*depth=*/0);
    std::vector<store::v1::GetStatusRequest> responses;
    return CallMany(absl::StrCat("mailstead.", method), {.role = 0, .key = secret}, *request, responses);
  }

  static void Fill(google::protobuf::Message& message, const std::string& account, const std::string& domain,
                   int depth) {
    using Field = google::protobuf::FieldDescriptor;
    const auto& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const Field& field = *message.GetDescriptor()->field(i);
      const std::string& name = field.name();
      if (name == "etag" || name == "page_token" || field.real_containing_oneof() != nullptr) continue;
      const bool is_mask = field.message_type() != nullptr && field.message_type()->name() == "FieldMask";
      if (is_mask) {
        auto& mask = static_cast<google::protobuf::FieldMask&>(*reflection.MutableMessage(&message, &field));
        const std::string& of = message.GetDescriptor()->name();
        mask.add_paths(of == "UpdateDomainRequest"  ? "plus_addressing"
                       : of == "UpdateAliasRequest" ? "targets"
                                                    : "state");
      } else if (field.cpp_type() == Field::CPPTYPE_STRING && field.type() == Field::TYPE_STRING) {
        const bool is_domain = name == "domain" || name == "name" || name == "destination";
        std::string value = is_domain ? domain : name == "delivery_id" ? "delivery-of-the-walk" : account;
        if (name == "targets") value = "own@example.test";
        if (name == "selector" || name == "session_id") value = "s1";
        if (field.is_repeated()) {
          reflection.AddString(&message, &field, value);
        } else {
          reflection.SetString(&message, &field, value);
        }
      } else if (field.cpp_type() == Field::CPPTYPE_INT64) {
        if (field.is_repeated()) {
          reflection.AddInt64(&message, &field, 1);
        } else {
          reflection.SetInt64(&message, &field, name == "read_limit" || name == "read_offset" ? 0 : 1);
        }
      } else if (field.cpp_type() == Field::CPPTYPE_BOOL && name == "last") {
        reflection.SetBool(&message, &field, true);
      } else if (field.cpp_type() == Field::CPPTYPE_ENUM && !field.is_repeated()) {
        reflection.SetEnumValue(&message, &field, 1);
      } else if (field.type() == Field::TYPE_BYTES && !field.is_repeated()) {
        reflection.SetString(&message, &field, "Subject: walk\r\n\r\nhello\r\n");
      } else if (field.cpp_type() == Field::CPPTYPE_MESSAGE && depth < 3) {
        Fill(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                 : *reflection.MutableMessage(&message, &field),
             account, domain, depth + 1);
      }
    }
  }

  absl::Status Walk(const std::string& method, unsigned role) {
    std::vector<store::v1::GetStatusRequest> responses;  // read as what has no fields
    return CallMany(absl::StrCat("mailstead.", method), {.role = role, .session_id = "s"},
                    store::v1::GetStatusRequest(), responses);
  }
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, WalkTest,
                         testing::Values(TestDoor::kGrpc, TestDoor::kBatch, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(WalkTest, EveryMethodIsOpenToItsRolesAndToNoOther) {
  for (const Row& row : kTable) {
    for (const unsigned caller : kCallers) {
      const std::string reason = ReasonOf(Walk(row.method, caller));
      const std::string what = absl::StrCat(row.method, " by ", caller, ": ", reason);
      if (caller == 0) {
        EXPECT_EQ(reason, kReasonNoCredential) << what;
      } else if ((caller & row.roles) == 0) {
        EXPECT_EQ(reason, kReasonWrongRole) << what;
      } else {
        EXPECT_NE(reason, kReasonNoCredential) << what;
        EXPECT_NE(reason, kReasonWrongRole) << what;
      }
    }
  }
}

TEST_P(WalkTest, EveryMethodOfTheTableIsWalked) {
  FakeClock clock;
  ThreadExecutor executor;
  const auto engine = engine::OpenMemoryEngine();
  CoreOptions options;
  Core core(*engine, executor, clock, options);
  prometheus::Registry registry;
  Metrics metrics(registry);
  Environment environment{.core = core, .counter = metrics};
  rpc::MethodTable methods;
  AddMethods(environment, methods);
  std::map<std::string, unsigned> walked;
  for (const Row& row : kTable) walked[absl::StrCat("mailstead.", row.method)] = row.roles;
  for (const rpc::Method* const method : methods.All()) {
    EXPECT_TRUE(walked.count(method->name)) << method->name;
    EXPECT_EQ(walked[method->name], method->roles) << method->name;
    // A stranger's change is one line of audit.
    const bool changes =
        absl::StrContains(method->name, "/Create") || absl::StrContains(method->name, "/Update") ||
        absl::StrContains(method->name, "/Delete") || absl::StrContains(method->name, "/SetPassword") ||
        absl::StrContains(method->name, "/SetRoute") || absl::StrContains(method->name, "/Revoke") ||
        absl::StrContains(method->name, "/Restore") || absl::StrContains(method->name, "/Rotate") ||
        absl::StrContains(method->name, "/Activate") ||
        absl::StrContains(method->name, "/SetSendingLimits") || absl::StrContains(method->name, "/Pause") ||
        absl::StrContains(method->name, "/TestWebhook") || absl::StrContains(method->name, "/Resume") ||
        absl::StrContains(method->name, "/RetryDead") || absl::StrContains(method->name, "/BatchCreate") ||
        absl::StrContains(method->name, "/Reset") || absl::StrContains(method->name, "/DeliverMessage") ||
        absl::StrContains(method->name, "/SubmitMessage") ||
        absl::EndsWith(method->name, "/CancelSubmission") ||
        absl::EndsWith(method->name, "/ChangeQueuedMessages") ||
        absl::EndsWith(method->name, "/EndSession") || absl::EndsWith(method->name, "/ClearLockouts");
    EXPECT_EQ(method->audited, changes) << method->name;
    // A readiness probe has a call of its own, since it tests the way too.
    const bool batched = absl::StartsWith(method->name, "mailstead.frontend.v1.") &&
                         !absl::EndsWith(method->name, "BatchService/Probe");
    EXPECT_EQ(method->batched, batched) << method->name;
  }
  EXPECT_EQ(methods.All().size(), std::size(kTable));
}

// Keys with one scope and with all but one, for everything and for a domain: each opens what its scopes are for.
TEST_P(WalkTest, AKeyOpensWhatItsScopesAreFor) {
  struct Walked {
    unsigned scopes;
    bool all;
    std::string secret;
  };
  std::vector<Walked> keys;
  for (const ScopeName& scope : kScopeNames) {
    for (const unsigned scopes : {unsigned{scope.scope}, kAllScopes & ~unsigned{scope.scope}}) {
      for (const bool all : {true, false}) {
        keys.push_back(
            {scopes, all, MakeKey(absl::StrCat("walk", keys.size()), scopes, all ? "" : "example.test")});
      }
    }
  }
  for (const Row& row : kTable) {
    for (const Walked& key : keys) {
      std::vector<store::v1::GetStatusRequest> responses;
      const absl::Status status =
          CallMany(absl::StrCat("mailstead.", row.method), {.role = 0, .key = key.secret, .session_id = "s"},
                   store::v1::GetStatusRequest(), responses);
      const std::string reason = ReasonOf(status);
      const std::string what =
          absl::StrCat(row.method, " with ", key.scopes, key.all ? " for all: " : " for a domain: ", reason);
      if ((row.roles & kAllScopes) == 0) {
        EXPECT_EQ(reason, kReasonWrongRole) << what;
      } else if ((row.roles & key.scopes) == 0) {
        EXPECT_EQ(reason, kReasonScopeMissing) << what;
      } else if ((row.roles & kWholeStore) != 0 && !key.all) {
        EXPECT_EQ(reason, kReasonKeyRestricted) << what;
      } else {
        for (const absl::string_view refusal : {kReasonNoCredential, kReasonWrongRole, kReasonScopeMissing}) {
          EXPECT_NE(reason, refusal) << what;
        }
      }
    }
  }
}

// What a key may not see it hears of in the very words of what is not there.
TEST_P(WalkTest, WhatAKeyMayNotSeeIsToldLikeWhatIsNotThere) {
  store::v1::CreateDomainRequest domain;
  domain.mutable_domain()->set_name("foreign.test");
  ASSERT_TRUE(AsOperator<store::v1::Domain>("DirectoryService/CreateDomain", domain).ok());
  const int64_t own = AddAccount("own@example.test", "secret");
  const int64_t foreign = AddAccount("box@foreign.test", "secret");
  Deliver(own, "delivery-to-own-box", "mine");
  Deliver(foreign, "delivery-to-foreign-1", "theirs");
  store::v1::CreateAliasRequest alias;
  alias.mutable_alias()->set_address("list@foreign.test");
  alias.mutable_alias()->add_targets("box@foreign.test");
  ASSERT_TRUE(AsOperator<store::v1::Alias>("DirectoryService/CreateAlias", alias).ok());

  const std::string of_domain = MakeKey("of-domain", kAllScopes, "example.test");
  const std::string of_account = MakeKey("of-account", kAllScopes, "", "own@example.test");
  int told = 0;
  for (const Row& row : kTable) {
    if ((row.roles & kAllScopes) == 0 || (row.roles & kWholeStore) != 0) continue;
    for (const std::string& secret : {of_domain, of_account}) {
      for (const char* const local_part : {"box", "list"}) {
        const auto call = [&](const std::string& name) {
          const absl::Status status =
              CallAbout(row.method, secret, absl::StrCat(local_part, "@", name), name);
          return absl::StrCat(absl::StatusCodeToString(status.code()), " ", ReasonOf(status), " ",
                              FieldOf(status), " ", absl::StrReplaceAll(status.message(), {{name, "NAME"}}));
        };
        const std::string hidden = call("foreign.test");
        EXPECT_EQ(hidden, call("missing.test")) << row.method;
        if (absl::StartsWith(hidden, "NOT_FOUND")) ++told;
        // By its id as well.
        if (std::string(local_part) == "list") continue;
        const auto by_id = [&](int64_t id) {
          const absl::Status status = CallAbout(row.method, secret, absl::StrCat(id), "missing.test");
          return absl::StrCat(absl::StatusCodeToString(status.code()), " ", ReasonOf(status), " ",
                              absl::StrReplaceAll(status.message(), {{absl::StrCat(id), "ID"}}));
        };
        EXPECT_EQ(by_id(foreign), by_id(987654)) << row.method;
      }
    }
  }
  EXPECT_GE(told, 60) << "most methods came as far as that";
  // And it is all as it was.
  store::v1::GetAccountRequest get;
  get.set_account("box@foreign.test");
  const auto account = AsOperator<store::v1::Account>("DirectoryService/GetAccount", get);
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->usage().messages(), 1);
}

// A pop caller sees the mailbox of its grant, and with no grant, a forged one or that of another account none
// else.
TEST_P(WalkTest, AGrantOpensItsOwnMailboxOnly) {
  namespace v1 = frontend::v1;
  const int64_t own = AddAccount("own@example.test", "secret");
  const int64_t foreign = AddAccount("foreign@example.test", "secret");
  Deliver(own, "delivery-to-own-box", "mine");
  Deliver(foreign, "delivery-to-foreign-1", "theirs");
  Deliver(foreign, "delivery-to-foreign-2", "theirs");
  RenewLease();
  const v1::Verdict mine = LogIn("own@example.test", "secret", "s", kLease);
  const v1::Verdict theirs = LogIn("foreign@example.test", "secret", "t", kLease);
  ASSERT_TRUE(mine.has_maildrop());
  ASSERT_TRUE(theirs.has_maildrop());
  std::string forged = mine.grant();
  forged[8] = static_cast<char>(foreign);

  const auto call = [&](const std::string& method, const std::string& grant, const std::string& session) {
    v1::OpenMaildropRequest open;
    open.set_grant(grant);
    open.set_lease_id(kLease);
    v1::ListMaildropRequest list;
    list.set_grant(grant);
    list.set_page_token(std::string(16, '\0'));
    v1::FetchMessageRequest fetch;
    fetch.set_grant(grant);
    fetch.set_message_id(2);
    v1::CommitMaildropRequest commit;
    commit.set_grant(grant);
    commit.set_token(theirs.maildrop().token());
    commit.add_message_ids(2);
    v1::ReleaseMaildropRequest release;
    release.set_grant(grant);
    if (method == "OpenMaildrop") {
      return AsPop<v1::OpenMaildropResponse>("MaildropService/OpenMaildrop", session, open).status();
    }
    if (method == "ListMaildrop") {
      return AsPop<v1::ListMaildropResponse>("MaildropService/ListMaildrop", session, list).status();
    }
    if (method == "FetchMessage") {
      std::vector<v1::FetchMessageResponse> pieces;
      return CallMany("mailstead.frontend.v1.MaildropService/FetchMessage",
                      {.role = kPop, .session_id = session}, fetch, pieces);
    }
    if (method == "CommitMaildrop") {
      return AsPop<v1::CommitMaildropResponse>("MaildropService/CommitMaildrop", session, commit).status();
    }
    return AsPop<v1::ReleaseMaildropResponse>("MaildropService/ReleaseMaildrop", session, release).status();
  };

  const std::vector<std::string> methods = {"OpenMaildrop", "ListMaildrop", "FetchMessage", "CommitMaildrop",
                                            "ReleaseMaildrop"};
  for (const std::string& method : methods) {
    EXPECT_EQ(FieldOf(call(method, "", "s")), "grant") << method;
    EXPECT_EQ(ReasonOf(call(method, "no grant", "s")), kReasonGrantInvalid) << method;
    EXPECT_EQ(ReasonOf(call(method, forged, "s")), kReasonGrantInvalid) << method;
    EXPECT_EQ(ReasonOf(call(method, forged, "t")), kReasonGrantInvalid) << method;
  }
  // With one's own grant and the other's session, message or token: nothing of the other's.
  EXPECT_EQ(ReasonOf(call("OpenMaildrop", mine.grant(), "t")), kReasonGrantInvalid);
  EXPECT_EQ(ReasonOf(call("FetchMessage", mine.grant(), "t")), kReasonMessageNotFound)
      << "message 2 is the other's";
  EXPECT_EQ(ReasonOf(call("CommitMaildrop", mine.grant(), "t")), kReasonGrantInvalid);
  EXPECT_EQ(ReasonOf(call("ReleaseMaildrop", mine.grant(), "t")), kReasonGrantInvalid);
  ASSERT_TRUE(call("ReleaseMaildrop", mine.grant(), "s").ok());
  // The other's maildrop is as it was.
  EXPECT_TRUE(call("FetchMessage", theirs.grant(), "t").ok());
  EXPECT_TRUE(call("ListMaildrop", theirs.grant(), "t").ok());
  EXPECT_TRUE(call("CommitMaildrop", theirs.grant(), "t").ok());
  EXPECT_EQ(ReasonOf(call("FetchMessage", theirs.grant(), "t")), kReasonMessageNotFound) << "it was deleted";
}

}  // namespace
}  // namespace mailstead::stored
