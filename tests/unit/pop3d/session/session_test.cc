#include "pop3d/session/session.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pop3d/limits.h"
#include "pop3d/session/verbs.h"

namespace mailstead::pop3 {
namespace {

using sasl::Verdict;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// Remembers what it is told, a line for each event.
class RecordingJournal : public SessionJournal {
 public:
  void Replied(ReplyId reply) override { replies.emplace_back(NameOf(reply)); }
  void LoginRefused(absl::string_view mechanism, ReplyId reply) override {
    events.push_back(absl::StrCat("login refused ", mechanism, " ", NameOf(reply)));
  }
  void LoginEnded(const LoginName& login, store::LoginEnd) override {
    events.push_back(absl::StrCat("login ended ", login.address));
  }
  void LoggedIn(const LoginName& login, const Maildrop& maildrop) override {
    events.push_back(absl::StrCat("logged in ", login.mechanism, " ", login.address, " ", login.account.value,
                                  " ", maildrop.count()));
  }
  void OpenRefused(const LoginName& login, ReplyId reply, const absl::Status& why) override {
    events.push_back(absl::StrCat("open refused ", login.mechanism, " ", login.address, " ",
                                  login.account.value, " ", NameOf(reply), " ", why.message()));
  }
  void Committed(const LoginName& login, size_t deleted_count) override {
    events.push_back(absl::StrCat("committed ", login.address, " ", deleted_count));
  }
  void CommitFailed(const LoginName& login, ReplyId reply, const absl::Status& why) override {
    events.push_back(absl::StrCat("commit failed ", login.address, " ", NameOf(reply), " ", why.message()));
  }

  std::vector<std::string> replies;
  std::vector<std::string> events;
};

// Messages of so many octets, with ids from 11 and the unique-ids given.
Maildrop MaildropOf(const std::vector<std::pair<std::string, int64_t>>& messages) {
  ListingBuilder builder;
  int64_t id = 11;
  for (const auto& [unique_id, size_bytes] : messages) {
    EXPECT_TRUE(builder.Add(MessageId{id++}, size_bytes, unique_id));
  }
  return Maildrop(std::move(builder).Build());
}

class SessionTest : public testing::Test {
 protected:
  SessionTest() { config_.hostname = "mail.example.test"; }

  Session& session() {
    if (!session_.has_value()) session_.emplace(config_, journal_, protection_);
    return *session_;
  }
  // What was said since it was asked for last.
  std::string Said() { return std::exchange(session().output(), std::string()); }
  // Hears a line, or takes the action that comes of another event, and gives what was said.
  std::string Say(absl::string_view line) { return SaidOn(session().OnLine(line)); }
  std::string SaidOn(Action action) {
    action_ = std::move(action);
    return Said();
  }
  // The last action is one of these.
  template <typename T>
  bool Asks() const {
    return std::holds_alternative<T>(action_);
  }
  template <typename T>
  T ActionOf(absl::string_view line) {
    const std::string said = Say(line);
    EXPECT_TRUE(Asks<T>()) << line << " -> " << said;
    return Asks<T>() ? std::get<T>(action_) : T{};
  }
  // The lines behind the first one of a reply, without the dot.
  std::vector<std::string> LinesOf(absl::string_view command) {
    std::vector<std::string> lines = absl::StrSplit(Say(command), "\r\n");
    EXPECT_GE(lines.size(), 3u);
    if (lines.size() < 3) return {};
    return {lines.begin() + 1, lines.end() - 2};
  }
  // Logged in on messages of 120 and 200 octets (RFC 1939 section 10).
  void LogIn() { LogIn(MaildropOf({{"first", 120}, {"second", 200}})); }
  void LogIn(Maildrop maildrop) {
    Say("USER demo");
    Say("PASS secret");
    SaidOn(session().OnLoggedIn("demo@example.test", AccountId{7}));
    SaidOn(session().OnMaildropOpened(std::move(maildrop)));
    ASSERT_EQ(session().state(), State::kTransaction);
  }
  std::string FailToLogIn() {
    Say("USER demo");
    Say("PASS wrong");
    return SaidOn(session().OnLoginRefused(Verdict::kInvalidCredentials));
  }
  std::vector<std::string> Capabilities() { return LinesOf("CAPA"); }

