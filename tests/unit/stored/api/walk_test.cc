// Every method by every caller, on the caller's own mailbox and on another's, against one table.
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/rpc/server/method_table.h"
#include "stored/api/environment.h"
#include "stored/api/methods.h"
#include "stored/api/metrics.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

struct Row {
  // "frontend.v1.MaildropService/FetchMessage"
  const char* method;
  // The roles that may call it.
  unsigned roles;
  // Whether it needs a grant, which decides whose mailbox it is.
  bool needs_grant = false;
};

constexpr Row kTable[] = {
    {"store.v1.DirectoryService/CreateDomain", kOperator},
    {"store.v1.DirectoryService/GetDomain", kOperator},
    {"store.v1.DirectoryService/ListDomains", kOperator},
    {"store.v1.DirectoryService/UpdateDomain", kOperator},
    {"store.v1.DirectoryService/DeleteDomain", kOperator},
    {"store.v1.DirectoryService/CreateAccount", kOperator},
    {"store.v1.DirectoryService/BatchCreateAccounts", kOperator},
    {"store.v1.DirectoryService/GetAccount", kOperator},
    {"store.v1.DirectoryService/ListAccounts", kOperator},
    {"store.v1.DirectoryService/UpdateAccount", kOperator},
    {"store.v1.DirectoryService/SetPassword", kOperator},
    {"store.v1.DirectoryService/DeleteAccount", kOperator},
    {"store.v1.DirectoryService/CreateAlias", kOperator},
    {"store.v1.DirectoryService/GetAlias", kOperator},
    {"store.v1.DirectoryService/ListAliases", kOperator},
    {"store.v1.DirectoryService/UpdateAlias", kOperator},
    {"store.v1.DirectoryService/DeleteAlias", kOperator},
    {"store.v1.DirectoryService/ResolveAddress", kOperator},
    {"store.v1.MessageService/DeliverMessage", kOperator},
    {"store.v1.MessageService/DeliverMessageStream", kOperator},
    {"store.v1.MessageService/GetMessage", kOperator},
    {"store.v1.MessageService/BatchGetMessages", kOperator},
    {"store.v1.MessageService/ListMessages", kOperator},
    {"store.v1.MessageService/FetchMessage", kOperator},
    {"store.v1.MessageService/DeleteMessages", kOperator},
    {"store.v1.AdminService/GetStatus", kOperator},
    {"store.v1.AdminService/VerifyMessages", kOperator},
    {"store.v1.AdminService/ListSessions", kOperator},
    {"store.v1.AdminService/EndSession", kOperator},
    {"store.v1.AdminService/ListLockouts", kOperator},
    {"store.v1.AdminService/ClearLockouts", kOperator},
    {"store.v1.BackupService/CreateBackup", kOperator},
    {"store.v1.BackupService/ListBackups", kOperator},
    {"store.v1.BackupService/VerifyBackup", kOperator},
    {"store.v1.BackupService/DeleteBackup", kOperator},
    {"store.v1.RouteService/SetRoute", kOperator},
    {"store.v1.RouteService/GetRoute", kOperator},
    {"store.v1.RouteService/ListRoutes", kOperator},
    {"store.v1.RouteService/DeleteRoute", kOperator},
    {"store.v1.DkimService/CreateDkimKey", kOperator},
    {"store.v1.DkimService/ListDkimKeys", kOperator},
    {"store.v1.DkimService/RotateDkimKeys", kOperator},
    {"store.v1.DkimService/ActivateDkimKey", kOperator},
    {"store.v1.DkimService/DeleteDkimKey", kOperator},
    {"store.v1.SendingService/GetSending", kOperator},
    {"store.v1.SendingService/SetSendingLimits", kOperator},
    {"store.v1.SendingService/PauseSending", kOperator},
    {"store.v1.SendingService/ResumeSending", kOperator},
    {"store.v1.SubmissionService/SubmitMessage", kOperator},
    {"store.v1.SubmissionService/SubmitMessageStream", kOperator},
    {"store.v1.SubmissionService/GetSubmission", kOperator},
    {"store.v1.SubmissionService/ListSubmissions", kOperator},
    {"store.v1.SubmissionService/CancelSubmission", kOperator},
    {"store.v1.SrsService/RotateSrsSecret", kOperator},
    {"store.v1.SrsService/ListSrsSecrets", kOperator},
    {"store.v1.SrsService/DecodeSrsAddress", kOperator},
    {"store.v1.QueueService/ListQueuedMessages", kOperator},
    {"store.v1.QueueService/GetQueuedMessage", kOperator},
    {"store.v1.QueueService/ChangeQueuedMessages", kOperator},
    {"store.v1.QueueService/ListDestinations", kOperator},
    {"store.v1.QueueService/GetQueueStatus", kOperator},
    {"store.v1.WatchService/Watch", kOperator},
    {"store.v1.WatchService/CreateConsumer", kOperator},
    {"store.v1.WatchService/GetConsumer", kOperator},
    {"store.v1.WatchService/ListConsumers", kOperator},
    {"store.v1.WatchService/DeleteConsumer", kOperator},
    {"store.v1.WatchService/AckConsumer", kOperator},
    {"store.v1.WatchService/ResetConsumer", kOperator},
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
    {"frontend.v1.LeaseService/RenewLease", kSmtp | kPop | kRelay},
    {"frontend.v1.LeaseService/EndLease", kSmtp | kPop | kRelay},
    {"frontend.v1.RelayService/LeaseAttempts", kRelay},
    {"frontend.v1.RelayService/FetchQueuedMessage", kRelay},
    {"frontend.v1.RelayService/ReportAttempts", kRelay},
    {"frontend.v1.StsService/GetStsPolicy", kRelay},
    {"frontend.v1.StsService/KeepStsPolicy", kRelay},
    {"frontend.v1.SigningService/SignMessage", kRelay},
    {"frontend.v1.SigningService/ListPendingKeys", kRelay},
    {"frontend.v1.SigningService/ReportKeyRecords", kRelay},
    {"frontend.v1.TlsService/ListTicketKeys", kSmtp | kPop},
    {"frontend.v1.TlsReportService/CountTlsSessions", kRelay},
    {"frontend.v1.TlsReportService/LeaseTlsReports", kRelay},
    {"frontend.v1.TlsReportService/FinishTlsReport", kRelay},
    {"frontend.v1.BatchService/Probe", kSmtp | kPop | kRelay},
};

