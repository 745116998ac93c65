#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

class AdminApiTest : public ApiTest {
 protected:
  std::vector<v1::VerifyMessagesResponse> Verify(const std::string& account, absl::Status* status) {
    v1::VerifyMessagesRequest request;
    request.set_account(account);
    std::vector<v1::VerifyMessagesResponse> responses;
    *status =
        CallMany("mailstead.store.v1.AdminService/VerifyMessages", {.role = kOperator}, request, responses);
    return responses;
  }
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, AdminApiTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(AdminApiTest, Status) {
  AddAccount("a@example.test");
  const auto status = AsOperator<v1::GetStatusResponse>("AdminService/GetStatus", v1::GetStatusRequest());
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->version(), "1.2.3");
  EXPECT_EQ(status->engine(), "memory");
  EXPECT_EQ(status->health(), v1::HEALTH_SERVING);
  EXPECT_EQ(status->domain_count(), 1);
  EXPECT_EQ(status->account_count(), 1);
  EXPECT_GT(status->start_time().seconds(), 1'700'000'000);
  EXPECT_NE(status->incarnation(), "");
}

TEST_P(AdminApiTest, VerifyNamesEveryDamagedMessageAndThenTheTotals) {
  const int64_t a = AddAccount("a@example.test");
  const int64_t b = AddAccount("b@example.test");
  for (int i = 0; i < 3; ++i) {
    Deliver(a, absl::StrCat("delivery-to-a-no-", i), "hello");
    Deliver(b, absl::StrCat("delivery-to-b-no-", i), "hello");
  }
  absl::Status status;
  auto responses = Verify("", &status);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].summary().checked_count(), 6);
  EXPECT_EQ(responses[0].summary().damaged_count(), 0);

  store_->Damage(AccountId{b}, MessageId{2});
  store_->Damage(AccountId{b}, MessageId{3});
  responses = Verify("", &status);
  ASSERT_TRUE(status.ok());
  ASSERT_EQ(responses.size(), 3u);
  EXPECT_EQ(responses[0].damage().account_id(), absl::StrCat(b));
  EXPECT_EQ(responses[0].damage().message_id() + responses[1].damage().message_id(), 5);
  EXPECT_EQ(responses[0].damage().error().code(), static_cast<int>(grpc::StatusCode::DATA_LOSS));
  EXPECT_NE(responses[0].damage().error().message(), "");
  EXPECT_EQ(responses[2].summary().checked_count(), 6);
  EXPECT_EQ(responses[2].summary().damaged_count(), 2);

  responses = Verify("a@example.test", &status);
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].summary().checked_count(), 3);
  EXPECT_EQ(Verify(absl::StrCat(a), &status).size(), 1u);
  Verify("999", &status);
  EXPECT_EQ(ReasonOf(status), kReasonAccountNotFound);
}

