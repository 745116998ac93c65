// What the golden dialogs cannot see: the actions a session asks for, and what it forgets.
#include "smtpd/session/session.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "gmock/gmock.h"
#include "common/store/limits.h"
#include "gtest/gtest.h"
#include "smtpd/session/store_replies.h"

namespace mailstead::smtp {
namespace {

using testing::ElementsAre;

// Counts replies, and remembers the rest in words.
class FakeJournal : public SessionJournal {
 public:
  void Replied(ReplyId reply) override { ++counts[static_cast<size_t>(reply)]; }
  void SenderRefused(absl::string_view sender, ReplyId reply) override { Tell("sender", sender, reply); }
  void RecipientRefused(absl::string_view sender, absl::string_view recipient, ReplyId reply) override {
    Tell("recipient", recipient, reply, sender);
  }
  void MessageRefused(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) override {
    Tell("message", delivery_id, reply, sender);
  }
  void MessageNotStored(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) override {
    Tell("not stored", delivery_id, reply, sender);
  }
  void Authenticated(absl::string_view mechanism, absl::string_view account) override {
    told.push_back(absl::StrCat("ok ", mechanism, " ", account));
  }
  void AuthenticationRefused(absl::string_view mechanism) override {
    told.push_back(absl::StrCat("refused ", mechanism));
  }
  void AuthenticationFailed(absl::string_view mechanism) override {
    told.push_back(absl::StrCat("failed ", mechanism));
  }
  void AuthenticationCancelled(absl::string_view mechanism) override {
    told.push_back(absl::StrCat("cancelled ", mechanism));
  }
  void MechanismRefused(absl::string_view mechanism) override {
    told.push_back(absl::StrCat("no mechanism ", mechanism));
  }
  void LoginEnded(absl::string_view account) override { told.push_back(absl::StrCat("ended ", account)); }

  int of(ReplyId reply) const { return counts[static_cast<size_t>(reply)]; }

  int counts[kReplyCount] = {};
  std::vector<std::string> told;

 private:
  void Tell(absl::string_view what, absl::string_view which, ReplyId reply, absl::string_view sender = "") {
    told.push_back(
        absl::StrCat(what, " ", which, " ", GetReply(reply).name, sender.empty() ? "" : " from ", sender));
  }
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() { config_.hostname = "mx.example.test"; }

  // The replies since the last call.
  std::string Said(Session& session) { return std::exchange(session.output(), ""); }

  static store::Resolution Local() {
    return {.outcome = store::Resolution::Outcome::kAccount, .mailbox_count = 1};
  }
  static store::Resolution Unknown() { return {.outcome = store::Resolution::Outcome::kUnknown}; }
  static Action Resolve(Session& session, std::vector<absl::StatusOr<store::Resolution>> resolutions) {
    return session.OnResolved(resolutions);
  }

  // A session whose first recipient waits for the store's word.
  std::unique_ptr<Session> WithOpenRecipient(absl::string_view mail = "MAIL FROM:<a@b.test>") {
    auto session = std::make_unique<Session>(config_, journal_);
    session->OnLine("EHLO client.test");
    session->OnLine(mail);
    EXPECT_TRUE(
        std::holds_alternative<ResolveRecipientsAction>(session->OnLine("RCPT TO:<first@example.test>")));
    Said(*session);
    return session;
  }
  static std::vector<std::string> OpenAddresses(const Session& session) {
    std::vector<std::string> addresses;
    for (const EnvelopeRecipient& recipient : session.open_recipients())
      addresses.push_back(recipient.address);
    return addresses;
  }