constexpr unsigned kCallers[] = {0, kSmtp, kPop, kRelay, kOperator};

class WalkTest : public ApiTest {
 protected:
  // What a call with an empty request ends with: nothing is behind the door that would succeed, so that what
  // is refused for who calls and what is refused for what it says are told apart by the reason.
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
        absl::StrContains(method->name, "/SetRoute") || absl::StrContains(method->name, "/Rotate") ||
        absl::StrContains(method->name, "/Activate") || absl::StrContains(method->name, "/SetSendingLimits") ||
        absl::StrContains(method->name, "/PauseSending") || absl::StrContains(method->name, "/ResumeSending") ||
        absl::StrContains(method->name, "/BatchCreate") || absl::StrContains(method->name, "/DeliverMessage") ||
        absl::StrContains(method->name, "/SubmitMessage") || absl::EndsWith(method->name, "/CancelSubmission") ||
        absl::EndsWith(method->name, "/ChangeQueuedMessages") || absl::EndsWith(method->name, "/EndSession") || absl::EndsWith(method->name, "/ClearLockouts");
    EXPECT_EQ(method->audited, changes) << method->name;
    // A readiness probe has a call of its own, since it tests the way too.
    const bool batched = absl::StartsWith(method->name, "mailstead.frontend.v1.") &&
                         !absl::EndsWith(method->name, "BatchService/Probe");
    EXPECT_EQ(method->batched, batched) << method->name;
  }
  EXPECT_EQ(methods.All().size(), std::size(kTable));
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
