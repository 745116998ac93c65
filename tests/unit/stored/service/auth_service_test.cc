#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/unit/stored/sasl_client.h"
#include "tests/unit/stored/service/service_fixture.h"

namespace mailstead::store {
namespace {

constexpr char kUser[] = "demo@example.test";
constexpr char kPassword[] = "correct horse";
const std::string kExporter(32, '\x5a');

class AuthServiceTest : public ServiceTest {
 protected:
  AuthServiceTest() : mailbox_(AddAccount(kUser, kPassword)) {}

  static v1::AuthenticateRequest Start(const std::string& mechanism) {
    v1::AuthenticateRequest request;
    v1::AuthenticateStart& start = *request.mutable_start();
    start.set_mechanism(mechanism);
    start.set_client_address("192.0.2.1");
    start.set_service("smtp");
    start.set_session_id("session");
    return request;
  }

  static v1::AuthenticateRequest StartPlain(const std::string& user, const std::string& password) {
    v1::AuthenticateRequest request = Start("PLAIN");
    request.mutable_start()->set_initial_response(
        absl::StrCat(absl::string_view("\0", 1), user, absl::string_view("\0", 1), password));
    return request;
  }

  // A whole exchange with a client of libgsasl.
  v1::Verdict LogIn(const std::string& mechanism, const std::string& password,
                    const std::string& client_exporter = "", const std::string& server_exporter = "") {
    SaslClient client(mechanism.c_str(), kUser, password, client_exporter);
    const auto context = AsFrontend();
    const auto stream = auth_stub_->Authenticate(context.get());
    v1::AuthenticateRequest request = Start(mechanism);
    request.mutable_start()->set_tls_exporter(server_exporter);
    if (mechanism != "LOGIN") request.mutable_start()->set_initial_response(client.Step(""));
    v1::AuthenticateResponse response;
    for (;;) {
      EXPECT_TRUE(stream->Write(request));
      if (!stream->Read(&response)) break;
      if (response.has_verdict()) break;
      request.Clear();
      request.set_response(client.Step(response.challenge()));
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.verdict();
  }

  v1::Verdict LogInPlain(const std::string& user, const std::string& password) {
    const auto context = AsFrontend();
    const auto stream = auth_stub_->Authenticate(context.get());
    v1::AuthenticateResponse response;
    EXPECT_TRUE(stream->Write(StartPlain(user, password)));
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(stream->Finish().ok());
    return response.verdict();
  }

  // What an exchange that begins with this ends with.
  absl::Status FailureOf(const v1::AuthenticateRequest& request) {
    const auto context = AsFrontend();
    const auto stream = auth_stub_->Authenticate(context.get());
    stream->Write(request);
    v1::AuthenticateResponse response;
    EXPECT_FALSE(stream->Read(&response));
    return Read(stream->Finish());
  }

  const uint64_t mailbox_;
};

TEST_F(AuthServiceTest, EveryMechanism) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    const std::string exporter = absl::EndsWith(mechanism, "-PLUS") ? kExporter : "";
    const v1::Verdict verdict = LogIn(mechanism, kPassword, exporter, exporter);
    EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_OK) << mechanism;
    EXPECT_EQ(verdict.address(), kUser) << mechanism;
    EXPECT_EQ(verdict.mailbox_id(), mailbox_) << mechanism;
  }
  EXPECT_EQ(LogIn("SCRAM-SHA-256", "wrong").result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(LogIn("SCRAM-SHA-256-PLUS", kPassword, kExporter, std::string(32, 'x')).result(),
            v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(LogIn("SCRAM-SHA-256-PLUS", kPassword, kExporter, "").result(),
            v1::Verdict::RESULT_UNSUPPORTED_MECHANISM);
}

TEST_F(AuthServiceTest, AWrongPasswordIsAnsweredLateAndTellsNothing) {
  const absl::Time begin = absl::Now();
  const v1::Verdict verdict = LogInPlain(kUser, "wrong");
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(200));
  EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(verdict.address(), "");
  EXPECT_EQ(verdict.mailbox_id(), 0u);
  const v1::Verdict unknown = LogInPlain("nobody@example.test", "wrong");
  EXPECT_EQ(unknown.SerializeAsString(), verdict.SerializeAsString());
}

TEST_F(AuthServiceTest, WaitingAnswersHoldNoThread) {
  // Many more than the pool has threads, all delayed by 200 ms: one after another they would take 8 s.
  struct Exchange {
    std::unique_ptr<grpc::ClientContext> context = AsFrontend();
    std::unique_ptr<grpc::ClientReaderWriter<v1::AuthenticateRequest, v1::AuthenticateResponse>> stream;
  };
  std::vector<Exchange> exchanges(40);
  const absl::Time begin = absl::Now();
  for (size_t i = 0; i < exchanges.size(); ++i) {
    exchanges[i].stream = auth_stub_->Authenticate(exchanges[i].context.get());
    ASSERT_TRUE(exchanges[i].stream->Write(StartPlain(absl::StrCat(i, "@example.test"), "wrong")));
  }
  for (Exchange& exchange : exchanges) {
    v1::AuthenticateResponse response;
    EXPECT_TRUE(exchange.stream->Read(&response));
    EXPECT_EQ(response.verdict().result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
    EXPECT_TRUE(exchange.stream->Finish().ok());
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(7));
}

TEST_F(AuthServiceTest, AClientThatGivesUpAborts) {
  const auto context = AsFrontend();
  const auto stream = auth_stub_->Authenticate(context.get());
  ASSERT_TRUE(stream->Write(Start("LOGIN")));
  v1::AuthenticateResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.challenge(), "Username:");
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(AuthServiceTest, ACancelledExchangeEndsWhileItWaits) {
  const auto context = AsFrontend();
  const auto stream = auth_stub_->Authenticate(context.get());
  ASSERT_TRUE(stream->Write(StartPlain(kUser, "wrong")));
  absl::SleepFor(absl::Milliseconds(50));  // it waits for its answer's time now
  context->TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // The server goes on, and ends at once when asked to.
  EXPECT_EQ(LogInPlain(kUser, kPassword).result(), v1::Verdict::RESULT_OK);
}

TEST_F(AuthServiceTest, FieldsAreChecked) {
  v1::AuthenticateRequest request;
  request.set_response("x");
  EXPECT_EQ(FieldOf(FailureOf(request)), "start");
  request = Start("PLAIN");
  request.mutable_start()->set_client_address("here");
  EXPECT_EQ(FieldOf(FailureOf(request)), "start.client_address");
  request = Start("PLAIN");
  request.mutable_start()->set_service("imap");
  EXPECT_EQ(FieldOf(FailureOf(request)), "start.service");

  const auto context = AsFrontend();
  const auto stream = auth_stub_->Authenticate(context.get());
  ASSERT_TRUE(stream->Write(Start("LOGIN")));
  v1::AuthenticateResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(stream->Write(Start("LOGIN")));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(FieldOf(Read(stream->Finish())), "response");
}

TEST_F(AuthServiceTest, AnEngineThatIsAwayIsUnavailable) {
  engine_.FailWith(absl::UnavailableError("away"));
  EXPECT_TRUE(absl::IsUnavailable(FailureOf(StartPlain(kUser, kPassword))));
}

TEST_F(AuthServiceTest, CheckSender) {
  const auto allowed = [&](const std::string& sender) {
    v1::CheckSenderRequest request;
    v1::CheckSenderResponse response;
    request.set_account(kUser);
    request.set_sender(sender);
    const grpc::Status status = auth_stub_->CheckSender(AsFrontend().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.allowed();
  };
  EXPECT_TRUE(allowed(kUser));
  EXPECT_TRUE(allowed("demo+tag@example.test"));
  EXPECT_FALSE(allowed("other@example.test"));
  v1::CheckSenderRequest request;
  v1::CheckSenderResponse response;
  request.set_account(kUser);
  request.set_sender("nobody");
  EXPECT_EQ(FieldOf(Read(auth_stub_->CheckSender(AsFrontend().get(), request, &response))), "sender");
}

}  // namespace
}  // namespace mailstead::store