  SessionConfig config_;
  FakeJournal journal_;
};

TEST_F(SessionTest, AsksTheStoreForEachRecipient) {
  Session session(config_, journal_);
  session.OnLine("EHLO client.test");
  session.OnLine("MAIL FROM:<a@b.test> SIZE=99 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e");
  Action action = session.OnLine("RCPT TO:<Alice@example.test> NOTIFY=DELAY ORCPT=rfc822;x");
  ASSERT_TRUE(std::holds_alternative<ResolveRecipientsAction>(action));
  EXPECT_THAT(OpenAddresses(session), ElementsAre("Alice@example.test"));
  EXPECT_EQ(session.dialog().transaction->announced_bytes, 99u);
  action = Resolve(session, {Local()});
  EXPECT_TRUE(std::holds_alternative<NextCommandAction>(action));
  action = session.OnLine("DATA");
  EXPECT_TRUE(std::holds_alternative<ReceiveDataAction>(action));
  const Envelope envelope = session.TakeEnvelope();
  EXPECT_EQ(envelope.reverse_path, "a@b.test");
  EXPECT_TRUE(envelope.eight_bit_mime);
  EXPECT_TRUE(envelope.smtputf8);
  EXPECT_FALSE(envelope.require_tls);
  EXPECT_EQ(envelope.dsn_return, DsnReturn::kHeaders);
  EXPECT_EQ(envelope.dsn_envelope_id, "e");
  ASSERT_EQ(envelope.recipients.size(), 1u);
  EXPECT_EQ(envelope.recipients[0].address, "Alice@example.test");
  EXPECT_EQ(envelope.recipients[0].notify, (DsnNotify{.given = true, .delay = true}));
  EXPECT_EQ(envelope.recipients[0].original_recipient, "rfc822;x");
  session.OnStored("id");
  EXPECT_EQ(session.dialog().transaction, nullptr);
}

// RFC 8689 section 3: under TLS only, also of other hosts.
TEST_F(SessionTest, KeepsRequireTls) {
  Session session(config_, journal_);
  session.OnLine("EHLO client.test");
  EXPECT_THAT(session.output(), testing::Not(testing::HasSubstr("REQUIRETLS")));
  session.OnLine("MAIL FROM:<a@b.test> REQUIRETLS");
  EXPECT_EQ(session.dialog().transaction, nullptr);
  session.OnTlsStarted(true);
  session.OnLine("EHLO client.test");
  EXPECT_THAT(session.output(), testing::HasSubstr("250-REQUIRETLS\r\n"));
  session.OnLine("MAIL FROM:<a@b.test> REQUIRETLS");
  EXPECT_TRUE(session.dialog().transaction->envelope.require_tls);
}

// On port 25 it can be asked of a client to call itself as RFC 5321 wants it. Who may log in is never asked, also before it
// has: then it is not known whether it will.
TEST_F(SessionTest, AsksForAProperNameOnPort25OnlyAndWhereItIsToldTo) {
  const auto said = [this](ListenerKind kind, bool strict, absl::string_view line) {
    config_.kind = kind;
    config_.strict_ehlo = strict;
    Session session(config_, journal_);
    session.OnLine(line);
    return Said(session).substr(0, 3);
  };
  for (const char* name : {"MY PC", "[IPv6:fe80::1%eth0]", "fe80::1%2", "(unknown)", "m\xc3\xbcller.test", "a:b",
                           "client.test.", "[192.0.2.1", "M\xdcLLER-PC"}) {
    for (const char* verb : {"EHLO ", "HELO "}) {
      const std::string line = absl::StrCat(verb, name);
      EXPECT_EQ(said(ListenerKind::kMx, false, line), "250") << line;
      EXPECT_EQ(said(ListenerKind::kMx, true, line), "501") << line;
      EXPECT_EQ(said(ListenerKind::kSubmission, true, line), "250") << line;
      EXPECT_EQ(said(ListenerKind::kSubmissions, true, line), "250") << line;
    }
  }
  for (const char* name : {"client.test", "my_pc", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]"}) {
    EXPECT_EQ(said(ListenerKind::kMx, true, absl::StrCat("EHLO ", name)), "250") << name;
  }
  for (const std::string& name : {std::string(), std::string("a\tb"), std::string(256, 'a'), std::string("\xc2\x85")}) {
    EXPECT_EQ(said(ListenerKind::kSubmissions, false, absl::StrCat("EHLO ", name)).substr(0, 2), "50") << name;
  }
}

TEST_F(SessionTest, KeepsNoRecipientTheStoreDidNotTake) {
  const auto session = WithOpenRecipient();
  Resolve(*session, {absl::UnavailableError("away")});
  EXPECT_TRUE(session->dialog().transaction->envelope.recipients.empty());
  EXPECT_EQ(journal_.of(ReplyId::kStoreAway), 1);
  EXPECT_THAT(journal_.told, ElementsAre("recipient first@example.test store_away from a@b.test"));
}

// ---- Recipients that a pipelining client has sent already (RFC 2920)

TEST_F(SessionTest, TakesRecipientsAheadInOrder) {
  const auto session = WithOpenRecipient();
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<a@example.test>"));
  EXPECT_TRUE(session->TakeRecipientAhead("rcpt to:<B@Example.Test> NOTIFY=NEVER"));
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<postmaster>"));
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<\"a b\"@example.test>"));
  EXPECT_THAT(OpenAddresses(*session), ElementsAre("first@example.test", "a@example.test", "B@Example.Test",
                                                   "postmaster", "\"a b\"@example.test"));
  EXPECT_EQ(Said(*session), "");
  Resolve(*session, {Local(), Unknown(), Local(), absl::UnavailableError("away"), Local()});
  EXPECT_EQ(Said(*session),
            "250 2.1.5 Recipient OK\r\n550 5.1.1 No such mailbox\r\n250 2.1.5 Recipient OK\r\n"
            "451 4.3.0 Temporary failure of the mail store; try again later\r\n250 2.1.5 Recipient OK\r\n");
  EXPECT_THAT(journal_.told,
              ElementsAre("recipient a@example.test unknown_recipient from a@b.test",
                          "recipient postmaster store_away from a@b.test"));
  const Envelope envelope = session->TakeEnvelope();
  ASSERT_EQ(envelope.recipients.size(), 3u);
  EXPECT_EQ(envelope.recipients[1].address, "B@Example.Test");
  EXPECT_EQ(envelope.recipients[1].notify, DsnNotify{.given = true});
  EXPECT_TRUE(session->open_recipients().empty());
  // EHLO, MAIL and the five.
  EXPECT_EQ(session->dialog().command_count, 7u);
}

