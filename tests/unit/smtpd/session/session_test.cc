// What the golden dialogs cannot see: the actions a session asks for, and what it forgets.
#include "smtpd/session/session.h"

#include <string>
#include <variant>

#include "common/base/clock.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

class CountingReplies : public ReplyCounter {
 public:
  void Count(ReplyId id) override { ++counts[static_cast<size_t>(id)]; }
  int of(ReplyId id) const { return counts[static_cast<size_t>(id)]; }
  int counts[kReplyCount] = {};
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    config_.hostname = "mx.example.test";
    config_.reply_counter = &replies_;
  }

  // The replies since the last call.
  std::string Said(Session& session) { return std::exchange(session.output(), ""); }

  Resolution Local() {
    Resolution resolution;
    resolution.outcome = Resolution::Outcome::kLocal;
    resolution.mailbox_ids = {7};
    return resolution;
  }

  SessionConfig config_;
  CountingReplies replies_;
};

TEST_F(SessionTest, AsksTheStoreForEachRecipient) {
  Session session(config_);
  session.OnLine("EHLO client.test");
  session.OnLine("MAIL FROM:<a@b.test> SIZE=99");
  Action action = session.OnLine("RCPT TO:<Alice@example.test>");
  ASSERT_TRUE(std::holds_alternative<ResolveRecipient>(action));
  EXPECT_EQ(std::get<ResolveRecipient>(action).address, "Alice@example.test");
  EXPECT_EQ(std::get<ResolveRecipient>(action).message_bytes, 99u);
  action = session.OnResolved(Local());
  EXPECT_TRUE(std::holds_alternative<NextCommand>(action));
  ASSERT_EQ(session.dialog().transaction->recipients.size(), 1u);
  EXPECT_EQ(session.dialog().transaction->recipients[0].mailbox_ids, std::vector<uint64_t>{7});
  action = session.OnLine("DATA");
  EXPECT_TRUE(std::holds_alternative<ReceiveData>(action));
  session.OnStored("id");
  EXPECT_EQ(session.dialog().transaction, nullptr);
}

TEST_F(SessionTest, KeepsNoRecipientTheStoreDidNotTake) {
  Session session(config_);
  session.OnLine("EHLO client.test");
  session.OnLine("MAIL FROM:<a@b.test>");
  session.OnLine("RCPT TO:<x@example.test>");
  session.OnResolved(absl::UnavailableError("away"));
  EXPECT_TRUE(session.dialog().transaction->recipients.empty());
  EXPECT_EQ(replies_.of(ReplyId::kStoreAway), 1);
}

TEST_F(SessionTest, ForgetsEverythingWhenTlsStarts) {
  config_.kind = ListenerKind::kSubmission;
  config_.allow_plaintext_auth = true;
  Session session(config_);
  session.OnLine("EHLO client.test");
  session.OnLine("AUTH PLAIN AGEAYg==");
  rpc::AuthStep ok;
  ok.kind = rpc::AuthStep::Kind::kOk;
  ok.address = "alice@example.test";
  session.OnAuthStep(ok);
  EXPECT_EQ(session.dialog().account, "alice@example.test");
  const Action action = session.OnLine("STARTTLS");
  EXPECT_TRUE(std::holds_alternative<StartTls>(action));
  session.OnTlsStarted(/*has_exporter=*/true);
  EXPECT_EQ(session.dialog().account, "");
  EXPECT_EQ(session.dialog().helo, "");
  EXPECT_TRUE(session.dialog().tls);
  EXPECT_EQ(Said(session), "");
}

TEST_F(SessionTest, OffersPlusOnlyWithAnExporter) {
  config_.kind = ListenerKind::kSubmissions;
  Session without(config_);
  without.OnTlsStarted(/*has_exporter=*/false);
  without.OnLine("EHLO client.test");
  EXPECT_EQ(Said(without).find("-PLUS"), std::string::npos);
  without.OnLine("AUTH SCRAM-SHA-256-PLUS");
  EXPECT_EQ(replies_.of(ReplyId::kUnknownMechanism), 1);
  Session with(config_);
  with.OnTlsStarted(/*has_exporter=*/true);
  with.OnLine("EHLO client.test");
  EXPECT_NE(Said(with).find("-PLUS"), std::string::npos);
}

TEST_F(SessionTest, AuthStepsAreDecodedBothWays) {
  config_.kind = ListenerKind::kSubmissions;
  Session session(config_);
  session.OnTlsStarted(true);
  session.OnLine("EHLO client.test");
  Action action = session.OnLine("AUTH LOGIN");
  ASSERT_TRUE(std::holds_alternative<BeginAuth>(action));
  EXPECT_FALSE(std::get<BeginAuth>(action).initial_response.has_value());
  rpc::AuthStep challenge;
  challenge.challenge = "Username:";
  Said(session);
  session.OnAuthStep(challenge);
  EXPECT_EQ(Said(session), "334 VXNlcm5hbWU6\r\n");
  action = session.OnLine("YWxpY2U=");
  ASSERT_TRUE(std::holds_alternative<ContinueAuth>(action));
  EXPECT_EQ(std::get<ContinueAuth>(action).response, "alice");
}

TEST_F(SessionTest, CountsReplies) {
  Session session(config_);
  session.OnLine("NOOP");
  session.OnLine("NOOP");
  session.OnLine("WHAT");
  EXPECT_EQ(replies_.of(ReplyId::kOk), 2);
  EXPECT_EQ(replies_.of(ReplyId::kUnknownCommand), 1);
  EXPECT_EQ(session.dialog().error_count, 1u);
}

TEST_F(SessionTest, AChunkThatIsRefusedIsStillRead) {
  Session session(config_);
  session.OnLine("EHLO client.test");
  const Action action = session.OnLine("BDAT 123 LAST");
  ASSERT_TRUE(std::holds_alternative<SwallowChunk>(action));
  EXPECT_EQ(std::get<SwallowChunk>(action).size_bytes, 123u);
}

// The error limit must not cut in between a command and the octets it announced.
TEST_F(SessionTest, TheErrorLimitWaitsForTheChunk) {
  config_.limits.max_errors = 1;
  Session session(config_);
  session.OnLine("WHAT");
  Action action = session.OnLine("BDAT 5");
  ASSERT_TRUE(std::holds_alternative<SwallowChunk>(action));
  action = session.OnChunkSwallowed();
  EXPECT_TRUE(std::holds_alternative<Close>(action));
}

}  // namespace
}  // namespace mailstead::smtp