  SessionConfig config_;
  RecordingJournal journal_;
  Protection protection_{.tls = true, .channel_binding = true};
  std::optional<Session> session_;
  Action action_;
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
    session_.reset();
    Say(row.line);
    EXPECT_EQ(session().errors_in_a_row() == 0, row.authorization) << row.line;
  }
  for (const Row& row : rows) {
    session_.reset();
    LogIn();
    Say(row.line);
    EXPECT_EQ(session().errors_in_a_row() == 0, row.transaction) << row.line;
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
  Say("USER demo@example.test");
  const auto begin = ActionOf<BeginAuthAction>("PASS  a b ");
  EXPECT_EQ(begin.mechanism, "PLAIN");
  EXPECT_EQ(begin.initial_response, std::string("\0demo@example.test\0 a b ", 24));
  EXPECT_EQ(session().login().mechanism, "USER");
}

TEST_F(SessionTest, PassNeedsUserRightBefore) {
  EXPECT_EQ(Say("PASS secret"), "-ERR USER first\r\n");
  EXPECT_THAT(FailToLogIn(), StartsWith("-ERR [AUTH] "));
  EXPECT_EQ(Say("PASS secret"), "-ERR USER first\r\n");
  EXPECT_THAT(journal_.events, ElementsAre("login refused USER bad_credentials"));
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
  config_.allow_plaintext_auth = true;
  EXPECT_THAT(Capabilities(), Contains("USER"));
  // No channel, so nothing to bind to.
  EXPECT_THAT(Capabilities(), Contains("SASL SCRAM-SHA-256 PLAIN LOGIN"));
  EXPECT_THAT(Capabilities(), Contains("STLS"));
  EXPECT_EQ(Say("AUTH SCRAM-SHA-256-PLUS"), "-ERR authentication mechanism not available\r\n");
}

TEST_F(SessionTest, PlusIsOfferedWhereItIsWantedAndWorks) {
  EXPECT_THAT(Capabilities(), Contains("SASL SCRAM-SHA-256 PLAIN LOGIN"));
  EXPECT_EQ(Say("AUTH SCRAM-SHA-256-PLUS"), "-ERR authentication mechanism not available\r\n");
  session_.reset();
  config_.sasl_mechanisms = {"SCRAM-SHA-256-PLUS"};
  EXPECT_THAT(Capabilities(), Contains("SASL SCRAM-SHA-256-PLUS"));
  EXPECT_EQ(Say("AUTH PLAIN"), "-ERR authentication mechanism not available\r\n");
  EXPECT_EQ(Say("USER demo"), "+OK send PASS\r\n") << "that is no mechanism";
}

TEST_F(SessionTest, CapabilitiesAreTheSameBeforeAndAfterLogin) {
  config_.sasl_mechanisms.push_back("SCRAM-SHA-256-PLUS");
  config_.login_delay = absl::Seconds(60);
  const std::vector<std::string> before = Capabilities();
  EXPECT_THAT(before, ElementsAre("TOP", "UIDL", "USER", "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
                                  "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER",
                                  "LOGIN-DELAY 60", "UTF8 USER", "LANG", "IMPLEMENTATION Mailstead"));
  LogIn();
  EXPECT_EQ(Capabilities(), before);
}

// RFC 2449 section 6.7.
TEST_F(SessionTest, ExpireIsTheShortestBeforeLoginAndTheUsersOwnBehindIt) {
  const auto expire = [this] {
    std::string found;
    for (const std::string& line : Capabilities()) {
      if (absl::StartsWith(line, "EXPIRE ")) found += line;
    }
    return found;
  };
  const struct {
    int least_days;
    int own_days;
    const char* before;
    const char* behind;
  } kRows[] = {
      {0, 0, "EXPIRE NEVER", "EXPIRE NEVER"},
      {7, 30, "EXPIRE 7 USER", "EXPIRE 30"},
      {7, 0, "EXPIRE 7 USER", "EXPIRE NEVER"},
      {30, 30, "EXPIRE 30 USER", "EXPIRE 30"},
      // Set since the session began.
      {0, 1, "EXPIRE NEVER", "EXPIRE 1"},
  };
  for (const auto& row : kRows) {
    protection_ = {};
    session_.reset();
    session().SetLeastRetention(row.least_days * absl::Hours(24));
    EXPECT_EQ(expire(), row.before);
    // The store has said it, and no attacker in front of TLS.
    session().OnTlsStarted({.tls = true});
    EXPECT_EQ(expire(), row.before);
    Say("USER demo");
    Say("PASS secret");
    SaidOn(session().OnLoggedIn("demo@example.test", AccountId{7}));
    SaidOn(session().OnMaildropOpened(MaildropOf({{"first", 120}}), row.own_days * absl::Hours(24)));
    EXPECT_EQ(expire(), row.behind);
  }
}

TEST_F(SessionTest, OnlyStlsLeavesTheListAfterLogin) {
  protection_ = {};
  config_.allow_plaintext_auth = true;
  std::vector<std::string> before = Capabilities();
  EXPECT_EQ(std::erase(before, "STLS"), 1u);
  LogIn();
  EXPECT_EQ(Capabilities(), before);
}

TEST_F(SessionTest, StlsOnceAndOnlyWhereItCanWork) {
  EXPECT_EQ(Say("STLS"), "-ERR command not permitted when TLS active\r\n");
  protection_ = {};
  session_.reset();
  Say("STLS");
  EXPECT_TRUE(Asks<StartTlsAction>());
  config_.tls_available = false;
  session_.reset();
  EXPECT_EQ(Say("STLS"), "-ERR TLS is not available here\r\n");
  EXPECT_THAT(Capabilities(), Not(Contains("STLS")));
}

TEST_F(SessionTest, TlsForgetsWhatWasSaidBefore) {
  protection_ = {};
  config_.allow_plaintext_auth = true;
  Say("USER mallory");
  Say("LANG de");
  Say("UTF8");
  EXPECT_EQ(Say("STLS"), "-ERR STLS muss vor UTF8 kommen\r\n");
  session().OnTlsStarted({.tls = true});
  EXPECT_EQ(Say("PASS secret"), "-ERR USER first\r\n");
  EXPECT_FALSE(session().utf8_mode());
  EXPECT_EQ(session().language(), Language::kDefault);
}

TEST_F(SessionTest, StlsGivesNoMoreTries) {
  protection_ = {};
  config_.allow_plaintext_auth = true;
  config_.limits.max_login_failures = 2;
  FailToLogIn();
  session().OnTlsStarted({.tls = true});
  FailToLogIn();
  EXPECT_TRUE(Asks<CloseAction>());
}

TEST_F(SessionTest, FailedLoginsEndTheSessionAtTheLimit) {
  config_.limits.max_login_failures = 3;
  for (int i = 0; i < 2; ++i) {
    FailToLogIn();
    EXPECT_TRUE(Asks<NextCommandAction>());
  }
  EXPECT_EQ(FailToLogIn(), "-ERR [AUTH] wrong user name or password, too many attempts, closing\r\n");
  ASSERT_TRUE(Asks<CloseAction>());
  EXPECT_EQ(std::get<CloseAction>(action_).cause, CloseCause::kLoginFailures);
}

TEST_F(SessionTest, StoreFailuresAreNoFailedLogins) {
  config_.limits.max_login_failures = 1;
  for (int i = 0; i < 3; ++i) {
    Say("USER demo");
    Say("PASS secret");
    EXPECT_EQ(SaidOn(session().OnLoginFailed(absl::UnavailableError("store is away"))),
              "-ERR [SYS/TEMP] mail store is not available, try again later\r\n");
    // The exchange is over at both ends.
    EXPECT_TRUE(Asks<NextCommandAction>());
    EXPECT_FALSE(session().in_auth());
    EXPECT_EQ(journal_.events.back(), "login refused USER store_unavailable");
  }
}

TEST_F(SessionTest, VerdictsOfTheStore) {
  const auto verdict = [&](Verdict verdict) {
    session_.reset();
    Say("AUTH PLAIN");
    return SaidOn(session().OnLoginRefused(verdict));
  };
  EXPECT_EQ(verdict(Verdict::kInvalidCredentials), "-ERR [AUTH] wrong user name or password\r\n");
  EXPECT_EQ(verdict(Verdict::kDisabled), "-ERR [AUTH] account is disabled\r\n");
  EXPECT_EQ(verdict(Verdict::kMalformed), "-ERR malformed authentication exchange\r\n");
  EXPECT_EQ(verdict(Verdict::kUnsupportedMechanism), "-ERR authentication mechanism not available\r\n");
  EXPECT_FALSE(session().in_auth());
}

TEST_F(SessionTest, AuthArguments) {
  EXPECT_FALSE(ActionOf<BeginAuthAction>("AUTH PLAIN").initial_response.has_value());
  EXPECT_EQ(ActionOf<BeginAuthAction>("AUTH plain =").initial_response, "");
  const auto begin = ActionOf<BeginAuthAction>("auth ScRaM-sHa-256 QUJD");
  EXPECT_EQ(begin.mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(begin.initial_response, "ABC");
  EXPECT_EQ(session().login().mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(Say("AUTH PLAIN QUJ"), "-ERR not valid base64\r\n");
  EXPECT_EQ(Say("AUTH GSSAPI"), "-ERR authentication mechanism not available\r\n");
  EXPECT_EQ(Say("AUTH PLAIN QUJD QUJD"), "-ERR usage: AUTH mechanism [initial-response]\r\n");
}

TEST_F(SessionTest, ChallengesAndResponses) {
  Say("AUTH SCRAM-SHA-256");
  EXPECT_EQ(SaidOn(session().OnLoginChallenge("")), "+ \r\n");
  EXPECT_TRUE(session().in_auth());
  EXPECT_EQ(ActionOf<ContinueAuthAction>("Y2xpZW50").response, "client");
  EXPECT_EQ(SaidOn(session().OnLoginChallenge("proof")), "+ cHJvb2Y=\r\n");
  EXPECT_EQ(ActionOf<ContinueAuthAction>("").response, "");
  EXPECT_EQ(SaidOn(session().OnLoggedIn("demo@example.test", AccountId{7})), "");
  ASSERT_TRUE(Asks<OpenMaildropAction>());
  EXPECT_EQ(std::get<OpenMaildropAction>(action_).account, AccountId{7});
  EXPECT_FALSE(session().in_auth());
}

TEST_F(SessionTest, AuthEndsEarly) {
  const auto challenge = [&] {
    Say("AUTH LOGIN");
    SaidOn(session().OnLoginChallenge("Username:"));
  };
  challenge();
  EXPECT_EQ(Say("*"), "-ERR authentication cancelled\r\n");
  EXPECT_TRUE(Asks<EndAuthAction>());
  challenge();
  EXPECT_EQ(Say("no base64"), "-ERR not valid base64\r\n");
  EXPECT_TRUE(Asks<EndAuthAction>());
  challenge();
  EXPECT_EQ(SaidOn(session().OnLineTooLong()), "-ERR line too long\r\n");
  EXPECT_TRUE(Asks<EndAuthAction>());
  challenge();
  SaidOn(session().OnBareLineEnd());
  EXPECT_TRUE(Asks<EndAuthAction>());
  EXPECT_FALSE(session().in_auth());
  EXPECT_EQ(Say("NOOP"), "-ERR log in first\r\n");
}

TEST_F(SessionTest, MaildropRefusedLeavesTheClientInAuthorization) {
  config_.login_delay = absl::Seconds(90);
  const auto refused = [&](const absl::Status& status) {
    return SaidOn(session().OnMaildropRefused(status));
  };
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
    Say("NOOP");
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
  EXPECT_EQ(retr.id, MessageId{12});
  EXPECT_EQ(retr.size_bytes, 200u);
  EXPECT_FALSE(retr.top_lines.has_value());
  session().OnMessageOpened(retr);
  EXPECT_EQ(Said(), "+OK 200 octets\r\n");
  EXPECT_EQ(ActionOf<SendMessageAction>("TOP 1 0").top_lines, 0u);
  EXPECT_EQ(ActionOf<SendMessageAction>("TOP 1 10").top_lines, 10u);
}

TEST_F(SessionTest, QuitCommitsWhatIsMarked) {
  LogIn();
  Say("DELE 2");
  EXPECT_THAT(ActionOf<CommitAction>("QUIT").deletions, ElementsAre(MessageId{12}));
  EXPECT_EQ(session().state(), State::kUpdate);
  EXPECT_EQ(SaidOn(session().OnCommitted(absl::OkStatus())), "+OK bye, 1 messages deleted\r\n");
  EXPECT_TRUE(Asks<CloseAction>());
  EXPECT_EQ(journal_.events.back(), "committed demo@example.test 1");
}

// The lock goes as it does with every session that ends, and the reply does not wait for it.
TEST_F(SessionTest, QuitWithoutDeletionsWaitsForNothing) {
  LogIn();
  Say("DELE 2");
  Say("RSET");
  EXPECT_EQ(Say("QUIT"), "+OK bye\r\n");
  ASSERT_TRUE(Asks<CloseAction>());
  EXPECT_EQ(std::get<CloseAction>(action_).cause, CloseCause::kQuit);
  EXPECT_EQ(session().state(), State::kUpdate);
}

TEST_F(SessionTest, QuitBeforeLoginTouchesNothing) {
  EXPECT_EQ(Say("QUIT"), "+OK bye\r\n");
  EXPECT_TRUE(Asks<CloseAction>());
  EXPECT_EQ(session().state(), State::kAuthorization);
}

TEST_F(SessionTest, FailedCommits) {
  LogIn();
  EXPECT_EQ(SaidOn(session().OnCommitted(WithReason(absl::AbortedError(""), kReasonFenced))),
            "-ERR [SYS/TEMP] lock on the maildrop was lost, nothing was deleted\r\n");
  EXPECT_EQ(SaidOn(session().OnCommitted(absl::UnavailableError(""))),
            "-ERR [SYS/TEMP] mail store is not available, deletions are not confirmed\r\n");
  EXPECT_EQ(SaidOn(session().OnCommitted(absl::InvalidArgumentError(""))),
            "-ERR [SYS/PERM] nothing was deleted, ask the administrator\r\n");
}

TEST_F(SessionTest, MistakesInARowEndTheSessionAtTheLimit) {
  config_.limits.max_errors = 3;
  EXPECT_EQ(Say("XTND"), "-ERR unknown command\r\n");
  EXPECT_EQ(Say(""), "-ERR unknown command\r\n");
  EXPECT_THAT(Say("CAPA"), HasSubstr("+OK"));
  Say("XTND");
  SaidOn(session().OnLineTooLong());
  EXPECT_EQ(SaidOn(session().OnBareLineEnd()), "-ERR too many errors, closing\r\n");
  ASSERT_TRUE(Asks<CloseAction>());
  EXPECT_EQ(std::get<CloseAction>(action_).cause, CloseCause::kErrors);
}

TEST_F(SessionTest, MissingMessagesAreNoMistakes) {
  config_.limits.max_errors = 2;
  LogIn();
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Say("RETR 9"), StartsWith("-ERR no such message"));
}

TEST_F(SessionTest, NamesAndPasswordsInUtf8) {
  EXPECT_EQ(Say("USER j\xC3\xB6rg@example.test"), "+OK send PASS\r\n");
  EXPECT_EQ(ActionOf<BeginAuthAction>("PASS stra\xC3\x9F\x65").initial_response,
            absl::StrCat(std::string(1, '\0'), "j\xC3\xB6rg@example.test", std::string(1, '\0'),
                         "stra\xC3\x9F\x65"));
  EXPECT_EQ(Say("USER j\xF6rg"), "-ERR not valid UTF-8\r\n");
  Say("USER demo");
  // What is no UTF-8 goes to the store as it is, which tries it as ISO 8859-1.
  EXPECT_EQ(ActionOf<BeginAuthAction>("PASS stra\xDF\x65").initial_response,
            absl::StrCat(std::string(1, '\0'), "demo", std::string(1, '\0'), "stra\xDF\x65"));
}

TEST_F(SessionTest, TheEndOfALoginIsSaidToTheNextLine) {
  for (const char* line : {"STAT", "DELE 1", "RETR 1", "NOOP", "QUIT", "nonsense", "RSET"}) {
    session_.reset();
    LogIn();
    Say("DELE 1");
    session().OnLoginEnded(store::LoginEnd::kAccountChanged);
    EXPECT_EQ(Say(line), "-ERR [AUTH] the account was changed: log in again, closing\r\n") << line;
    ASSERT_TRUE(std::holds_alternative<CloseAction>(action_)) << line;
    EXPECT_EQ(std::get<CloseAction>(action_).cause, CloseCause::kLoginEnded) << line;
  }
}

constexpr char kSessionEnded[] =
    "-ERR [SYS/TEMP] the administrator has ended the session, nothing was deleted, closing\r\n";

TEST_F(SessionTest, TheEndOfASessionIsSaidToTheNextLine) {
  for (const char* line : {"STAT", "DELE 1", "RETR 1", "NOOP", "QUIT", "nonsense", "RSET"}) {
    session_.reset();
    LogIn();
    Say("DELE 1");
    session().OnLoginEnded(store::LoginEnd::kSessionEnded);
    EXPECT_EQ(Say(line), kSessionEnded) << line;
    ASSERT_TRUE(std::holds_alternative<CloseAction>(action_)) << line;
    EXPECT_EQ(std::get<CloseAction>(action_).cause, CloseCause::kSessionEnded) << line;
  }
}

TEST_F(SessionTest, TheEndOfASessionThatTheStoreTellsFirst) {
  const absl::Status ended = WithReason(absl::PermissionDeniedError("ended"), kReasonSessionEnded);
  LogIn();
  ActionOf<SendMessageAction>("RETR 1");
  EXPECT_EQ(SaidOn(session().OnMessageRefused(ended)), kSessionEnded);
  EXPECT_EQ(std::get<CloseAction>(action_).cause, CloseCause::kSessionEnded);
  session_.reset();
  LogIn();
  Say("DELE 1");
  ActionOf<CommitAction>("QUIT");
  EXPECT_EQ(SaidOn(session().OnCommitted(ended)), kSessionEnded);
}

TEST_F(SessionTest, TooManyExchangesThatAreGivenUpClose) {
  config_.limits.max_login_failures = 3;
  for (int i = 0; i < 3; ++i) {
    ActionOf<BeginAuthAction>("AUTH PLAIN");
    SaidOn(session().OnLoginChallenge(""));
    EXPECT_THAT(Say(i == 1 ? "!!!" : "*"), StartsWith("-ERR ")) << i;
    EXPECT_EQ(std::holds_alternative<CloseAction>(action_), i == 2) << i;
  }
}

TEST_F(SessionTest, Languages) {
  EXPECT_THAT(LinesOf("LANG"), ElementsAre("i-default English", "en English", "de Deutsch"));
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
  ListingBuilder builder;
  for (size_t i = 1; i <= kMaxDeletions + 1; ++i) {
    builder.Add(MessageId{static_cast<int64_t>(i)}, 1, absl::StrCat(i));
  }
  LogIn(Maildrop(std::move(builder).Build()));
  for (size_t i = 1; i < kMaxDeletions; ++i) Say(absl::StrCat("DELE ", i));
  EXPECT_THAT(Say(absl::StrCat("DELE ", kMaxDeletions)), StartsWith("+OK"));
  EXPECT_THAT(Say(absl::StrCat("DELE ", kMaxDeletions + 1)), StartsWith("-ERR as many deletions as"));
  EXPECT_EQ(Say("STAT"), "+OK 1 1\r\n");
  EXPECT_EQ(ActionOf<CommitAction>("QUIT").deletions.size(), kMaxDeletions);
}

TEST_F(SessionTest, TheJournalIsToldOfEveryReplyAndOfWhatBecameOfTheLogin) {
  session().Greet();
  LogIn();
  EXPECT_THAT(journal_.replies, ElementsAre("greeting", "send_password", "maildrop"));
  EXPECT_THAT(journal_.events, ElementsAre("logged in USER demo@example.test 7 2"));
  session_.reset();
  journal_.events.clear();
  Say("AUTH PLAIN =");
  SaidOn(session().OnLoggedIn("demo@example.test", AccountId{7}));
  SaidOn(session().OnMaildropRefused(absl::UnavailableError("gone")));
  EXPECT_THAT(journal_.events, ElementsAre("open refused PLAIN demo@example.test 7 store_unavailable gone"));
  // Nobody is logged in then.
  EXPECT_EQ(session().login().address, "");
  EXPECT_EQ(session().login().account, AccountId());
}

TEST_F(SessionTest, TheJournalIsToldOfACommitThatFailed) {
  LogIn();
  Say("DELE 1");
  Say("QUIT");
  SaidOn(session().OnCommitted(absl::UnavailableError("gone")));
  EXPECT_EQ(journal_.events.back(), "commit failed demo@example.test commit_unconfirmed gone");
}

}  // namespace
}  // namespace mailstead::pop3