TEST_F(SessionTest, EverythingElseWaitsForItsTurn) {
  for (const char* next :
       {"RCPT TO:<b@@example.test>", "RCPT FROM:<b@example.test>", "RCPTTO:<b@example.test>",
        "RCPT TO:<b@example.test> COLOUR=RED", "RCPT TO:<b\x01@example.test>", "RSET", "", "DATA", "QUIT",
        "RCPT TO:<j\xc3\xb6rg@example.test>", "NOOP"}) {
    const auto session = WithOpenRecipient();
    EXPECT_FALSE(session->TakeRecipientAhead(next)) << next;
    EXPECT_THAT(OpenAddresses(*session), ElementsAre("first@example.test")) << next;
    EXPECT_EQ(Said(*session), "") << next;
  }
}

TEST_F(SessionTest, NeedsSmtpUtf8ForOtherThanAsciiAhead) {
  const auto session = WithOpenRecipient("MAIL FROM:<a@b.test> SMTPUTF8");
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<j\xc3\xb6rg@example.test>"));
}

TEST_F(SessionTest, RecipientsAheadHaveTheLimitsOfTheSession) {
  config_.limits.max_command_bytes = 512;
  config_.limits.max_path_bytes = 83;
  auto session = WithOpenRecipient();
  const std::string blanks(512 - std::string("RCPT TO:<a@example.test>\r\n").size(), ' ');
  const std::string fits = absl::StrCat("RCPT", blanks, " TO:<a@example.test>");
  ASSERT_EQ(fits.size(), 510u);
  EXPECT_TRUE(session->TakeRecipientAhead(fits));
  EXPECT_FALSE(session->TakeRecipientAhead(absl::StrCat("RCPT ", fits.substr(4))));

  const std::string routed = absl::StrCat("RCPT TO:<@", std::string(60, 'x'), ".test:a@example.test>");
  EXPECT_TRUE(session->TakeRecipientAhead(routed));
  config_.limits.max_path_bytes = 82;
  EXPECT_FALSE(session->TakeRecipientAhead(routed));
}

