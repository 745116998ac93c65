#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/sasl/step.h"
#include "common/store/revision.h"
#include "mailstead/frontend/v1/tls.pb.h"
#include "tests/unit/stored/api/api_fixture.h"
#include "tests/unit/stored/sasl_client.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

constexpr char kUser[] = "demo@example.test";
constexpr char kPassword[] = "correct horse";
constexpr char kAuthenticate[] = "mailstead.frontend.v1.AuthService/Authenticate";
const std::string kExporter(32, '\x5a');

class AuthApiTest : public ApiTest {
 protected:
  AuthApiTest() : account_(AddAccount(kUser, kPassword)) {}

  static v1::AuthenticateRequest Start(const std::string& mechanism) {
    v1::AuthenticateRequest request;
    v1::AuthenticateStart& start = *request.mutable_start();
    start.set_mechanism(mechanism);
    start.set_client_address("192.0.2.1");
    return request;
  }

  static v1::AuthenticateRequest StartPlain(const std::string& user, const std::string& password) {
    v1::AuthenticateRequest request = Start("PLAIN");
    request.mutable_start()->set_initial_response(sasl::PlainMessage(user, password));
    return request;
  }

  std::unique_ptr<Dialog> OpenDialog() {
    return Open(kAuthenticate, {.role = kSmtp, .session_id = "session"});
  }

  // A whole exchange with a client of libgsasl.
  v1::Verdict LogInBy(const std::string& mechanism, const std::string& password,
                      const std::string& client_exporter = "", const std::string& server_exporter = "") {
    SaslClient client(mechanism.c_str(), kUser, password, client_exporter);
    const auto dialog = OpenDialog();
    v1::AuthenticateRequest request = Start(mechanism);
    request.mutable_start()->set_tls_exporter(server_exporter);
    if (mechanism != "LOGIN") request.mutable_start()->set_initial_response(client.Step(""));
    v1::AuthenticateResponse response;
    for (;;) {
      EXPECT_TRUE(dialog->Write(request));
      if (!dialog->Read(response)) break;
      if (response.has_verdict()) break;
      request.Clear();
      request.set_response(client.Step(response.challenge()));
    }
    const absl::Status status = dialog->Finish();
    EXPECT_TRUE(status.ok()) << status;
    return response.verdict();
  }

  // By a call with one step, as front-ends log in by PLAIN.
  v1::Verdict LogInPlain(const std::string& user, const std::string& password) {
    const auto response = Call<v1::AuthenticateResponse>(
        kAuthenticate, {.role = kSmtp, .session_id = "session"}, StartPlain(user, password));
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->verdict() : v1::Verdict();
  }

  // What an exchange that begins with this ends with.
  absl::Status FailureOf(const v1::AuthenticateRequest& request) {
    return Call<v1::AuthenticateResponse>(kAuthenticate, {.role = kSmtp}, request).status();
  }

  const int64_t account_;
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, AuthApiTest,
                         testing::Values(TestDoor::kGrpc, TestDoor::kBatch, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(AuthApiTest, EveryMechanism) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    const std::string exporter = absl::EndsWith(mechanism, "-PLUS") ? kExporter : "";
    const v1::Verdict verdict = LogInBy(mechanism, kPassword, exporter, exporter);
    EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_OK) << mechanism;
    EXPECT_EQ(verdict.address(), kUser) << mechanism;
    EXPECT_EQ(verdict.account_id(), account_) << mechanism;
    EXPECT_NE(verdict.grant(), "") << "for what is submitted";
  }
  EXPECT_EQ(LogInBy("SCRAM-SHA-256", "wrong").result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(LogInBy("SCRAM-SHA-256-PLUS", kPassword, kExporter, std::string(32, 'x')).result(),
            v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(LogInBy("SCRAM-SHA-256-PLUS", kPassword, kExporter, "").result(),
            v1::Verdict::RESULT_UNSUPPORTED_MECHANISM);
}

TEST_P(AuthApiTest, AWrongPasswordIsAnsweredLateAndTellsNothing) {
  // The time comes from the store's clock, which stands: the whole delay is left.
  const absl::Time begin = absl::Now();
  const v1::Verdict verdict = LogInPlain(kUser, "wrong");
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(200));
  EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(verdict.address(), "");
  EXPECT_EQ(verdict.account_id(), 0);
  const v1::Verdict unknown = LogInPlain("nobody@example.test", "wrong");
  EXPECT_EQ(unknown.SerializeAsString(), verdict.SerializeAsString());
}

