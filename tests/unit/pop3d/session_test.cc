#include "pop3d/session/session.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pop3d/protocol/limits.h"
#include "pop3d/session/verb_table.h"

namespace mailstead::pop3 {
namespace {

using rpc::AuthStep;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::string Said(const Step& step, Language language = Language::kDefault) {
  if (!step.reply.has_value()) return "";
  std::string wire;
  AppendReply(*step.reply, language, wire);
  return wire;
}

class SessionTest : public testing::Test {
 protected:
  SessionTest() { options_.hostname = "mail.example.test"; }

  Session& session() {
    if (!session_.has_value()) session_.emplace(options_, protection_);
    return *session_;
  }
  std::string Say(absl::string_view line) {
    const Step step = session().Line(line);
    return Said(step, session().language());
  }
  template <typename T>
  T ActionOf(absl::string_view line) {
    Step step = session().Line(line);
    EXPECT_TRUE(std::holds_alternative<T>(step.action)) << line << " -> " << Said(step);
    return std::holds_alternative<T>(step.action) ? std::get<T>(step.action) : T{};
  }
  static AuthStep Verdict(AuthStep::Kind kind) {
    return {.kind = kind, .address = "demo@example.test", .mailbox_id = 7};
  }
  // Logged in on messages of 120 and 200 octets (RFC 1939 section 10).
  void LogIn() {
    Maildrop maildrop;
    maildrop.Add(11, 120, "first");
    maildrop.Add(12, 200, "second");
    LogIn(std::move(maildrop));
  }
  void LogIn(Maildrop maildrop) {
    session().Line("USER demo");
    session().Line("PASS secret");
    session().AuthStepped(Verdict(AuthStep::Kind::kOk));
    session().MaildropOpened(std::move(maildrop));
    ASSERT_EQ(session().state(), State::kTransaction);
  }
  std::vector<std::string> Capabilities() { return session().Line("CAPA").reply->lines; }