TEST_P(AdminApiTest, SessionsAreListedAndEnded) {
  in_use_wait_ = absl::Milliseconds(10);
  Restart();
  RenewLease();
  const int64_t a = AddAccount("a@example.test", "pw");
  AddAccount("b@example.test", "pw");
  AddAccount("c@example.test", "pw");
  Deliver(a, "delivery-number-1", "hello");
  const frontend::v1::Verdict of_a = LogIn("a@example.test", "pw", "session-a", kLease);
  ASSERT_TRUE(of_a.has_maildrop());
  ASSERT_TRUE(LogIn("c@example.test", "pw", "session-c", kLease).has_maildrop());

  const auto list = [&](int page_size, const std::string& token, const std::string& account = "") {
    v1::ListSessionsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    request.set_account(account);
    return AsOperator<v1::ListSessionsResponse>("AdminService/ListSessions", request);
  };
  const auto page = list(1, "");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->sessions_size(), 1);
  const v1::Session& session = page->sessions(0);
  EXPECT_EQ(session.session_id(), "session-a");
  EXPECT_EQ(session.account_id(), absl::StrCat(a));
  EXPECT_EQ(session.address(), "a@example.test");
  EXPECT_EQ(session.client_address(), "192.0.2.1");
  EXPECT_EQ(session.holder(), "test");
  EXPECT_EQ(session.lease_id(), kLease);
  EXPECT_EQ(session.open_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  const auto next = list(1, page->next_page_token());
  ASSERT_TRUE(next.ok()) << next.status();
  ASSERT_EQ(next->sessions_size(), 1);
  EXPECT_EQ(next->sessions(0).session_id(), "session-c");
  EXPECT_EQ(next->next_page_token(), "");
  EXPECT_EQ(FieldOf(list(1, "nonsense").status()), "page_token");
  EXPECT_EQ(FieldOf(list(-1, "").status()), "page_size");
  EXPECT_EQ(list(0, "", "c@example.test")->sessions_size(), 1);
  EXPECT_EQ(list(0, "", "b@example.test")->sessions_size(), 0);
  EXPECT_EQ(ReasonOf(list(0, "", "nobody@example.test").status()), kReasonAccountNotFound);

  const auto end = [&](const std::string& account, const std::string& session_id) {
    v1::EndSessionRequest request;
    request.set_account(account);
    request.set_session_id(session_id);
    return AsOperator<v1::EndSessionResponse>("AdminService/EndSession", request);
  };
  frontend::v1::ListLoginChangesRequest changes;
  changes.set_cursor(
      AsPop<frontend::v1::ListLoginChangesResponse>("AuthService/ListLoginChanges", "", changes)->cursor());
  EXPECT_EQ(ReasonOf(end("nobody@example.test", "").status()), kReasonAccountNotFound);
  EXPECT_EQ(ReasonOf(end("b@example.test", "").status()), kReasonSessionNotFound);
  EXPECT_EQ(ReasonOf(end("a@example.test", "session-c").status()), kReasonSessionNotFound);
  EXPECT_EQ(FieldOf(end("a@example.test", "a\nb").status()), "session_id");
  const auto ended = end(absl::StrCat(a), "session-a");
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->session().session_id(), "session-a");
  EXPECT_EQ(ended->session().address(), "a@example.test");
  EXPECT_EQ(list(0, "")->sessions_size(), 1);

  // Its front-end hears of it, and can do nothing with it any more.
  const auto changed =
      AsPop<frontend::v1::ListLoginChangesResponse>("AuthService/ListLoginChanges", "", changes);
  ASSERT_EQ(changed->account_ids_size(), 1);
  EXPECT_EQ(changed->account_ids(0), a);
  frontend::v1::CheckLoginsRequest check;
  check.add_grants("no grant");
  check.add_grants(of_a.grant());
  check.add_grants(LogIn("a@example.test", "pw", "session-a-2").grant());
  const auto checked = AsPop<frontend::v1::CheckLoginsResponse>("AuthService/CheckLogins", "", check);
  EXPECT_THAT(checked->ended(), testing::ElementsAre(0, 1));
  EXPECT_THAT(checked->sessions_ended(), testing::ElementsAre(1));
  frontend::v1::CommitMaildropRequest commit;
  commit.set_grant(of_a.grant());
  commit.set_token(of_a.maildrop().token());
  commit.add_message_ids(1);
  EXPECT_EQ(ReasonOf(AsPop<frontend::v1::CommitMaildropResponse>("MaildropService/CommitMaildrop",
                                                                 "session-a", commit)
                         .status()),
            kReasonSessionEnded);
  frontend::v1::ReleaseMaildropRequest release;
  release.set_grant(of_a.grant());
  EXPECT_TRUE(
      AsPop<frontend::v1::ReleaseMaildropResponse>("MaildropService/ReleaseMaildrop", "session-a", release)
          .ok());

  // Without its name, and of one that came after a restart: its token alone does not delete.
  ASSERT_TRUE(LogIn("a@example.test", "pw", "session-a-3", kLease).has_maildrop());
  EXPECT_EQ(end("a@example.test", "")->session().session_id(), "session-a-3");
  EXPECT_EQ(ReasonOf(end("a@example.test", "").status()), kReasonSessionNotFound);
  Restart();
  EXPECT_EQ(ReasonOf(AsPop<frontend::v1::CommitMaildropResponse>("MaildropService/CommitMaildrop",
                                                                 "session-a", commit)
                         .status()),
            kReasonFenced);
}