TEST_P(AuthApiTest, WaitingAnswersHoldNoThread) {
  if (GetParam() != TestDoor::kGrpc) return;  // the other doors have one test thread for one call
  // Many more than the pool has threads, all delayed by 200 ms: one after another they would take 8 s.
  std::vector<std::unique_ptr<Dialog>> dialogs;
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 40; ++i) {
    dialogs.push_back(OpenDialog());
    ASSERT_TRUE(dialogs.back()->Write(StartPlain(absl::StrCat(i, "@example.test"), "wrong")));
  }
  for (const auto& dialog : dialogs) {
    v1::AuthenticateResponse response;
    EXPECT_TRUE(dialog->Read(response));
    EXPECT_EQ(response.verdict().result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
    EXPECT_TRUE(dialog->Finish().ok());
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(7));
}

TEST_P(AuthApiTest, AClientThatGivesUpAborts) {
  v1::AuthenticateResponse response;
  absl::Status status;
  if (GetParam() == TestDoor::kGrpc) {
    const auto dialog = OpenDialog();
    ASSERT_TRUE(dialog->Write(Start("LOGIN")));
    ASSERT_TRUE(dialog->Read(response));
    EXPECT_EQ(response.challenge(), "Username:");
    dialog->WritesDone();
    EXPECT_FALSE(dialog->Read(response));
    status = dialog->Finish();
  } else {
    // A call of one step that would need more.
    std::vector<v1::AuthenticateResponse> responses;
    status = CallMany(kAuthenticate, {.role = kSmtp}, Start("LOGIN"), responses);
  }
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonExchangeAbandoned);
}

TEST_P(AuthApiTest, ACancelledExchangeEndsWhileItWaits) {
  const auto dialog = OpenDialog();
  ASSERT_TRUE(dialog->Write(StartPlain(kUser, "wrong")));
  absl::SleepFor(absl::Milliseconds(50));  // it waits for its answer's time now
  dialog->Cancel();
  EXPECT_TRUE(absl::IsCancelled(dialog->Finish()));
}

TEST_P(AuthApiTest, FieldsAreNamed) {
  EXPECT_EQ(FieldOf(FailureOf({})), "start");
  v1::AuthenticateRequest request;
  request.set_response("x");
  EXPECT_EQ(FieldOf(FailureOf(request)), "start");
  request = StartPlain(kUser, kPassword);
  request.mutable_start()->set_client_address("somewhere");
  EXPECT_EQ(FieldOf(FailureOf(request)), "start.client_address");
  const auto dialog = OpenDialog();
  v1::AuthenticateResponse response;
  ASSERT_TRUE(dialog->Write(Start("LOGIN")));
  ASSERT_TRUE(dialog->Read(response));
  ASSERT_TRUE(dialog->Write(Start("LOGIN")));
  EXPECT_FALSE(dialog->Read(response));
  EXPECT_EQ(FieldOf(dialog->Finish()), "response");
}

TEST_P(AuthApiTest, CheckSender) {
  const auto ask = [&](const std::string& sender) {
    v1::CheckSenderRequest request;
    request.set_account(kUser);
    request.set_sender(sender);
    return AsSmtp<v1::CheckSenderResponse>("AuthService/CheckSender", request);
  };
  EXPECT_TRUE(ask(kUser)->allowed());
  EXPECT_TRUE(ask("demo+tag@example.test")->allowed());
  EXPECT_FALSE(ask("other@example.test")->allowed());
  EXPECT_EQ(FieldOf(ask("nobody").status()), "sender");
}