  SessionOptions options_;
  Protection protection_{.tls = true, .channel_binding = true};
  std::optional<Session> session_;
};

TEST_F(SessionTest, EveryVerbInEveryState) {
  struct Row {
    const char* line;
    bool authorization;
    bool transaction;
  };
  // RFC 1939 sections 4 to 7, RFC 2449 section 5, RFC 2595 section 4, RFC 5034 section 4, RFC 6856
  // sections 2 and 3.
  const Row rows[] = {{"USER a", true, false},  {"AUTH", true, false},  {"UTF8", true, false},
                      {"CAPA", true, true},     {"LANG", true, true},   {"STAT", false, true},
                      {"LIST", false, true},    {"UIDL", false, true},  {"RETR 1", false, true},
                      {"TOP 1 0", false, true}, {"NOOP", false, true},  {"RSET", false, true},
                      {"DELE 1", false, true},  {"PASS", false, false}, {"STLS", false, false}};
  for (const Row& row : rows) {
    Session fresh(options_, protection_);
    EXPECT_EQ(!fresh.Line(row.line).is_mistake, row.authorization) << row.line;
  }
  for (const Row& row : rows) {
    session_.reset();
    LogIn();
    EXPECT_EQ(!session().Line(row.line).is_mistake, row.transaction) << row.line;
  }
}

TEST_F(SessionTest, VerbsThatTakeNothingRefuseArguments) {
  LogIn();
  for (const char* line : {"STAT 1", "NOOP x", "RSET 1", "QUIT now", "CAPA all"}) {
    EXPECT_THAT(Say(line), StartsWith("-ERR usage: ")) << line;
  }
  EXPECT_EQ(session().state(), State::kTransaction);
  EXPECT_EQ(Say("STAT  "), "+OK 2 320\r\n");
}

TEST_F(SessionTest, PassGoesToTheStoreAsPlain) {
  session().Line("USER demo@example.test");
  const auto begin = ActionOf<BeginAuthAction>("PASS  a b ");
  EXPECT_EQ(begin.mechanism, "PLAIN");
  EXPECT_EQ(begin.initial_response, std::string("\0demo@example.test\0 a b ", 24));
  EXPECT_EQ(session().mechanism(), "USER");
}

TEST_F(SessionTest, PassNeedsUserRightBefore) {
  EXPECT_EQ(Say("PASS secret"), "-ERR USER first\r\n");
  session().Line("USER demo");
  session().Line("PASS wrong");
  EXPECT_THAT(Said(session().AuthStepped(Verdict(AuthStep::Kind::kInvalidCredentials))),
              StartsWith("-ERR [AUTH] "));
  EXPECT_EQ(Say("PASS secret"), "-ERR USER first\r\n");
}

TEST_F(SessionTest, NoLoginInTheClear) {
  protection_ = {};
  for (const char* line : {"USER demo", "PASS secret", "AUTH", "AUTH PLAIN", "AUTH SCRAM-SHA-256"}) {
    const std::string reply = Say(line);
    EXPECT_EQ(reply, "-ERR TLS is needed to log in, use STLS\r\n") << line;
  }
  EXPECT_THAT(Capabilities(), Not(Contains("USER")));
  EXPECT_THAT(Capabilities(), Not(Contains(StartsWith("SASL"))));
  EXPECT_THAT(Capabilities(), Contains("STLS"));
}

TEST_F(SessionTest, PlaintextLoginsWhenAllowed) {
  protection_ = {};
  options_.allow_plaintext_auth = true;
  EXPECT_THAT(Capabilities(), Contains("USER"));
  // No channel, so nothing to bind to.
  EXPECT_THAT(Capabilities(), Contains("SASL SCRAM-SHA-256 PLAIN LOGIN"));
  EXPECT_THAT(Capabilities(), Contains("STLS"));
  EXPECT_EQ(Say("AUTH SCRAM-SHA-256-PLUS"), "-ERR authentication mechanism not available\r\n");
}

TEST_F(SessionTest, CapabilitiesAreTheSameBeforeAndAfterLogin) {
  options_.login_delay = absl::Seconds(60);
  const std::vector<std::string> before = Capabilities();
  EXPECT_THAT(before, ElementsAre("TOP", "UIDL", "USER", "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
                                  "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER",
                                  "LOGIN-DELAY 60", "UTF8 USER", "LANG", "IMPLEMENTATION Mailstead"));
  LogIn();
  EXPECT_EQ(Capabilities(), before);
}

TEST_F(SessionTest, OnlyStlsLeavesTheListAfterLogin) {
  protection_ = {};
  options_.allow_plaintext_auth = true;
  std::vector<std::string> before = Capabilities();
  EXPECT_EQ(std::erase(before, "STLS"), 1u);
  LogIn();
  EXPECT_EQ(Capabilities(), before);
}

TEST_F(SessionTest, StlsOnceAndOnlyWhereItCanWork) {
  EXPECT_EQ(Say("STLS"), "-ERR command not permitted when TLS active\r\n");
  protection_ = {};
  session_.reset();
  EXPECT_TRUE(std::holds_alternative<StartTlsAction>(session().Line("STLS").action));
  options_.tls_available = false;
  session_.reset();
  EXPECT_EQ(Say("STLS"), "-ERR TLS is not available here\r\n");
  EXPECT_THAT(Capabilities(), Not(Contains("STLS")));
}

TEST_F(SessionTest, TlsForgetsWhatWasSaidBefore) {
  protection_ = {};
  options_.allow_plaintext_auth = true;
  session().Line("USER mallory");
  session().Line("LANG de");
  session().Line("UTF8");
  EXPECT_EQ(Say("STLS"), "-ERR STLS muss vor UTF8 kommen\r\n");
  session().TlsStarted({.tls = true});
  EXPECT_EQ(Say("PASS secret"), "-ERR USER first\r\n");
  EXPECT_FALSE(session().utf8_mode());
  EXPECT_EQ(session().language(), Language::kDefault);
}

TEST_F(SessionTest, StlsGivesNoMoreTries) {
  protection_ = {};
  options_.allow_plaintext_auth = true;
  options_.limits.max_login_failures = 2;
  session().Line("USER demo");
  session().Line("PASS wrong");
  session().AuthStepped(Verdict(AuthStep::Kind::kInvalidCredentials));
  session().TlsStarted({.tls = true});
  session().Line("USER demo");
  session().Line("PASS wrong");
  const Step last = session().AuthStepped(Verdict(AuthStep::Kind::kInvalidCredentials));
  EXPECT_TRUE(std::holds_alternative<CloseAction>(last.action));
}

TEST_F(SessionTest, FailedLoginsEndTheSessionAtTheLimit) {
  options_.limits.max_login_failures = 3;
  const auto fail = [&] {
    session().Line("USER demo");
    session().Line("PASS wrong");
    return session().AuthStepped(Verdict(AuthStep::Kind::kInvalidCredentials));
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(fail().action));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(fail().action));
  const Step third = fail();
  EXPECT_TRUE(std::holds_alternative<CloseAction>(third.action));
  EXPECT_EQ(Said(third), "-ERR [AUTH] wrong user name or password, too many attempts, closing\r\n");
}

TEST_F(SessionTest, StoreFailuresAreNoFailedLogins) {
  options_.limits.max_login_failures = 1;
  for (int i = 0; i < 3; ++i) {
    session().Line("USER demo");
    session().Line("PASS secret");
    const Step step = session().AuthStepped(absl::UnavailableError("store is away"));
    EXPECT_EQ(Said(step), "-ERR [SYS/TEMP] mail store is not available, try again later\r\n");
    EXPECT_TRUE(std::holds_alternative<AbandonAuthAction>(step.action));
  }
}

TEST_F(SessionTest, VerdictsOfTheStore) {
  const auto verdict = [&](AuthStep::Kind kind) {
    session_.reset();
    session().Line("AUTH PLAIN");
    return Said(session().AuthStepped(Verdict(kind)));
  };
  EXPECT_EQ(verdict(AuthStep::Kind::kInvalidCredentials), "-ERR [AUTH] wrong user name or password\r\n");
  EXPECT_EQ(verdict(AuthStep::Kind::kDisabled), "-ERR [AUTH] account is disabled\r\n");
  EXPECT_EQ(verdict(AuthStep::Kind::kMalformed), "-ERR malformed authentication exchange\r\n");
  EXPECT_EQ(verdict(AuthStep::Kind::kUnsupportedMechanism),
            "-ERR authentication mechanism not available\r\n");
  EXPECT_FALSE(session().in_auth_exchange());
}

TEST_F(SessionTest, AuthArguments) {
  EXPECT_FALSE(ActionOf<BeginAuthAction>("AUTH PLAIN").initial_response.has_value());
  EXPECT_EQ(ActionOf<BeginAuthAction>("AUTH plain =").initial_response, "");
  const auto begin = ActionOf<BeginAuthAction>("auth ScRaM-sHa-256 QUJD");
  EXPECT_EQ(begin.mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(begin.initial_response, "ABC");
  EXPECT_EQ(session().mechanism(), "SCRAM-SHA-256");
  EXPECT_EQ(Say("AUTH PLAIN QUJ"), "-ERR not valid base64\r\n");
  EXPECT_EQ(Say("AUTH GSSAPI"), "-ERR authentication mechanism not available\r\n");
  EXPECT_EQ(Say("AUTH PLAIN QUJD QUJD"), "-ERR usage: AUTH mechanism [initial-response]\r\n");
}

TEST_F(SessionTest, ChallengesAndResponses) {
  session().Line("AUTH SCRAM-SHA-256");
  EXPECT_EQ(Said(session().AuthStepped(AuthStep{.challenge = ""})), "+ \r\n");
  EXPECT_TRUE(session().in_auth_exchange());
  EXPECT_EQ(ActionOf<ContinueAuthAction>("Y2xpZW50").response, "client");
  EXPECT_EQ(Said(session().AuthStepped(AuthStep{.challenge = "proof"})), "+ cHJvb2Y=\r\n");
  EXPECT_EQ(ActionOf<ContinueAuthAction>("").response, "");
  const Step ok = session().AuthStepped(Verdict(AuthStep::Kind::kOk));
  ASSERT_TRUE(std::holds_alternative<OpenMaildropAction>(ok.action));
  EXPECT_EQ(std::get<OpenMaildropAction>(ok.action).mailbox_id, 7u);
  EXPECT_FALSE(session().in_auth_exchange());
}

TEST_F(SessionTest, AuthEndsEarly) {
  const auto challenge = [&] {
    session().Line("AUTH LOGIN");
    session().AuthStepped(AuthStep{.challenge = "User Name"});
  };
  challenge();
  Step step = session().Line("*");
  EXPECT_EQ(Said(step), "-ERR authentication cancelled\r\n");
  EXPECT_TRUE(std::holds_alternative<AbandonAuthAction>(step.action));
  challenge();
  step = session().Line("no base64");
  EXPECT_EQ(Said(step), "-ERR not valid base64\r\n");
  EXPECT_TRUE(std::holds_alternative<AbandonAuthAction>(step.action));
  challenge();
  step = session().LineTooLong();
  EXPECT_EQ(Said(step), "-ERR line too long\r\n");
  EXPECT_TRUE(std::holds_alternative<AbandonAuthAction>(step.action));
  challenge();
  step = session().BareLineEnd();
  EXPECT_TRUE(std::holds_alternative<AbandonAuthAction>(step.action));
  EXPECT_FALSE(session().in_auth_exchange());
  EXPECT_EQ(Say("NOOP"), "-ERR log in first\r\n");
}

TEST_F(SessionTest, MaildropRefusedLeavesTheClientInAuthorization) {
  options_.login_delay = absl::Seconds(90);
  const auto refused = [&](const absl::Status& status) { return Said(session().MaildropRefused(status)); };
  EXPECT_EQ(refused(WithReason(absl::AbortedError(""), kReasonMaildropInUse)),
            "-ERR [IN-USE] maildrop is in use by another session\r\n");
  EXPECT_EQ(refused(WithReason(absl::AbortedError(""), kReasonLoginDelay)),
            "-ERR [LOGIN-DELAY] at least 90 seconds between logins\r\n");
  EXPECT_EQ(refused(absl::NotFoundError("")),
            "-ERR [SYS/PERM] mailbox cannot be opened, ask the administrator\r\n");
  EXPECT_EQ(session().state(), State::kAuthorization);
}

TEST_F(SessionTest, MessageNumbersThatAreRefused) {
  LogIn();
  for (const char* verb : {"LIST", "UIDL", "RETR", "DELE"}) {
    for (const char* number : {"0", "3", "4294967297", "18446744073709551617"}) {
      EXPECT_EQ(Say(absl::StrCat(verb, " ", number)), "-ERR no such message, only 2 messages in maildrop\r\n")
          << verb;
    }
    for (const char* word : {"-1", "+1", "one", "1x", "1.5", "1 2"}) {
      EXPECT_THAT(Say(absl::StrCat(verb, " ", word)), StartsWith("-ERR usage: ")) << verb << " " << word;
    }
  }
  EXPECT_EQ(Say("TOP 0 1"), "-ERR no such message, only 2 messages in maildrop\r\n");
  for (const char* line : {"TOP", "TOP 1", "TOP 1 -1", "TOP 1 x", "TOP 1 2 3", "RETR", "DELE", "RETR  "}) {
    EXPECT_THAT(Say(line), StartsWith("-ERR usage: ")) << line;
    session().Line("NOOP");
  }
}

TEST_F(SessionTest, DeletedMessagesAreRefusedEverywhere) {
  LogIn();
  EXPECT_EQ(Say("DELE 1"), "+OK message 1 deleted\r\n");
  for (const char* line : {"DELE 1", "RETR 1", "TOP 1 0", "LIST 1", "UIDL 1"}) {
    EXPECT_EQ(Say(line), "-ERR message 1 already deleted\r\n") << line;
  }
  EXPECT_EQ(Say("STAT"), "+OK 1 200\r\n");
  EXPECT_EQ(Say("LIST 2"), "+OK 2 200\r\n");
  EXPECT_EQ(Say("RSET"), "+OK maildrop has 2 messages (320 octets)\r\n");
  EXPECT_EQ(Say("UIDL 1"), "+OK 1 first\r\n");
}

TEST_F(SessionTest, RetrAndTopAskForTheMessage) {
  LogIn();
  const auto retr = ActionOf<SendMessageAction>("RETR 2");
  EXPECT_EQ(retr.message_id, 12u);
  EXPECT_EQ(retr.size_bytes, 200u);
  EXPECT_FALSE(retr.top_lines.has_value());
  std::string wire;
  AppendReply(session().MessageReply(retr), Language::kDefault, wire);
  EXPECT_EQ(wire, "+OK 200 octets\r\n");
  EXPECT_EQ(ActionOf<SendMessageAction>("TOP 1 0").top_lines, 0u);
  EXPECT_EQ(ActionOf<SendMessageAction>("TOP 1 10").top_lines, 10u);
}

TEST_F(SessionTest, QuitCommitsWhatIsMarked) {
  LogIn();
  session().Line("DELE 2");
  EXPECT_THAT(ActionOf<CommitAction>("QUIT").deletions, ElementsAre(12));
  EXPECT_EQ(session().state(), State::kUpdate);
  const Step step = session().Committed(absl::OkStatus());
  EXPECT_EQ(Said(step), "+OK bye, 1 messages deleted\r\n");
  EXPECT_TRUE(std::holds_alternative<CloseAction>(step.action));
}

TEST_F(SessionTest, QuitWithoutDeletionsReleases) {
  LogIn();
  session().Line("DELE 2");
  session().Line("RSET");
  const Step step = session().Line("QUIT");
  EXPECT_EQ(Said(step), "+OK bye\r\n");
  EXPECT_TRUE(std::holds_alternative<ReleaseAction>(step.action));
}

TEST_F(SessionTest, QuitBeforeLoginTouchesNothing) {
  const Step step = session().Line("QUIT");
  EXPECT_EQ(Said(step), "+OK bye\r\n");
  EXPECT_TRUE(std::holds_alternative<CloseAction>(step.action));
  EXPECT_EQ(session().state(), State::kAuthorization);
}

TEST_F(SessionTest, FailedCommits) {
  LogIn();
  EXPECT_EQ(Said(session().Committed(WithReason(absl::AbortedError(""), kReasonFenced))),
            "-ERR [SYS/TEMP] lock on the maildrop was lost, nothing was deleted\r\n");
  EXPECT_EQ(Said(session().Committed(absl::UnavailableError(""))),
            "-ERR [SYS/TEMP] mail store is not available, deletions are not confirmed\r\n");
  EXPECT_EQ(Said(session().Committed(absl::InvalidArgumentError(""))),
            "-ERR [SYS/PERM] nothing was deleted, ask the administrator\r\n");
}

TEST_F(SessionTest, MistakesInARowEndTheSessionAtTheLimit) {
  options_.limits.max_errors = 3;
  EXPECT_EQ(Say("XTND"), "-ERR unknown command\r\n");
  EXPECT_EQ(Say(""), "-ERR unknown command\r\n");
  EXPECT_THAT(Say("CAPA"), HasSubstr("+OK"));
  session().Line("XTND");
  session().LineTooLong();
  const Step third = session().BareLineEnd();
  EXPECT_EQ(Said(third), "-ERR too many errors, closing\r\n");
  ASSERT_TRUE(std::holds_alternative<CloseAction>(third.action));
  EXPECT_EQ(std::get<CloseAction>(third.action).cause, CloseCause::kErrors);
}

TEST_F(SessionTest, MissingMessagesAreNoMistakes) {
  options_.limits.max_errors = 2;
  LogIn();
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Say("RETR 9"), StartsWith("-ERR no such message"));
}

TEST_F(SessionTest, NamesAndPasswordsInUtf8) {
  EXPECT_EQ(Say("USER j\xC3\xB6rg@example.test"), "+OK send PASS\r\n");
  EXPECT_EQ(ActionOf<BeginAuthAction>("PASS stra\xC3\x9F\x65").initial_response,
            absl::StrCat(std::string(1, '\0'), "j\xC3\xB6rg@example.test", std::string(1, '\0'),
                         "stra\xC3\x9F\x65"));
  EXPECT_EQ(Say("USER j\xF6rg"), "-ERR not valid UTF-8\r\n");
  session().Line("USER demo");
  EXPECT_EQ(Say("PASS \xC0\x80"), "-ERR not valid UTF-8\r\n");
}

TEST_F(SessionTest, Languages) {
  EXPECT_THAT(session().Line("LANG").reply->lines,
              ElementsAre("i-default English", "en English", "de Deutsch"));
  EXPECT_EQ(Say("LANG de-CH"), "+OK de Sprache gewechselt\r\n");
  EXPECT_EQ(Say("XTND"), "-ERR unbekannter Befehl\r\n");
  EXPECT_EQ(Say("LANG MUL"), "-ERR Sprache nicht vorhanden\r\n");
  EXPECT_EQ(Say("LANG *"), "+OK i-default language changed\r\n");
  EXPECT_EQ(Say("LANG en de"), "-ERR usage: LANG [language]\r\n");
  LogIn();
  EXPECT_EQ(Say("LANG de"), "+OK de Sprache gewechselt\r\n");
  EXPECT_EQ(Say("DELE 1"), "+OK Nachricht 1 gel\xC3\xB6scht\r\n");
  // What programs read is the same in every language.
  EXPECT_EQ(Say("STAT"), "+OK 1 200\r\n");
}

// QUIT must be able to do what DELE said.
TEST_F(SessionTest, DeletionsHaveABound) {
  Maildrop maildrop;
  for (size_t i = 1; i <= kMaxDeletions + 1; ++i) maildrop.Add(i, 1, absl::StrCat(i));
  LogIn(std::move(maildrop));
  for (size_t i = 1; i < kMaxDeletions; ++i) session().Line(absl::StrCat("DELE ", i));
  EXPECT_THAT(Say(absl::StrCat("DELE ", kMaxDeletions)), StartsWith("+OK"));
  EXPECT_THAT(Say(absl::StrCat("DELE ", kMaxDeletions + 1)), StartsWith("-ERR as many deletions as"));
  EXPECT_EQ(Say("STAT"), "+OK 1 1\r\n");
  EXPECT_EQ(ActionOf<CommitAction>("QUIT").deletions.size(), kMaxDeletions);
}

}  // namespace
}  // namespace mailstead::pop3