TEST_F(SessionTest, RecipientsAheadAreBounded) {
  const auto session = WithOpenRecipient();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(session->TakeRecipientAhead(absl::StrCat("RCPT TO:<a", i, "@example.test>"))) << i;
  }
  EXPECT_FALSE(session->TakeRecipientAhead("RCPT TO:<a100@example.test>"));
}

// One that may be too many is told so when it is its turn, and not before: those before it may be refused.
TEST_F(SessionTest, NoMoreRecipientsAheadThanATransactionTakes) {
  config_.limits.max_recipients = 2;
  const auto session = WithOpenRecipient();
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<a@example.test>"));
  EXPECT_FALSE(session->TakeRecipientAhead("RCPT TO:<b@example.test>"));
  Resolve(*session, {Local(), Unknown()});
  EXPECT_TRUE(std::holds_alternative<ResolveRecipientsAction>(session->OnLine("RCPT TO:<b@example.test>")));
  EXPECT_FALSE(session->TakeRecipientAhead("RCPT TO:<c@example.test>"));
  Resolve(*session, {Local()});
  journal_.told.clear();
  session->OnLine("RCPT TO:<c@example.test>");
  session->OnLine("RCPT TO:<d@example.test>");
  EXPECT_EQ(journal_.of(ReplyId::kTooManyRecipients), 2);
  EXPECT_THAT(journal_.told, ElementsAre("recipient c@example.test too_many_recipients from a@b.test"))
      << "once in a transaction";
}

// What recipients cost the store is counted by transaction: one always fits, and who is told that it is too many sends to
// the rest in another one.
TEST_F(SessionTest, RecipientsThatLeadToManyMailboxesAreBounded) {
  const auto rcpt = [&](Session& session, int64_t mailbox_count, const std::string& parameters = "") {
    session.OnLine(absl::StrCat("RCPT TO:<list@example.test>", parameters));
    Resolve(session, {store::Resolution{.outcome = store::Resolution::Outcome::kAlias, .mailbox_count = mailbox_count}});
    return Said(session).substr(0, 9);
  };
  auto session = WithOpenRecipient();
  Resolve(*session, {Local()});
  Said(*session);
  EXPECT_EQ(rcpt(*session, store::kMaxDeliveryMailboxes - 2), "250 2.1.5");
  EXPECT_EQ(rcpt(*session, 2), "452 4.5.3");
  EXPECT_EQ(rcpt(*session, 1), "250 2.1.5");
  EXPECT_EQ(rcpt(*session, 1), "452 4.5.3");
  // The next transaction begins anew.
  session->OnLine("RSET");
  session->OnLine("MAIL FROM:<a@b.test>");
  Said(*session);
  // A single one is the store's to judge.
  EXPECT_EQ(rcpt(*session, store::kMaxDeliveryMailboxes + 1), "250 2.1.5");
  EXPECT_EQ(rcpt(*session, 1), "452 4.5.3");
  // What each mailbox keeps of its recipients counts too.
  session->OnLine("RSET");
  session->OnLine("MAIL FROM:<a@b.test>");
  Said(*session);
  EnvelopeRecipient recipient;
  recipient.address = "list@example.test";
  recipient.original_recipient = "rfc822;" + std::string(400, 'o');
  const std::string orcpt = absl::StrCat(" ORCPT=", recipient.original_recipient);
  const int64_t fitting = store::kMaxKeptRecipientBytes / (1000 * KeptBytes(recipient));
  for (int64_t i = 0; i < fitting; ++i) ASSERT_EQ(rcpt(*session, 1000, orcpt), "250 2.1.5") << i;
  EXPECT_EQ(rcpt(*session, 1000, orcpt), "452 4.5.3");
  EXPECT_EQ(session->dialog().transaction->envelope.recipients.size(), static_cast<size_t>(fitting));
}