TEST_P(AuthApiTest, ASubmissionEndsWithItsLogin) {
  const std::string grant = LogInPlain(kUser, kPassword).grant();
  const auto check_sender = [&](const std::string& given, const std::string& session) {
    v1::CheckSenderRequest request;
    request.set_account(kUser);
    request.set_sender(kUser);
    request.set_grant(given);
    return ReasonOf(Call<v1::CheckSenderResponse>("mailstead.frontend.v1.AuthService/CheckSender",
                                                  {.role = kSmtp, .session_id = session}, request)
                        .status());
  };
  const auto deliver = [&](const std::string& delivery_id, const std::string& given) {
    v1::DeliverRequest request = DeliverTo(account_, delivery_id, "Subject: x\r\n\r\nhello\r\n");
    request.mutable_end();
    request.set_grant(given);
    return ReasonOf(Call<v1::DeliverResponse>("mailstead.frontend.v1.DeliveryService/Deliver",
                                              {.role = kSmtp, .session_id = "session"}, request)
                        .status());
  };
  EXPECT_EQ(check_sender(grant, "session"), "");
  EXPECT_EQ(check_sender(grant, "another"), kReasonGrantInvalid);
  EXPECT_EQ(check_sender("nonsense", "session"), kReasonGrantInvalid);
  EXPECT_EQ(check_sender(LogIn(kUser, kPassword, "session").grant(), "session"), kReasonGrantInvalid)
      << "a grant for a maildrop";
  EXPECT_EQ(deliver("delivery-number-1", grant), "");
  store::v1::UpdateAccountRequest update;
  update.set_account(kUser);
  update.mutable_update()->set_state(store::v1::ACCOUNT_STATE_DISABLED);
  update.mutable_update_mask()->add_paths("state");
  ASSERT_TRUE(AsOperator<store::v1::Account>("DirectoryService/UpdateAccount", update).ok());
  EXPECT_EQ(check_sender(grant, "session"), kReasonGrantExpired);
  EXPECT_EQ(deliver("delivery-number-2", grant), kReasonGrantExpired);
}

TEST_P(AuthApiTest, ALoginThatEndsWhileItsMessageComesStoresNothing) {
  if (GetParam() == TestDoor::kBatch) return;  // a batch has whole messages
  const std::string grant = LogInPlain(kUser, kPassword).grant();
  const int64_t other = AddAccount("other@example.test");
  const auto dialog =
      Open("mailstead.frontend.v1.DeliveryService/Deliver", {.role = kSmtp, .session_id = "session"});
  v1::DeliverRequest piece = DeliverTo(other, "delivery-number-1", "Subject: x\r\n\r\nhello\r\n");
  piece.clear_end();
  piece.set_grant(grant);
  ASSERT_TRUE(dialog->Write(piece));
  store::v1::SetPasswordRequest set;
  set.set_account(kUser);
  set.mutable_password()->set_plain("new");
  ASSERT_TRUE(AsOperator<store::v1::SetPasswordResponse>("DirectoryService/SetPassword", set).ok());
  piece.Clear();
  piece.mutable_end();
  dialog->Write(piece, /*last=*/true);
  v1::DeliverResponse response;
  EXPECT_FALSE(dialog->Read(response));
  EXPECT_EQ(ReasonOf(dialog->Finish()), kReasonGrantExpired);
  EXPECT_TRUE(BlockOn(engine().messages().List(AccountId{other}, MessageId{0}, 10))->empty());
}