TEST_P(AdminApiTest, LockoutsAreListedAndCleared) {
  AddAccount("a@example.test", "pw");
  for (int i = 0; i < 5; ++i) LogIn("A@example.test", absl::StrCat("wrong-", i), "s");
  const auto list = [&](int page_size, const std::string& token) {
    v1::ListLockoutsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    return AsOperator<v1::ListLockoutsResponse>("AdminService/ListLockouts", request);
  };
  const auto page = list(1, "");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->lockouts_size(), 1);
  const v1::Lockout& lockout = page->lockouts(0);
  EXPECT_EQ(lockout.scope(), v1::Lockout::SCOPE_ACCOUNT_IN_NETWORK);
  EXPECT_EQ(lockout.account(), "a@example.test");
  EXPECT_EQ(lockout.network(), "192.0.2.1");
  EXPECT_EQ(lockout.state(), v1::Lockout::STATE_LOCKED_OUT);
  EXPECT_EQ(lockout.failure_count(), 5);
  EXPECT_EQ(lockout.end_time().seconds(), absl::ToUnixSeconds(clock_.Now() + absl::Minutes(10)));
  const auto last = list(1, page->next_page_token());
  ASSERT_TRUE(last.ok()) << last.status();
  ASSERT_EQ(last->lockouts_size(), 1);
  EXPECT_EQ(last->lockouts(0).scope(), v1::Lockout::SCOPE_ACCOUNT);
  EXPECT_EQ(last->lockouts(0).network(), "");
  EXPECT_EQ(last->lockouts(0).state(), v1::Lockout::STATE_DELAYED);
  EXPECT_EQ(last->next_page_token(), "");
  EXPECT_EQ(FieldOf(list(1, "nonsense").status()), "page_token");
  EXPECT_EQ(FieldOf(list(-1, "").status()), "page_size");

  const auto clear = [&](const std::string& account, const std::string& network) {
    v1::ClearLockoutsRequest request;
    request.set_account(account);
    request.set_network(network);
    return AsOperator<v1::ClearLockoutsResponse>("AdminService/ClearLockouts", request);
  };
  EXPECT_EQ(FieldOf(clear("", "").status()), "account");
  EXPECT_EQ(FieldOf(clear("", "example.test").status()), "network");
  EXPECT_EQ(ReasonOf(clear("b@example.test", "").status()), kReasonLockoutNotFound);
  EXPECT_EQ(ReasonOf(clear("", "192.0.2.2").status()), kReasonLockoutNotFound);
  EXPECT_NE(LogIn("a@example.test", "pw", "s").result(), frontend::v1::Verdict::RESULT_OK);
  const auto cleared = clear("A@Example.Test", "192.0.2.1");
  ASSERT_TRUE(cleared.ok()) << cleared.status();
  EXPECT_EQ(cleared->lockout_count(), 1);
  EXPECT_EQ(LogIn("a@example.test", "pw", "s").result(), frontend::v1::Verdict::RESULT_OK);
  EXPECT_EQ(list(0, "")->lockouts_size(), 1);
  EXPECT_EQ(clear("a@example.test", "")->lockout_count(), 0) << "late answers only";
  EXPECT_EQ(list(0, "")->lockouts_size(), 0);
}

TEST_P(AdminApiTest, AnEngineInMemoryHasNoBackups) {
  std::vector<v1::CreateBackupResponse> created;
  v1::CreateBackupRequest create;
  create.set_name("a");
  EXPECT_TRUE(absl::IsUnimplemented(
      CallMany("mailstead.store.v1.BackupService/CreateBackup", {.role = kOperator}, create, created)));
  std::vector<v1::VerifyBackupResponse> verified;
  v1::VerifyBackupRequest verify;
  verify.set_name("a");
  EXPECT_TRUE(absl::IsUnimplemented(
      CallMany("mailstead.store.v1.BackupService/VerifyBackup", {.role = kOperator}, verify, verified)));
  v1::DeleteBackupRequest remove;
  remove.set_name("a");
  EXPECT_TRUE(absl::IsUnimplemented(
      AsOperator<v1::DeleteBackupResponse>("BackupService/DeleteBackup", remove).status()));
  EXPECT_TRUE(absl::IsUnimplemented(
      AsOperator<v1::ListBackupsResponse>("BackupService/ListBackups", v1::ListBackupsRequest()).status()));
  EXPECT_TRUE(
      absl::IsPermissionDenied(Call<v1::ListBackupsResponse>("mailstead.store.v1.BackupService/ListBackups",
                                                             {.role = kPop}, v1::ListBackupsRequest())
                                   .status()));
}

TEST_P(AdminApiTest, MetricsCountCallsByMethodAndCode) {
  const int64_t account = AddAccount("a@example.test");
  for (int i = 0; i < 2; ++i) Deliver(account, "0123456789abcdef", "hello");
  const auto refused = Call<v1::GetStatusResponse>("mailstead.store.v1.AdminService/GetStatus",
                                                   {.role = kSmtp}, v1::GetStatusRequest());
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status()));
  const std::string text = MetricsText();
  // Methods of mailstead.store.v1 come by a call of their own where others come in a batch.
  const std::string own = GetParam() == TestDoor::kInProcess ? "in_process" : "grpc";
  for (const std::string& line :
       {absl::StrCat("mailstead_store_calls_total{code=\"OK\",door=\"", own,
                     "\",method=\"DeliveryService/Deliver\"} 2"),
        absl::StrCat("mailstead_store_calls_total{code=\"PERMISSION_DENIED\",door=\"", own,
                     "\",method=\"AdminService/GetStatus\"} 1"),
        std::string("mailstead_store_call_seconds_count{method=\"DeliveryService/Deliver\"} 2"),
        std::string("mailstead_store_deliveries_total 1"),
        std::string("mailstead_store_repeated_deliveries_total 1"),
        std::string("mailstead_store_delivered_bytes_total 7"),
        std::string("mailstead_store_logins_total{result=\"ok\"} 0")}) {
    EXPECT_TRUE(absl::StrContains(text, line)) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace mailstead::stored