TEST_F(SessionTest, AnEnvelopeHasABound) {
  config_.limits.max_recipients = 100'000;
  config_.limits.max_commands = 0;
  const auto session = WithOpenRecipient();
  Resolve(*session, {Unknown()});
  Said(*session);
  EnvelopeRecipient recipient;
  recipient.address = "list@example.test";
  recipient.original_recipient = "rfc822;" + std::string(400, 'o');
  const std::string line = absl::StrCat("RCPT TO:<", recipient.address, "> ORCPT=", recipient.original_recipient);
  const size_t fitting = store::kMaxEnvelopeBytes / EnvelopeBytes(recipient);
  for (size_t i = 0; i < fitting; i += 1 + (i + 1 < fitting ? 1 : 0)) {
    ASSERT_TRUE(std::holds_alternative<ResolveRecipientsAction>(session->OnLine(line))) << i;
    // One ahead, as far as they fit.
    std::vector<absl::StatusOr<store::Resolution>> resolutions = {Local()};
    if (i + 1 < fitting) {
      ASSERT_TRUE(session->TakeRecipientAhead(line));
      resolutions.push_back(Local());
    }
    Resolve(*session, std::move(resolutions));
  }
  EXPECT_EQ(session->dialog().transaction->envelope.recipients.size(), fitting);
  Said(*session);
  EXPECT_TRUE(std::holds_alternative<NextCommandAction>(session->OnLine(line)));
  EXPECT_EQ(Said(*session).substr(0, 9), "452 4.5.3");
  // A shorter one fits yet, and what is refused gives its room back.
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(std::holds_alternative<ResolveRecipientsAction>(session->OnLine("RCPT TO:<a@example.test>")));
    EXPECT_FALSE(session->TakeRecipientAhead(line));
    Resolve(*session, {Unknown()});
  }
}

TEST_F(SessionTest, TheLimitOfCommandsCutsBetweenRecipients) {
  config_.limits.max_commands = 4;
  const auto session = WithOpenRecipient();
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<a@example.test>"));
  EXPECT_FALSE(session->TakeRecipientAhead("RCPT TO:<b@example.test>"));
  Resolve(*session, {Local(), Local()});
  EXPECT_TRUE(std::holds_alternative<CloseAction>(session->OnLine("RCPT TO:<b@example.test>")));
  EXPECT_EQ(journal_.of(ReplyId::kTooManyCommands), 1);
}

TEST_F(SessionTest, TooManyErrorsCutBetweenRecipients) {
  config_.limits.max_errors = 1;
  const auto session = WithOpenRecipient();
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<a@example.test>"));
  EXPECT_TRUE(session->TakeRecipientAhead("RCPT TO:<b@example.test>"));
  const Action action = Resolve(*session, {Unknown(), Unknown(), Local()});
  EXPECT_TRUE(std::holds_alternative<CloseAction>(action));
  EXPECT_EQ(journal_.of(ReplyId::kUnknownRecipient), 2);
  EXPECT_EQ(journal_.of(ReplyId::kRecipientOk), 0);
  EXPECT_EQ(journal_.of(ReplyId::kTooManyErrors), 1);
  EXPECT_FALSE(session->in_transaction());
}

// ---- Submission

TEST_F(SessionTest, ReservesBeforeItAsksForTheSender) {
  config_.kind = ListenerKind::kSubmissions;
  Session session(config_, journal_);
  session.OnTlsStarted(true);
  session.OnLine("EHLO client.test");
  session.OnLine("AUTH PLAIN AGEAYg==");
  session.OnLoggedIn("alice@example.test");
  session.OnAuthEnded();
  Action action = session.OnLine("MAIL FROM:<alice@example.test>");
  ASSERT_TRUE(std::holds_alternative<ReserveSendAction>(action));
  EXPECT_EQ(std::get<ReserveSendAction>(action).account, "alice@example.test");
  EXPECT_TRUE(session.in_transaction());
  action = session.OnSendReserved(true);
  ASSERT_TRUE(std::holds_alternative<CheckSenderAction>(action));
  EXPECT_EQ(std::get<CheckSenderAction>(action).sender, "alice@example.test");
  EXPECT_TRUE(session.in_transaction());
  action = session.OnSenderChecked(false);
  EXPECT_FALSE(session.in_transaction());

  session.OnLine("MAIL FROM:<alice@example.test>");
  session.OnSendReserved(false);
  EXPECT_EQ(journal_.of(ReplyId::kTooManyMessages), 1);
  EXPECT_FALSE(session.in_transaction());

  // A notification has no sender to check.
  session.OnLine("MAIL FROM:<>");
  action = session.OnSendReserved(true);
  EXPECT_TRUE(std::holds_alternative<NextCommandAction>(action));
  EXPECT_EQ(journal_.of(ReplyId::kSenderOk), 1);
  EXPECT_THAT(journal_.told,
              ElementsAre("ok PLAIN alice@example.test", "sender alice@example.test sender_not_allowed",
                          "sender alice@example.test too_many_messages"));
}