TEST_P(AuthApiTest, FrontEndsHearWhoseLoginsMayHaveEnded) {
  const auto changes = [&](const std::string& cursor) {
    v1::ListLoginChangesRequest request;
    request.set_cursor(cursor);
    const auto response = AsSmtp<v1::ListLoginChangesResponse>("AuthService/ListLoginChanges", request);
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  };
  const std::string sending = LogInPlain(kUser, kPassword).grant();
  const std::string fetching = LogIn(kUser, kPassword, "session").grant();
  const int64_t other = AddAccount("other@example.test", kPassword);
  const std::string of_other = LogInPlain("other@example.test", kPassword).grant();
  std::string cursor = changes("").cursor();
  EXPECT_EQ(changes(cursor).account_ids_size(), 0);
  const auto ended = [&] {
    v1::CheckLoginsRequest request;
    for (const std::string& grant : {of_other, sending, fetching}) request.add_grants(grant);
    const auto response = AsPop<v1::CheckLoginsResponse>("AuthService/CheckLogins", "", request);
    EXPECT_TRUE(response.ok()) << response.status();
    return std::vector<int>(response->ended().begin(), response->ended().end());
  };
  EXPECT_EQ(ended(), std::vector<int>());
  // What ends no login is not told.
  store::v1::UpdateAccountRequest update;
  update.set_account(kUser);
  update.mutable_update()->mutable_quota()->set_bytes(1 << 20);
  update.mutable_update_mask()->add_paths("quota");
  const auto updated = AsOperator<store::v1::Account>("DirectoryService/UpdateAccount", update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(changes(cursor).account_ids_size(), 0);
  EXPECT_EQ(ended(), std::vector<int>());

  store::v1::SetPasswordRequest set;
  set.set_account(kUser);
  set.mutable_password()->set_plain("new");
  ASSERT_TRUE(AsOperator<store::v1::SetPasswordResponse>("DirectoryService/SetPassword", set).ok());
  v1::ListLoginChangesResponse since = changes(cursor);
  ASSERT_EQ(since.account_ids_size(), 1);
  EXPECT_EQ(since.account_ids(0), account_);
  EXPECT_FALSE(since.any());
  EXPECT_EQ(ended(), (std::vector<int>{1, 2}));

  cursor = since.cursor();
  store::v1::DeleteAccountRequest remove;
  remove.set_account("other@example.test");
  ASSERT_TRUE(AsOperator<store::v1::DeleteAccountResponse>("DirectoryService/DeleteAccount", remove).ok());
  since = changes(cursor);
  ASSERT_EQ(since.account_ids_size(), 1);
  EXPECT_EQ(since.account_ids(0), other);
  EXPECT_EQ(ended(), (std::vector<int>{0, 1, 2}));

  Restart();
  EXPECT_TRUE(changes(cursor).any());
  EXPECT_EQ(ended(), (std::vector<int>{0, 1, 2}));
}

TEST_P(AuthApiTest, NoMoreThan500LoginsAreCheckedAtOnce) {
  v1::CheckLoginsRequest request;
  for (int i = 0; i < 500; ++i) request.add_grants("x");
  EXPECT_EQ(AsPop<v1::CheckLoginsResponse>("AuthService/CheckLogins", "", request)->ended_size(), 500);
  request.add_grants("x");
  EXPECT_EQ(FieldOf(AsPop<v1::CheckLoginsResponse>("AuthService/CheckLogins", "", request).status()),
            "grants");
}

TEST_P(AuthApiTest, AnExchangeThatIsGivenUpIsCounted) {
  if (GetParam() != TestDoor::kGrpc) return;  // by the others it has one step
  const auto dialog = OpenDialog();
  v1::AuthenticateRequest start = Start("SCRAM-SHA-256");
  start.mutable_start()->set_initial_response("n,,n=demo@example.test,r=0123456789");
  v1::AuthenticateResponse response;
  ASSERT_TRUE(dialog->Write(start));
  ASSERT_TRUE(dialog->Read(response));
  dialog->WritesDone();
  EXPECT_FALSE(dialog->Read(response));
  EXPECT_EQ(ReasonOf(dialog->Finish()), kReasonExchangeAbandoned);
  EXPECT_THAT(MetricsText(), testing::HasSubstr("mailstead_store_logins_total{result=\"abandoned\"} 1"));
}

TEST_P(AuthApiTest, WhoDoesNotWaitForTheAnswerIsCountedToo) {
  const auto dialog = OpenDialog();
  ASSERT_TRUE(dialog->Write(StartPlain(kUser, "wrong")));
  // Before the answer's time has come.
  EXPECT_TRUE(Eventually([&] {
    return absl::StrContains(MetricsText(), "mailstead_store_logins_total{result=\"invalid_credentials\"} 1");
  })) << MetricsText();
  dialog->Cancel();
  // On a slow machine the answer was there before.
  dialog->Finish().IgnoreError();
}

TEST_P(AuthApiTest, APopLoginGetsAGrant) {
  const v1::Verdict verdict = LogIn(kUser, kPassword, "session");
  EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_OK);
  EXPECT_NE(verdict.grant(), "");
  EXPECT_FALSE(verdict.has_maildrop());
  EXPECT_FALSE(verdict.has_maildrop_error());
  EXPECT_EQ(LogIn(kUser, "wrong", "session").grant(), "");
}