TEST_F(SessionTest, TellsHowALoginEnds) {
  config_.kind = ListenerKind::kSubmissions;
  Session session(config_, journal_);
  session.OnTlsStarted(true);
  session.OnLine("EHLO client.test");
  session.OnLine("AUTH PLAIN AGEAYg==");
  session.OnLoginFailed();
  session.OnLine("AUTH PLAIN AGEAYg==");
  session.OnLoginRefused(sasl::Verdict::kInvalidCredentials);
  session.OnLine("AUTH LOGIN");
  session.OnLoginChallenge("Username:");
  EXPECT_TRUE(std::holds_alternative<EndAuthAction>(session.OnLine("*")));
  EXPECT_THAT(journal_.told, ElementsAre("failed PLAIN", "refused PLAIN", "cancelled LOGIN"));
  EXPECT_EQ(journal_.of(ReplyId::kAuthAway), 1);
  EXPECT_EQ(journal_.of(ReplyId::kBadCredentials), 1);
}

TEST_F(SessionTest, EveryVerdictHasItsReply) {
  config_.kind = ListenerKind::kSubmissions;
  for (const auto& [verdict, reply] :
       {std::pair(sasl::Verdict::kInvalidCredentials, ReplyId::kBadCredentials),
        std::pair(sasl::Verdict::kDisabled, ReplyId::kLoginDisabled),
        std::pair(sasl::Verdict::kMalformed, ReplyId::kAuthMalformed),
        std::pair(sasl::Verdict::kUnsupportedMechanism, ReplyId::kUnknownMechanism)}) {
    FakeJournal journal;
    Session session(config_, journal);
    session.OnTlsStarted(true);
    session.OnLine("EHLO client.test");
    session.OnLine("AUTH PLAIN AGEAYg==");
    EXPECT_TRUE(std::holds_alternative<EndAuthAction>(session.OnLoginRefused(verdict)));
    EXPECT_EQ(journal.of(reply), 1);
    EXPECT_EQ(session.dialog().account, "");
  }
}

TEST_F(SessionTest, ForgetsEverythingWhenTlsStarts) {
  config_.kind = ListenerKind::kSubmission;
  config_.allow_plaintext_auth = true;
  Session session(config_, journal_);
  session.OnLine("EHLO client.test");
  session.OnLine("AUTH PLAIN AGEAYg==");
  session.OnLoggedIn("alice@example.test");
  EXPECT_EQ(session.dialog().account, "alice@example.test");
  const Action action = session.OnLine("STARTTLS");
  EXPECT_TRUE(std::holds_alternative<StartTlsAction>(action));
  session.OnTlsStarted(/*channel_binding=*/true);
  EXPECT_EQ(session.dialog().account, "");
  EXPECT_EQ(session.dialog().helo, "");
  EXPECT_TRUE(session.dialog().tls);
  EXPECT_EQ(Said(session), "");
}

TEST_F(SessionTest, OffersPlusOnlyWhereItIsWantedAndWorks) {
  config_.kind = ListenerKind::kSubmissions;
  Session unwanted(config_, journal_);
  unwanted.OnTlsStarted(/*channel_binding=*/true);
  unwanted.OnLine("EHLO client.test");
  EXPECT_EQ(Said(unwanted).find("-PLUS"), std::string::npos);
  config_.sasl_mechanisms.push_back("SCRAM-SHA-256-PLUS");
  Session without(config_, journal_);
  without.OnTlsStarted(/*channel_binding=*/false);
  without.OnLine("EHLO client.test");
  EXPECT_EQ(Said(without).find("-PLUS"), std::string::npos);
  without.OnLine("AUTH SCRAM-SHA-256-PLUS");
  EXPECT_EQ(journal_.of(ReplyId::kUnknownMechanism), 1);
  Session with(config_, journal_);
  with.OnTlsStarted(/*channel_binding=*/true);
  with.OnLine("EHLO client.test");
  EXPECT_NE(Said(with).find("-PLUS"), std::string::npos);
}

// A login ends while the session is open: the next command is the last.
TEST_F(SessionTest, TheEndOfALoginIsSaidToTheNextCommand) {
  config_.kind = ListenerKind::kSubmissions;
  for (const char* command :
       {"MAIL FROM:<alice@example.test>", "MAIL FROM:<>", "RCPT TO:<bob@example.test>", "DATA",
        "BDAT 10 LAST", "NOOP", "RSET", "EHLO client.test", "QUIT", "nonsense"}) {
    Session session(config_, journal_);
    session.OnTlsStarted(true);
    session.OnLine("EHLO client.test");
    session.OnLine("AUTH PLAIN AGEAYg==");
    session.OnLoggedIn("alice@example.test");
    session.OnLine("MAIL FROM:<alice@example.test>");
    session.OnSendReserved(true);
    session.OnSenderChecked(true);
    Said(session);
    session.OnLoginEnded();
    EXPECT_EQ(Said(session), "") << "nothing is said before the client speaks";
    journal_.told.clear();
    const Action action = session.OnLine(command);
    EXPECT_TRUE(std::holds_alternative<CloseAction>(action)) << command;
    EXPECT_EQ(Said(session),
              "421 4.7.0 Your login has ended, since the account was changed; log in again\r\n")
        << command;
    EXPECT_FALSE(session.in_transaction()) << command;
    EXPECT_EQ(journal_.told, std::vector<std::string>{"ended alice@example.test"}) << command;
  }
}

TEST_F(SessionTest, TheStoreMaySayFirstThatALoginHasEnded) {
  config_.kind = ListenerKind::kSubmissions;
  const absl::Status ended = WithReason(absl::PermissionDeniedError("ended"), kReasonGrantExpired);
  for (const bool at_mail : {true, false}) {
    Session session(config_, journal_);
    session.OnTlsStarted(true);
    session.OnLine("EHLO client.test");
    session.OnLine("AUTH PLAIN AGEAYg==");
    session.OnLoggedIn("alice@example.test");
    session.OnLine("MAIL FROM:<alice@example.test>");
    session.OnSendReserved(true);
    Action action =
        session.OnSenderChecked(at_mail ? absl::StatusOr<bool>(ended) : absl::StatusOr<bool>(true));
    if (!at_mail) action = session.OnStoreFailed("delivery", ended);
    EXPECT_TRUE(std::holds_alternative<CloseAction>(action));
    EXPECT_THAT(Said(session), testing::HasSubstr("421 4.7.0 Your login has ended"));
    EXPECT_EQ(journal_.of(ReplyId::kLoginEnded), at_mail ? 1 : 2);
    EXPECT_FALSE(IsAlarm(ended)) << "no operator needs to look";
  }
}

TEST_F(SessionTest, AuthStepsAreDecodedBothWays) {
  config_.kind = ListenerKind::kSubmissions;
  Session session(config_, journal_);
  session.OnTlsStarted(true);
  session.OnLine("EHLO client.test");
  Action action = session.OnLine("AUTH LOGIN");
  ASSERT_TRUE(std::holds_alternative<BeginAuthAction>(action));
  EXPECT_FALSE(std::get<BeginAuthAction>(action).initial_response.has_value());
  Said(session);
  session.OnLoginChallenge("Username:");
  EXPECT_EQ(Said(session), "334 VXNlcm5hbWU6\r\n");
  action = session.OnLine("YWxpY2U=");
  ASSERT_TRUE(std::holds_alternative<ContinueAuthAction>(action));
  EXPECT_EQ(std::get<ContinueAuthAction>(action).response, "alice");
}

TEST_F(SessionTest, CountsReplies) {
  Session session(config_, journal_);
  session.OnLine("NOOP");
  session.OnLine("NOOP");
  session.OnLine("WHAT");
  EXPECT_EQ(journal_.of(ReplyId::kOk), 2);
  EXPECT_EQ(journal_.of(ReplyId::kUnknownCommand), 1);
  EXPECT_EQ(session.dialog().error_count, 1u);
}