TEST_P(AuthApiTest, APollIsOneCall) {
  Deliver(account_, "0123456789abcdef", "hello");
  v1::Verdict verdict = LogIn(kUser, kPassword, "session", kLease);
  EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_OK);
  ASSERT_TRUE(verdict.has_maildrop_error());
  EXPECT_EQ(ReasonOf(rpc::FromProto(verdict.maildrop_error())), kReasonNoLease);
  EXPECT_FALSE(verdict.has_maildrop());
  RenewLease();
  verdict = LogIn(kUser, kPassword, "session", kLease);
  EXPECT_FALSE(verdict.has_maildrop_error()) << verdict.maildrop_error().message();
  ASSERT_EQ(verdict.maildrop().entries().message_ids_size(), 1);
  EXPECT_EQ(verdict.maildrop().basis(), v1::OpenMaildropResponse::BASIS_NOTHING);
  EXPECT_NE(verdict.maildrop().token(), "");
  EXPECT_NE(verdict.maildrop().version(), "");
  EXPECT_FALSE(LogIn(kUser, "wrong", "other", kLease).has_maildrop());
}

TEST_P(AuthApiTest, ADisabledAccountGetsNeitherGrantNorMaildrop) {
  RenewLease();
  store::v1::UpdateAccountRequest update;
  update.set_account(kUser);
  update.mutable_update()->set_state(store::v1::ACCOUNT_STATE_DISABLED);
  update.mutable_update_mask()->add_paths("state");
  ASSERT_TRUE(AsOperator<store::v1::Account>("DirectoryService/UpdateAccount", update).ok());
  const v1::Verdict verdict = LogIn(kUser, kPassword, "session", kLease);
  EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_DISABLED);
  EXPECT_EQ(verdict.grant(), "");
  EXPECT_FALSE(verdict.has_maildrop());
  EXPECT_FALSE(verdict.has_maildrop_error());
}

TEST_P(AuthApiTest, ReplicasGetTheSameTicketKeysAndOtherFrontEndsOthers) {
  const v1::ListTicketKeysRequest request;
  const auto smtp = [&] { return AsSmtp<v1::ListTicketKeysResponse>("TlsService/ListTicketKeys", request); };
  const auto one = smtp();
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->keys_size(), 1);
  EXPECT_EQ(one->keys(0).secret().size(), 32u);
  EXPECT_GT(one->keys(0).open_for().seconds(), 12 * 60 * 60);
  EXPECT_EQ(one->ask_again_after().seconds(), 30);
  EXPECT_EQ(smtp()->keys(0).secret(), one->keys(0).secret());
  const auto pop = AsPop<v1::ListTicketKeysResponse>("TlsService/ListTicketKeys", "", request);
  ASSERT_TRUE(pop.ok()) << pop.status();
  EXPECT_NE(pop->keys(0).secret(), one->keys(0).secret());
  const auto web = Call<v1::ListTicketKeysResponse>("mailstead.frontend.v1.TlsService/ListTicketKeys",
                                                    {.role = kWeb}, request);
  ASSERT_TRUE(web.ok()) << web.status();
  EXPECT_NE(web->keys(0).secret(), one->keys(0).secret());
  EXPECT_NE(web->keys(0).secret(), pop->keys(0).secret());
  Restart();
  EXPECT_NE(smtp()->keys(0).secret(), one->keys(0).secret());
}

TEST_P(AuthApiTest, AProbeSaysWhichProgramIsTooOld) {
  const auto probe = [&](int revision) {
    v1::ProbeRequest request;
    request.set_revision(revision);
    return AsPop<v1::ProbeResponse>("BatchService/Probe", "", request);
  };
  EXPECT_TRUE(probe(store::kRevision).ok());
  EXPECT_EQ(ReasonOf(probe(0).status()), kReasonRevisionTooOld);
  EXPECT_EQ(ReasonOf(probe(1000).status()), kReasonRevisionTooNew);
  EXPECT_TRUE(absl::IsFailedPrecondition(probe(1000).status()));
}

}  // namespace
}  // namespace mailstead::stored