TEST_F(SessionTest, AChunkThatIsRefusedIsStillRead) {
  Session session(config_, journal_);
  session.OnLine("EHLO client.test");
  const Action action = session.OnLine("BDAT 123 LAST");
  ASSERT_TRUE(std::holds_alternative<SwallowChunkAction>(action));
  EXPECT_EQ(std::get<SwallowChunkAction>(action).size_bytes, 123u);
}

// The error limit must not cut in between a command and the octets it announced.
TEST_F(SessionTest, TheErrorLimitWaitsForTheChunk) {
  config_.limits.max_errors = 1;
  Session session(config_, journal_);
  session.OnLine("WHAT");
  Action action = session.OnLine("BDAT 5");
  ASSERT_TRUE(std::holds_alternative<SwallowChunkAction>(action));
  action = session.OnChunkSwallowed();
  EXPECT_TRUE(std::holds_alternative<CloseAction>(action));
}

TEST_F(SessionTest, TellsWhyAMessageIsNotStored) {
  auto session = WithOpenRecipient();
  Resolve(*session, {Local()});
  session->OnLine("DATA");
  session->OnMessageRefused("id-1", MessageDefect::kLoop);
  EXPECT_FALSE(session->in_transaction());
  session->OnLine("MAIL FROM:<>");
  session->OnLine("RCPT TO:<first@example.test>");
  Resolve(*session, {Local()});
  session->OnLine("DATA");
  session->OnStoreFailed("id-2", absl::UnavailableError("away"));
  EXPECT_THAT(journal_.told, ElementsAre("message id-1 mail_loop from a@b.test", "not stored id-2 store_away from <>"));
}

// What a limit keeps from being sent is in the log, and not only told to the client.
TEST_F(SessionTest, TellsWhatALimitRefuses) {
  config_.kind = ListenerKind::kSubmissions;
  Session session(config_, journal_);
  session.OnTlsStarted(true);
  session.OnLine("EHLO client.test");
  session.OnLine("AUTH PLAIN AGEAYg==");
  session.OnLoggedIn("alice@example.test");
  journal_.told.clear();
  session.OnLine("MAIL FROM:<alice@example.test> SIZE=100000000");
  EXPECT_FALSE(session.in_transaction());
  session.OnLine("MAIL FROM:<alice@example.test>");
  session.OnSendReserved(false);
  EXPECT_FALSE(session.in_transaction());
  EXPECT_THAT(journal_.told, ElementsAre("message  message_too_big from alice@example.test",
                                         "sender alice@example.test too_many_messages"));
}

// Who looks for a sender in the log looks for what was sent; what is kept is in the form of RFC 5321.
TEST_F(SessionTest, TellsTheSenderAsItWasGiven) {
  for (const char* sender : {"a..b@docomo.test", "Ab.@x.test", "\"a b\"@x.test", "\"ab\"@x.test"}) {
    journal_.told.clear();
    const auto session = WithOpenRecipient(absl::StrCat("MAIL FROM:<@route.test:", sender, "> SIZE=1"));
    Resolve(*session, {Unknown()});
    EXPECT_THAT(journal_.told, ElementsAre(absl::StrCat(
                                   "recipient first@example.test unknown_recipient from ", sender)));
  }
}

// BDAT goes on after the connection has taken the envelope.
TEST_F(SessionTest, ChunksGoOnWithoutTheEnvelope) {
  const auto session = WithOpenRecipient();
  Resolve(*session, {Local()});
  ASSERT_TRUE(std::holds_alternative<ReceiveChunkAction>(session->OnLine("BDAT 5")));
  EXPECT_EQ(session->TakeEnvelope().recipients.size(), 1u);
  session->OnChunkTaken(5);
  const Action action = session->OnLine("BDAT 6 LAST");
  ASSERT_TRUE(std::holds_alternative<ReceiveChunkAction>(action));
  EXPECT_TRUE(std::get<ReceiveChunkAction>(action).last);
}

}  // namespace
}  // namespace mailstead::smtp
