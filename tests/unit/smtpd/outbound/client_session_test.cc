#include "smtpd/outbound/client_session.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/smtpd/outbound/dialog.h"

namespace mailstead::smtp::outbound {
namespace {

using ::testing::ElementsAre;
using Level = TlsPolicy::Level;

constexpr absl::string_view kMessage = "Subject: a\r\n\r\n.dot\r\n..\r\ntext\r\n";

struct Case {
  absl::string_view name;
  std::string script;
  std::vector<std::string> recipients;
  absl::string_view connection;
  // What differs from a message of ours to a@ and b@ without TLS.
  void (*change)(ClientConfig&) = nullptr;
  void (*prepare)(Dialog&) = nullptr;
  std::string message = std::string(kMessage);
  std::vector<std::string> to = {"a@example.test", "b@example.test"};
};

void Check(const Case& dialog) {
  for (const Arrival arrival : kArrivals) {
    for (const uint64_t piece_bytes : {1u, 5u, 1'000'000u}) {
      SCOPED_TRACE(
          absl::StrCat(dialog.name, ", arrival ", static_cast<int>(arrival), ", pieces of ", piece_bytes));
      ClientConfig config = TestConfig();
      if (dialog.change != nullptr) dialog.change(config);
      Dialog run(config, arrival);
      run.message = dialog.message;
      run.transaction = TestTransaction(run.message, dialog.to);
      run.piece_bytes = piece_bytes;
      if (dialog.prepare != nullptr) dialog.prepare(run);
      run.Run(dialog.script);
      EXPECT_EQ(run.Recipients(), dialog.recipients);
      EXPECT_EQ(run.Connection(), dialog.connection);
    }
  }
}

const std::vector<std::string> kNoTransaction = {"no transaction"};
const std::vector<std::string> kBothDelivered = {"delivered 250 2.0.0 final_dot",
                                                 "delivered 250 2.0.0 final_dot"};

// ---- Deliveries

TEST(ClientSessionTest, OneCommandAtATime) {
  Check({.name = "no extension",
         .script = R"(
      S: 220 mx.example.test ESMTP
      C: EHLO mail.example.test
      S: 250 mx.example.test
      ! send
      C: MAIL FROM:<from@example.test>
      S: 250 2.1.0 ok
      C: RCPT TO:<a@example.test>
      S: 250 2.1.5 ok
      C: RCPT TO:<b@example.test>
      S: 250 2.1.5 ok
      C: DATA
      S: 354 go
      C: Subject: a
      C:
      C: ..dot
      C: ...
      C: text
      C: .
      S: 250 2.0.0 taken
      ! quit
      C: QUIT)",
         .recipients = kBothDelivered,
         .connection = "ended 0  quit"});
}

TEST(ClientSessionTest, Pipelined) {
  Check({.name = "all that is offered and needed",
         .script = R"(
      S: 220 mx.example.test ESMTP
      C: EHLO mail.example.test
      S: 250-mx.example.test
      S: 250-PIPELINING
      S: 250-SIZE 1000
      S: 250-DSN
      S: 250-SMTPUTF8
      S: 250 8BITMIME
      ! send
      C: MAIL FROM:<from@example.test> SIZE=30 RET=HDRS ENVID=id
      C: RCPT TO:<a@example.test> NOTIFY=NEVER ORCPT=rfc822;A@example.test
      C: RCPT TO:<b@example.test>
      C: DATA
      S: 250 2.1.0 ok
      S: 250 2.1.5 ok
      S: 550 5.1.1 no such user
      S: 354 go
      C: Subject: a
      C:
      C: ..dot
      C: ...
      C: text
      C: .
      S: 250 2.0.0 taken)",
         .recipients = {"delivered 250 2.0.0 final_dot", "failed 550 5.1.1 rcpt"},
         .connection = "usable",
         .prepare = [](Dialog& dialog) {
           Envelope& envelope = dialog.transaction.envelope;
           envelope.dsn_return = DsnReturn::kHeaders;
           envelope.dsn_envelope_id = "id";
           envelope.recipients[0].notify.given = true;
           envelope.recipients[0].original_recipient = "rfc822;A@example.test";
           // Not asked: these do not say what the content needs.
           envelope.smtputf8 = true;
           envelope.eight_bit_mime = true;
         }});
}

TEST(ClientSessionTest, Chunks) {
  const Case base = {.name = "chunks of 20 octets",
                     .script = R"(
      S: 220 mx.example.test ESMTP
      C: EHLO mail.example.test
      S: 250-mx.example.test
      S: 250-PIPELINING
      S: 250 CHUNKING
      ! send
      C: MAIL FROM:<from@example.test>
      C: RCPT TO:<a@example.test>
      C: RCPT TO:<b@example.test>
      S: 250 2.1.0 ok
      S: 250 2.1.5 ok
      S: 250 2.1.5 ok
      C: BDAT 20
      C: Subject: a
      C:
      C: .dot
      S: 250 2.0.0 20 octets
      C: BDAT 10 LAST
      C: ..
      C: text
      S: 250 2.0.0 taken)",
                     .recipients = kBothDelivered,
                     .connection = "usable",
                     .change = [](ClientConfig& config) { config.max_chunk_bytes = 20; }};
  Check(base);
}

TEST(ClientSessionTest, AnEmptyMessage) {
  Check({.name = "by DATA",
         .script = R"(
      S: 220 mx
      C: EHLO mail.example.test
      S: 250 mx
      ! send
      C: MAIL FROM:<from@example.test>
      S: 250 2.1.0 ok
      C: RCPT TO:<a@example.test>
      S: 250 2.1.5 ok
      C: DATA
      S: 354 go
      C: .
      S: 250 2.0.0 taken)",
         .recipients = {"delivered 250 2.0.0 final_dot"},
         .connection = "usable",
         .message = "",
         .to = {"a@example.test"}});
  Check({.name = "by BDAT",
         .script = R"(
      S: 220 mx
      C: EHLO mail.example.test
      S: 250-mx
      S: 250 CHUNKING
      ! send
      C: MAIL FROM:<from@example.test>
      S: 250 2.1.0 ok
      C: RCPT TO:<a@example.test>
      S: 250 2.1.5 ok
      C: BDAT 0 LAST
      S: 250 2.0.0 taken)",
         .recipients = {"delivered 250 2.0.0 final_dot"},
         .connection = "usable",
         .message = "",
         .to = {"a@example.test"}});
}

constexpr absl::string_view kToOneByData = R"(
      S: 220 mx
      C: EHLO mail.example.test
      S: 250 mx
      ! send
      C: MAIL FROM:<from@example.test>
      S: 250 2.1.0 ok
      C: RCPT TO:<a@example.test>
      S: 250 2.1.5 ok
      C: DATA
      S: 354 go
      )";

// DATA cannot end a message whose last line has no CRLF; BDAT can, and the octets stay as they are.
TEST(ClientSessionTest, ALastLineWithoutItsEnd) {
  Check({.name = "gets one with DATA",
         .script = absl::StrCat(kToOneByData, "C: Subject: a\nC:\nC: ..\nC: .\nS: 250 2.0.0 taken"),
         .recipients = {"delivered 250 2.0.0 final_dot"},
         .connection = "usable",
         .message = "Subject: a\r\n\r\n.",
         .to = {"a@example.test"}});
  Dialog chunked(TestConfig());
  chunked.message = "Subject: a\r\n\r\n.";
  chunked.transaction = TestTransaction(chunked.message, {"a@example.test"});
  chunked.Say("220 mx\r\n");
  chunked.Say("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
  chunked.TakeWritten();
  chunked.Run("! send\nC: MAIL FROM:<from@example.test>\nC: RCPT TO:<a@example.test>");
  chunked.Say("250 ok\r\n250 ok\r\n");
  EXPECT_EQ(chunked.TakeWritten(), "BDAT 15 LAST\r\nSubject: a\r\n\r\n.");
}

TEST(ClientSessionTest, AConnectionIsUsedAgain) {
  Check({.name = "after a delivery at once, after a failure behind RSET",
         .script = absl::StrCat(kToOneByData, R"(
      C: Subject: a
      C:
      C: ..dot
      C: ...
      C: text
      C: .
      S: 250 2.0.0 taken
      ! send
      C: MAIL FROM:<from@example.test>
      S: 450 4.1.8 not now
      C: RSET
      S: 250 2.0.0 ok
      ! send
      C: MAIL FROM:<from@example.test>
      S: 250 2.1.0 ok
      C: RCPT TO:<a@example.test>
      S: 550 5.1.1 no
      C: RSET
      S: 250 2.0.0 ok)"),
         .recipients = {"failed 550 5.1.1 rcpt"},
         .connection = "usable",
         .to = {"a@example.test"}});
  Check({.name = "but not behind a RSET that is refused",
         .script = absl::StrCat(kToOneByData, R"(
      C: Subject: a
      C:
      C: ..dot
      C: ...
      C: text
      C: .
      S: 554 5.7.1 spam
      C: RSET
      S: 502 5.5.1 what?
      C: QUIT)"),
         .recipients = {"failed 554 5.7.1 final_dot"},
         .connection = "refused 502 5.5.1 rset",
         .to = {"a@example.test"}});
}

// ---- The opening

TEST(ClientSessionTest, HeloForOldServers) {
  Check({.name = "EHLO 502",
         .script = "S: 220 mx\nC: EHLO mail.example.test\nS: 502 5.5.1 what?\nC: HELO mail.example.test\nS: "
                   "250 mx\nS: 250 x",
         .recipients = kNoTransaction,
         .connection = "broken 0 4.5.0 idle"});
  Check({.name = "HELO 502 too",
         .script = "S: 220 mx\nC: EHLO mail.example.test\nS: 502 what?\nC: HELO mail.example.test\nS: 502 "
                   "what?\nC: QUIT",
         .recipients = kNoTransaction,
         .connection = "refused 502  ehlo"});
  Check({.name = "its extensions are none",
         .script = R"(
      S: 220 mx
      C: EHLO mail.example.test
      S: 500-what?
      S: 500 PIPELINING
      C: HELO mail.example.test
      S: 250-mx
      S: 250 PIPELINING
      ! send
      C: MAIL FROM:<from@example.test>
      ! closed)",
         .recipients = {"deferred 0 4.4.2 mail", "deferred 0 4.4.2 mail"},
         .connection = "broken 0 4.4.2 mail"});
}

constexpr absl::string_view kUpToStartTls = R"(
      S: 220 mx
      C: EHLO mail.example.test
      S: 250-mx
      S: 250-PIPELINING
      S: 250-SIZE 5
      S: 250-AUTH PLAIN
      S: 250 STARTTLS
      C: STARTTLS
      )";

// SECURITY: RFC 3207 section 4.2: what the host said in the clear may be anybody's words.
TEST(ClientSessionTest, TlsForgetsWhatWasSaidBefore) {
  Check({.name = "neither size nor pipelining",
         .script = absl::StrCat(kUpToStartTls, R"(
      S: 220 go
      ! tls
      C: EHLO mail.example.test
      S: 250-mx
      S: 250 STARTTLS
      ! send
      C: MAIL FROM:<from@example.test>
      ! closed)"),
         .recipients = {"deferred 0 4.4.2 mail", "deferred 0 4.4.2 mail"},
         .connection = "broken 0 4.4.2 mail",
         .change = [](ClientConfig& config) { config.tls.level = Level::kMay; }});
}

// SECURITY: CVE-2011-0411 from the client's side.
TEST(ClientSessionTest, BytesBehindStartTlsEndTheConnection) {
  for (const absl::string_view injected : {"250 injected\r\n", "2", "421 bye\r\n", "\r\n"}) {
    for (const Level level : {Level::kMay, Level::kVerify}) {
      for (const Arrival arrival : kArrivals) {
        Dialog dialog(TestConfig(level), arrival);
        dialog.Run(kUpToStartTls);
        dialog.Say(absl::StrCat("220 go\r\n", injected));
        EXPECT_EQ(dialog.Connection(), "broken 0 4.5.0 handshake") << injected;
        EXPECT_EQ(ActionName(dialog.action()), "close");
        EXPECT_EQ(dialog.TakeWritten(), "");
      }
    }
  }
}

TEST(ClientSessionTest, TlsAsThePolicySays) {
  const std::string offered = std::string(kUpToStartTls);
  const std::string not_offered = "S: 220 mx\nC: EHLO mail.example.test\nS: 250 mx\n";
  const struct {
    Level level;
    std::string script;
    absl::string_view connection;
  } rows[] = {
      {Level::kNone, not_offered, "usable"},
      {Level::kMay, not_offered, "usable"},
      {Level::kRequire, not_offered + "C: QUIT", "tls broken 0 4.7.10 starttls"},
      {Level::kVerify, not_offered + "C: QUIT", "tls broken 0 4.7.10 starttls"},
      {Level::kMay, offered + "S: 454 4.7.0 not now", "usable"},
      {Level::kMay, offered + "S: 502 5.5.1 no", "usable"},
      {Level::kMay, offered + "S: 421 4.3.2 bye", "closing 421 4.3.2 starttls"},
      {Level::kRequire, offered + "S: 454 4.7.0 not now\nC: QUIT", "tls broken 454 4.7.0 starttls"},
      {Level::kVerify, offered + "S: 502 5.5.1 no\nC: QUIT", "tls broken 502 5.5.1 starttls"},
      {Level::kMay, offered + "S: 220 go\n! no tls", "tls broken 0 4.7.5 handshake"},
      {Level::kVerify, offered + "S: 220 go\n! no tls", "tls broken 0 4.7.5 handshake"},
      // The first words under TLS are a part of it.
      {Level::kMay, offered + "S: 220 go\n! tls\nC: EHLO mail.example.test\nS: 503 5.5.1 no\nC: QUIT",
       "tls broken 503 5.5.1 ehlo"},
      {Level::kMay, offered + "S: 220 go\n! tls\nC: EHLO mail.example.test\n! closed",
       "tls broken 0 4.4.2 ehlo"},
      {Level::kMay, offered + "S: 220 go\n! tls\nC: EHLO mail.example.test\n! silent",
       "tls broken 0 4.4.2 ehlo"},
      {Level::kMay, offered + "S: 220 go\n! tls\nC: EHLO mail.example.test\nS: 421 bye", "closing 421  ehlo"},
      {Level::kVerify, offered + "S: 220 go\n! verified\nC: EHLO mail.example.test\nS: 250 mx", "usable"},
  };
  for (const auto& row : rows) {
    Check({.name = row.script,
           .script = row.script,
           .recipients = kNoTransaction,
           .connection = row.connection,
           .change = row.level == Level::kNone  ? [](ClientConfig&) {}
                     : row.level == Level::kMay ? [](ClientConfig& config) { config.tls.level = Level::kMay; }
                     : row.level == Level::kRequire
                         ? [](ClientConfig& config) { config.tls.level = Level::kRequire; }
                         : [](ClientConfig& config) { config.tls.level = Level::kVerify; }});
  }
}

// ---- AUTH

constexpr absl::string_view kUpToAuth = R"(
      S: 220 mx
      C: EHLO mail.example.test
      S: 250-mx
      S: 250 STARTTLS
      C: STARTTLS
      S: 220 go
      ! verified
      C: EHLO mail.example.test
      S: 250-mx
      S: 250 AUTH LOGIN PLAIN SCRAM-SHA-256
      )";

void WithLogin(ClientConfig& config) {
  config.tls.level = Level::kVerify;
  config.tls.names = {"mx.example.test"};
  config.auth_mechanisms = {"SCRAM-SHA-256", "PLAIN"};
}

TEST(ClientSessionTest, Auth) {
  const Case rows[] = {
      {.name = "three steps",
       .script =
           "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 334 c2VydmVy\nC: c2Vjb25k\nS: 334\nC:\nS: 235 2.7.0 welcome",
       .connection = "usable",
       .prepare =
           [](Dialog& dialog) {
             dialog.responses = {"first", "second", ""};
           }},
      {.name = "without an initial response",
       .script = "C: AUTH SCRAM-SHA-256\nS: 334 \nC: Zmlyc3Q=\nS: 235 welcome",
       .connection = "usable",
       .prepare =
           [](Dialog& dialog) {
             dialog.responses = {"-", "first"};
           }},
      {.name = "refused",
       .script = "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 535 5.7.8 wrong\nC: QUIT",
       .connection = "refused 535 5.7.8 auth",
       .prepare = [](Dialog& dialog) { dialog.responses = {"first"}; }},
      // SECURITY: a host that does not know the password cannot end the exchange by saying that it is content.
      {.name = "the host has not proved itself",
       .script = "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 235 2.7.0 welcome",
       .connection = "refused 0 4.7.0 auth",
       .prepare =
           [](Dialog& dialog) {
             dialog.responses = {"first"};
             dialog.auth_complete = false;
           }},
      {.name = "a challenge that is not base64",
       .script = "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 334 ???\nC: *\nS: 501 5.7.0 cancelled\nC: QUIT",
       .connection = "refused 0 4.7.0 auth",
       .prepare = [](Dialog& dialog) { dialog.responses = {"first"}; }},
      {.name = "a challenge of two lines",
       .script =
           "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 334-YQ==\nS: 334 YQ==\nC: *\nS: 501 5.7.0 cancelled\nC: QUIT",
       .connection = "refused 0 4.7.0 auth",
       .prepare = [](Dialog& dialog) { dialog.responses = {"first"}; }},
      {.name = "our side gives up",
       .script = "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 334 YQ==\nC: *\nS: 501 5.7.0 cancelled\nC: QUIT",
       .connection = "refused 0 4.7.0 auth",
       .prepare =
           [](Dialog& dialog) {
             dialog.responses = {"first", "!"};
           }},
      {.name = "our side gives up, and the host goes on",
       .script = "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\nS: 334 YQ==\nC: *\nS: 235 2.7.0 welcome\nC: QUIT",
       .connection = "refused 0 4.7.0 auth",
       .prepare =
           [](Dialog& dialog) {
             dialog.responses = {"first", "!"};
           }},
      {.name = "our side cannot begin",
       .script = "",
       .connection = "refused 0 4.7.0 auth",
       .prepare = [](Dialog& dialog) { dialog.responses = {"!"}; }},
      {.name = "closed",
       .script = "C: AUTH SCRAM-SHA-256 Zmlyc3Q=\n! closed",
       .connection = "broken 0 4.4.2 auth",
       .prepare = [](Dialog& dialog) { dialog.responses = {"first"}; }},
  };
  for (Case row : rows) {
    row.script = absl::StrCat(kUpToAuth, row.script);
    row.recipients = kNoTransaction;
    row.change = WithLogin;
    Check(row);
  }
}

TEST(ClientSessionTest, AuthSeesTheChallengesAndAnExchangeHasAnEnd) {
  Dialog dialog([] {
    ClientConfig config = TestConfig();
    WithLogin(config);
    return config;
  }());
  dialog.responses = std::vector<std::string>(100, "x");
  dialog.Run(kUpToAuth.substr(0, kUpToAuth.rfind("S: 250 AUTH")));
  dialog.Say("250 AUTH XOAUTH2 PLAIN\r\n");
  EXPECT_EQ(dialog.mechanism, "PLAIN");
  for (int i = 0; i < kMaxAuthSteps; ++i) dialog.Say("334 YWJj\r\n");
  EXPECT_EQ(dialog.challenges, std::vector<std::string>(kMaxAuthSteps, "abc"));
  EXPECT_FALSE(absl::EndsWith(dialog.TakeWritten(), "*\r\n"));
  dialog.Say("334 YWJj\r\n");
  EXPECT_EQ(dialog.TakeWritten(), "*\r\n");
}

// SECURITY: no login to a host that nobody has authenticated.
TEST(ClientSessionTest, NoAuthWithoutVerifiedTls) {
  const absl::string_view in_clear = "S: 220 mx\nC: EHLO mail.example.test\nS: 250-mx\nS: 250 AUTH PLAIN\n";
  const std::string by_tls = absl::StrReplaceAll(kUpToAuth, {{"verified", "tls"}});
  Check({.name = "in the clear",
         .script = absl::StrCat(in_clear, "C: QUIT"),
         .recipients = kNoTransaction,
         .connection = "refused 0 4.7.0 auth",
         .change = [](ClientConfig& config) { config.auth_mechanisms = {"PLAIN"}; }});
  Check({.name = "TLS of no one",
         .script = absl::StrCat(by_tls, "C: QUIT"),
         .recipients = kNoTransaction,
         .connection = "refused 0 4.7.0 auth",
         .change = [](ClientConfig& config) {
           WithLogin(config);
           config.tls.level = Level::kRequire;
         }});
  Check({.name = "loopback",
         .script = absl::StrCat(in_clear, "C: AUTH PLAIN cA==\nS: 235 welcome"),
         .recipients = kNoTransaction,
         .connection = "usable",
         .change =
             [](ClientConfig& config) {
               config.auth_mechanisms = {"PLAIN"};
               config.allow_auth_without_verified_tls = true;
             },
         .prepare = [](Dialog& dialog) { dialog.responses = {"p"}; }});
  Check({.name = "no mechanism of ours",
         .script = absl::StrCat(in_clear, "C: QUIT"),
         .recipients = kNoTransaction,
         .connection = "refused 0 4.7.0 auth",
         .change = [](ClientConfig& config) {
           config.auth_mechanisms = {"SCRAM-SHA-256"};
           config.allow_auth_without_verified_tls = true;
         }});
}

// ---- What this host cannot take

std::string Hello(absl::string_view extensions) {
  std::string script = "S: 220 mx\nC: EHLO mail.example.test\nS: 250-mx\n";
  for (const absl::string_view extension : absl::StrSplit(extensions, ',', absl::SkipEmpty())) {
    absl::StrAppend(&script, "S: 250-", extension, "\n");
  }
  return absl::StrCat(script, "S: 250 HELP\n! send\n");
}

TEST(ClientSessionTest, WhatAHostCannotTakeIsNotOffered) {
  const std::string utf8_body = "Subject: a\r\n\r\n\xc3\xa4\r\n";
  const std::string utf8_header = "Subject: \xc3\xa4\r\n\r\nb\r\n";
  const std::vector<std::string> utf8_to = {"j\xc3\xb6@example.test"};
  const std::vector<std::string> one = {"a@example.test"};
  const auto of_utf8_sender = [](Dialog& dialog) {
    dialog.transaction.envelope.reverse_path = "j\xc3\xb6@example.test";
  };
  const auto by_require_tls = [](Dialog& dialog) { dialog.transaction.envelope.require_tls = true; };
  const auto refused = [](absl::string_view enhanced) {
    return std::vector<std::string>{absl::StrCat("failed 0 ", enhanced, " idle")};
  };
  const std::vector<std::string> offered = {"deferred 0 4.4.2 mail"};
  const std::string closed = "\n! closed";
  const Case rows[] = {
      {.name = "8 bit",
       .script = Hello("SMTPUTF8"),
       .recipients = refused("5.6.3"),
       .message = utf8_body,
       .to = one},
      {.name = "8 bit, taken",
       .script = Hello("8BITMIME") + "C: MAIL FROM:<from@example.test> BODY=8BITMIME" + closed,
       .recipients = offered,
       .message = utf8_body,
       .to = one},
      {.name = "7 bit needs no 8BITMIME",
       .script = Hello("8BITMIME") + "C: MAIL FROM:<from@example.test>" + closed,
       .recipients = offered,
       .to = one},
      {.name = "UTF-8 header",
       .script = Hello("8BITMIME"),
       .recipients = refused("5.6.7"),
       .message = utf8_header,
       .to = one},
      {.name = "UTF-8 header, taken",
       .script =
           Hello("8BITMIME,SMTPUTF8") + "C: MAIL FROM:<from@example.test> BODY=8BITMIME SMTPUTF8" + closed,
       .recipients = offered,
       .message = utf8_header,
       .to = one},
      {.name = "UTF-8 header, taken, but not its octets",
       .script = Hello("SMTPUTF8"),
       .recipients = refused("5.6.3"),
       .message = utf8_header,
       .to = one},
      {.name = "UTF-8 sender",
       .script = Hello("8BITMIME"),
       .recipients = refused("5.6.7"),
       .prepare = of_utf8_sender,
       .to = one},
      {.name = "UTF-8 sender, taken",
       .script = Hello("8BITMIME,SMTPUTF8") + "C: MAIL FROM:<j\xc3\xb6@example.test> SMTPUTF8" + closed,
       .recipients = offered,
       .prepare = of_utf8_sender,
       .to = one},
      {.name = "UTF-8 recipient", .script = Hello("8BITMIME"), .recipients = refused("5.6.7"), .to = utf8_to},
      {.name = "SMTPUTF8 is not asked for when only a domain has U-labels",
       .script = Hello("SMTPUTF8,PIPELINING") +
                 "C: MAIL FROM:<from@example.test>\nC: RCPT TO:<a@xn--bcher-kva.test>\nC: DATA" + closed,
       .recipients = offered,
       .to = {"a@b\xc3\xbc"
              "cher.test"}},
      {.name = "too large", .script = Hello("SIZE 29"), .recipients = refused("5.3.4"), .to = one},
      {.name = "as large as may be",
       .script = Hello("SIZE 30") + "C: MAIL FROM:<from@example.test> SIZE=30" + closed,
       .recipients = offered,
       .to = one},
      {.name = "no limit",
       .script = Hello("SIZE 0") + "C: MAIL FROM:<from@example.test> SIZE=30" + closed,
       .recipients = offered,
       .to = one},
      {.name = "bare LF",
       .script = Hello("8BITMIME,CHUNKING"),
       .recipients = refused("5.6.0"),
       .message = "a\nb\r\n",
       .to = one},
      {.name = "bare CR",
       .script = Hello("8BITMIME,CHUNKING"),
       .recipients = refused("5.6.0"),
       .message = "a\r\n.\r",
       .to = one},
      {.name = "REQUIRETLS",
       .script = Hello("8BITMIME"),
       .recipients = refused("5.7.30"),
       .prepare = by_require_tls,
       .to = one},
      // RFC 8689 section 4.2.1: what is offered in the clear is not offered.
      {.name = "REQUIRETLS in the clear",
       .script = Hello("REQUIRETLS"),
       .recipients = refused("5.7.30"),
       .prepare = by_require_tls,
       .to = one},
      {.name = "no address", .script = Hello(""), .recipients = refused("5.5.4"), .to = {"nobody"}},
      {.name = "no sender's address",
       .script = Hello(""),
       .recipients = refused("5.5.4"),
       .prepare = [](Dialog& dialog) { dialog.transaction.envelope.reverse_path = "a@b>\r\nRSET"; },
       .to = one},
  };
  for (Case row : rows) {
    const bool lost = absl::EndsWith(row.script, closed);
    row.connection = lost ? "broken 0 4.4.2 mail" : "usable";
    Check(row);
  }
}

TEST(ClientSessionTest, RequireTls) {
  Check({.name = "verified and offered",
         .script = absl::StrReplaceAll(kUpToAuth, {{"AUTH LOGIN PLAIN SCRAM-SHA-256", "REQUIRETLS"}}) +
                   "! send\nC: MAIL FROM:<from@example.test> REQUIRETLS\n! closed",
         .recipients = {"deferred 0 4.4.2 mail"},
         .connection = "broken 0 4.4.2 mail",
         .change = [](ClientConfig& config) { config.tls.level = Level::kVerify; },
         .prepare = [](Dialog& dialog) { dialog.transaction.envelope.require_tls = true; },
         .to = {"a@example.test"}});
  Check({.name = "offered over TLS of no one",
         .script = absl::StrReplaceAll(
                       kUpToAuth, {{"AUTH LOGIN PLAIN SCRAM-SHA-256", "REQUIRETLS"}, {"verified", "tls"}}) +
                   "! send",
         .recipients = {"failed 0 5.7.30 idle"},
         .connection = "usable",
         .change = [](ClientConfig& config) { config.tls.level = Level::kMay; },
         .prepare = [](Dialog& dialog) { dialog.transaction.envelope.require_tls = true; },
         .to = {"a@example.test"}});
}

TEST(ClientSessionTest, ARecipientThatNeedsSmtpUtf8DoesNotHoldUpTheOthers) {
  Check({.name = "not offered",
         .script = Hello("PIPELINING") +
                   "C: MAIL FROM:<from@example.test>\nC: RCPT TO:<a@example.test>\nC: DATA\n! closed",
         .recipients = {"failed 0 5.6.7 idle", "deferred 0 4.4.2 mail"},
         .connection = "broken 0 4.4.2 mail",
         .to = {"j\xc3\xb6@example.test", "a@example.test"}});
  Check({.name = "offered",
         .script = Hello("PIPELINING,SMTPUTF8") + "C: MAIL FROM:<from@example.test> SMTPUTF8\nC: RCPT "
                                                  "TO:<j\xc3\xb6@example.test>\nC: RCPT TO:<a@example.test>\n"
                                                  "C: DATA\n! closed",
         .recipients = {"deferred 0 4.4.2 mail", "deferred 0 4.4.2 mail"},
         .connection = "broken 0 4.4.2 mail",
         .to = {"j\xc3\xb6@example.test", "a@example.test"}});
}

// ---- Refusals

constexpr absl::string_view kPipelinedCommands =
    "C: MAIL FROM:<from@example.test>\nC: RCPT TO:<a@example.test>\nC: RCPT TO:<b@example.test>\nC: DATA\n";

TEST(ClientSessionTest, PipelinedRefusals) {
  const Case rows[] = {
      {.name = "MAIL",
       .script = "S: 550 5.7.1 no\nS: 503 a\nS: 503 b\nS: 503 c\nC: RSET\nS: 250 ok",
       .recipients = {"failed 550 5.7.1 mail", "failed 550 5.7.1 mail"}},
      {.name = "MAIL, and DATA is taken",
       .script = "S: 450 no\nS: 250 a\nS: 250 b\nS: 354 c\nC: .\nS: 250 ?\nC: RSET\nS: 250 ok",
       .recipients = {"deferred 450  mail", "deferred 450  mail"}},
      {.name = "all RCPT, and DATA is taken",
       .script = "S: 250 ok\nS: 550 5.1.1 a\nS: 450 4.2.0 b\nS: 354 c\nC: .\nS: 554 no recipients\nC: "
                 "RSET\nS: 250 ok",
       .recipients = {"failed 550 5.1.1 rcpt", "deferred 450 4.2.0 rcpt"}},
      {.name = "all RCPT",
       .script = "S: 250 ok\nS: 550 5.1.1 a\nS: 450 4.2.0 b\nS: 503 c\nC: RSET\nS: 250 ok",
       .recipients = {"failed 550 5.1.1 rcpt", "deferred 450 4.2.0 rcpt"}},
      {.name = "DATA",
       .script = "S: 250 ok\nS: 550 5.1.1 a\nS: 250 b\nS: 451 4.3.0 c\nC: RSET\nS: 250 ok",
       .recipients = {"failed 550 5.1.1 rcpt", "deferred 451 4.3.0 data"}},
      // RFC 5321 section 4.5.3.1.10.
      {.name = "too many recipients",
       .script = "S: 250 ok\nS: 552 a\nS: 552 5.5.3 b\nS: 503 c\nC: RSET\nS: 250 ok",
       .recipients = {"deferred 552  rcpt", "deferred 552 5.5.3 rcpt"}},
      {.name = "a full mailbox",
       .script = "S: 250 ok\nS: 552 5.2.2 a\nS: 452 b\nS: 503 c\nC: RSET\nS: 250 ok",
       .recipients = {"failed 552 5.2.2 rcpt", "deferred 452  rcpt"}},
  };
  for (Case row : rows) {
    row.script = absl::StrCat(Hello("PIPELINING"), kPipelinedCommands, row.script);
    row.connection = "usable";
    Check(row);
  }
}

// What no host says that keeps to the protocol; nobody is delivered or failed by it.
TEST(ClientSessionTest, RepliesThatDoNotFit) {
  const std::vector<std::string> both_by_hand = {"deferred 0 4.5.0 rcpt", "deferred 0 4.5.0 rcpt"};
  const Case rows[] = {
      {.name = "354 to MAIL",
       .script = "S: 354 go",
       .recipients = {"deferred 0 4.5.0 mail", "deferred 0 4.5.0 mail"},
       .connection = "broken 0 4.5.0 mail"},
      {.name = "354 to RCPT",
       .script = "S: 250 ok\nS: 550 5.1.1 no\nS: 354 go",
       .recipients = {"failed 550 5.1.1 rcpt", "deferred 0 4.5.0 rcpt"},
       .connection = "broken 0 4.5.0 rcpt"},
      {.name = "250 to DATA",
       .script = "S: 250 ok\nS: 550 5.1.1 no\nS: 250 ok\nS: 250 ok",
       .recipients = {"failed 550 5.1.1 rcpt", "deferred 0 4.5.0 data"},
       .connection = "broken 0 4.5.0 data"},
      {.name = "354 to the end of the message",
       .script = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
                 "C: Subject: a\nC:\nC: ..dot\nC: ...\nC: text\nC: .\nS: 354 go",
       .recipients = {"deferred 0 4.5.0 final_dot", "deferred 0 4.5.0 final_dot", "unknown"},
       .connection = "broken 0 4.5.0 final_dot"},
      {.name = "250 and 550 at once to the end of the message",
       .script = "S: 250 ok\nS: 250 ok\nS: 550 5.1.1 no\nS: 354 go\n"
                 "C: Subject: a\nC:\nC: ..dot\nC: ...\nC: text\nC: .\nS: 250-ok\nS: 550 no",
       .recipients = {"deferred 0 4.5.0 final_dot", "failed 550 5.1.1 rcpt", "unknown"},
       .connection = "broken 0 4.5.0 final_dot"},
  };
  for (Case row : rows) {
    row.script = absl::StrCat(Hello("PIPELINING"), kPipelinedCommands, row.script);
    Check(row);
  }
}

// What arrives together with the last reply that is awaited.
TEST(ClientSessionTest, MoreRepliesThanCommands) {
  const std::string up_to_body = absl::StrCat(Hello("PIPELINING"), kPipelinedCommands,
                                              "S: 250 ok\nS: 550 5.1.1 no\nS: 250 ok\nS: 354 go\n");
  const std::string up_to_end =
      up_to_body + "C: Subject: a\nC:\nC: ..dot\nC: ...\nC: text\nC: .\nS: 250 2.0.0 taken\n";
  const struct {
    std::string script;
    std::vector<std::string> recipients;
    absl::string_view connection;
  } rows[] = {
      {"S: 220 mx\nS: 250 mx", kNoTransaction, "broken 0 4.5.0 ehlo"},
      // The 550 may be the answer to anything.
      {up_to_body + "S: 250 what?",
       {"deferred 0 4.5.0 body", "deferred 0 4.5.0 body"},
       "broken 0 4.5.0 body"},
      // The message was answered in its turn; only the connection is of no more use.
      {up_to_end + "S: 250 2.0.0 taken",
       {"failed 550 5.1.1 rcpt", "delivered 250 2.0.0 final_dot"},
       "broken 0 4.5.0 idle"},
      {up_to_end + "S: 421 4.3.2 bye",
       {"failed 550 5.1.1 rcpt", "delivered 250 2.0.0 final_dot"},
       "closing 421 4.3.2 idle"},
  };
  for (const auto& row : rows) {
    Dialog dialog(TestConfig());
    dialog.message = std::string(kMessage);
    dialog.transaction = TestTransaction(kMessage, {"a@example.test", "b@example.test"});
    dialog.hold_body = absl::EndsWith(row.script, "what?");
    dialog.Run(row.script);
    EXPECT_EQ(dialog.Recipients(), row.recipients) << row.script;
    EXPECT_EQ(dialog.Connection(), row.connection) << row.script;
  }
}

// A host may end an idle connection at any time.
TEST(ClientSessionTest, WordsWhileAtRest) {
  const std::string at_rest = "S: 220 mx\nC: EHLO mail.example.test\nS: 250 mx\n";
  Check({.name = "421",
         .script = at_rest + "S: 421 4.4.2 idle for too long",
         .recipients = kNoTransaction,
         .connection = "closing 421 4.4.2 idle"});
  Check({.name = "closed",
         .script = at_rest + "! closed",
         .recipients = kNoTransaction,
         .connection = "broken 0 4.4.2 idle"});
  Check({.name = "anything else",
         .script = at_rest + "S: 250 ok",
         .recipients = kNoTransaction,
         .connection = "broken 0 4.5.0 idle"});
  Check({.name = "half a word, and then a transaction",
         .script = at_rest + "S| 42\n! send",
         .recipients = {"deferred 0 4.5.0 idle", "deferred 0 4.5.0 idle"},
         .connection = "broken 0 4.5.0 idle"});
}

// ---- The body

// A dialog up to 354, with the body held back.
void UpToBody(Dialog& dialog) {
  dialog.message = std::string(kMessage);
  dialog.transaction = TestTransaction(kMessage, {"a@example.test"});
  dialog.hold_body = true;
  dialog.Run(kToOneByData);
  ASSERT_EQ(ActionName(dialog.action()), "next piece");
}

TEST(ClientSessionTest, AHostThatSpeaksIntoTheBody) {
  const struct {
    absl::string_view words;
    absl::string_view recipient;
    absl::string_view connection;
  } rows[] = {
      {"552 5.3.4 too large\r\n", "deferred 0 4.5.0 body", "broken 0 4.5.0 body"},
      {"250 2.0.0 taken\r\n", "deferred 0 4.5.0 body", "broken 0 4.5.0 body"},
      {"421 4.3.2 bye\r\n", "deferred 421 4.3.2 body", "closing 421 4.3.2 body"},
      {"what?\r\n", "deferred 0 4.5.0 body", "broken 0 4.5.0 body"},
  };
  for (const auto& row : rows) {
    for (const Arrival arrival : kArrivals) {
      Dialog dialog(TestConfig(), arrival);
      UpToBody(dialog);
      dialog.Say(std::string(row.words));
      EXPECT_THAT(dialog.Recipients(), ElementsAre(row.recipient)) << row.words;
      EXPECT_EQ(dialog.Connection(), row.connection) << row.words;
      EXPECT_EQ(dialog.TakeWritten(), "");
    }
  }
}

TEST(ClientSessionTest, HalfAReplyIntoTheBodyIsNoAnswerToIt) {
  Dialog dialog(TestConfig());
  UpToBody(dialog);
  dialog.Say("250");
  ASSERT_EQ(ActionName(dialog.action()), "next piece");
  EXPECT_EQ(ActionName(dialog.session.OnPiece(kMessage)), "close");
  EXPECT_EQ(dialog.session.TakeOutcome().recipients[0].kind, RecipientOutcome::Kind::kDeferred);
  EXPECT_EQ(dialog.session.output(), "");
}

TEST(ClientSessionTest, ABodyThatCannotBeReadIsNotEnded) {
  for (const std::string& script :
       {std::string(kToOneByData), absl::StrCat(Hello("CHUNKING,PIPELINING"),
                                                "C: MAIL FROM:<from@example.test>\n"
                                                "C: RCPT TO:<a@example.test>\n"
                                                "S: 250 ok\nS: 250 ok\n")}) {
    Dialog dialog(TestConfig());
    dialog.message = "Subject: a\r\n";
    dialog.transaction = TestTransaction("Subject: a\r\n\r\ntext\r\n", {"a@example.test"});
    dialog.Run(script.substr(0, script.rfind("S:")));
    dialog.Say(absl::StrCat(absl::StripAsciiWhitespace(script.substr(script.rfind("S:") + 3)), "\r\n"));
    EXPECT_THAT(dialog.TakeWritten(), testing::EndsWith("Subject: a\r\n"));
    EXPECT_THAT(dialog.Recipients(), ElementsAre("deferred 0 4.3.0 body"));
    EXPECT_EQ(dialog.Connection(), "broken 0 4.3.0 body");
  }
}

// SECURITY: SMTP smuggling. Whatever was said of the content, no bare CR or LF reaches the point where it could act.
TEST(ClientSessionTest, BareLineEndsDoNotLeaveEvenWhenTheContentWasNotChecked) {
  for (const absl::string_view message :
       {"a\n.\nMAIL FROM:<x@example.test>\r\n", "a\r.\rb\r\n", "a\r\n.\r", "a\r\n.\n", "\n", "\r"}) {
    for (const uint64_t piece_bytes : {1u, 2u, 1000u}) {
      Dialog lying(TestConfig());
      lying.message = std::string(message);
      lying.piece_bytes = piece_bytes;
      lying.transaction = TestTransaction(message, {"a@example.test"});
      lying.transaction.content.bad_octets = false;
      lying.Say("220 mx\r\n");
      lying.Say("250 mx\r\n");
      lying.TakeWritten();
      lying.Run(
          "! send\nC: MAIL FROM:<from@example.test>\nS: 250 ok\nC: RCPT TO:<a@example.test>\nS: 250 ok\nC: "
          "DATA");
      lying.Say("354 go\r\n");
      const std::string written = lying.TakeWritten();
      EXPECT_THAT(lying.Recipients(), ElementsAre("failed 0 5.6.0 idle")) << absl::CEscape(message);
      EXPECT_FALSE(lying.session.connection().usable());
      EXPECT_FALSE(absl::StrContains(written, "\n.\r")) << absl::CEscape(written);
      for (size_t i = 0; i < written.size(); ++i) {
        EXPECT_TRUE(written[i] != '\n' || (i > 0 && written[i - 1] == '\r')) << absl::CEscape(written);
      }
    }
  }
}

// ---- Bounds

TEST(ClientSessionTest, NoMoreCommandsWaitThanFitIntoBuffers) {
  Dialog dialog(TestConfig());
  dialog.message = std::string(kMessage);
  std::vector<std::string> to;
  for (int i = 0; i < 1000; ++i) to.push_back(absl::StrCat("r", i, "@example.test"));
  dialog.transaction = TestTransaction(kMessage, to);
  dialog.Say("220 mx\r\n");
  dialog.Say("250-mx\r\n250 PIPELINING\r\n");
  dialog.TakeWritten();
  dialog.Run(
      "! send\nC: MAIL FROM:<from@example.test>\n# and some of its recipients\nC: RCPT "
      "TO:<r0@example.test>\n" +
      [] {
        std::string rest;
        for (size_t i = 1; i + 1 < kMaxPipelinedCommands; ++i) {
          absl::StrAppend(&rest, "C: RCPT TO:<r", i, "@example.test>\n");
        }
        return rest;
      }());
  size_t waiting = kMaxPipelinedCommands;
  size_t seen = kMaxPipelinedCommands - 1;
  size_t most = waiting;
  bool data = false;
  size_t segments = 0;
  while (!data) {
    dialog.Say("250 ok\r\n");
    --waiting;
    const std::string written = dialog.TakeWritten();
    if (written.empty()) continue;
    ++segments;
    for (const absl::string_view line : absl::StrSplit(written, "\r\n", absl::SkipEmpty())) {
      ++waiting;
      data = line == "DATA";
      if (data) break;
      EXPECT_EQ(line, absl::StrCat("RCPT TO:<r", seen++, "@example.test>"));
    }
    most = std::max(most, waiting);
  }
  EXPECT_EQ(seen, to.size());
  EXPECT_EQ(most, kMaxPipelinedCommands);
  // Not one for each reply.
  EXPECT_LT(segments, 2 * to.size() / kMaxPipelinedCommands + 4);
  while (--waiting > 0) dialog.Say("250 ok\r\n");
  dialog.Say("354 go\r\n");
  dialog.Say("250 2.0.0 taken\r\n");
  EXPECT_EQ(dialog.Recipients(), std::vector<std::string>(to.size(), "delivered 250 2.0.0 final_dot"));
}

// RFC 5321 section 4.5.3.2.
TEST(ClientSessionTest, EachStageHasItsTime) {
  ClientConfig config = TestConfig();
  const auto run = [&config](absl::string_view script) {
    Dialog dialog(config);
    dialog.message = std::string(kMessage);
    dialog.transaction = TestTransaction(kMessage, {"a@example.test"});
    dialog.Run(script);
    return dialog.awaited();
  };
  const std::string body = "C: Subject: a\nC:\nC: ..dot\nC: ...\nC: text\nC: .\n";
  const std::string mail = "C: MAIL FROM:<from@example.test>\n";
  const std::string rcpt = "S: 250 ok\nC: RCPT TO:<a@example.test>\n";
  const struct {
    std::string script;
    absl::Duration awaited;
  } rows[] = {
      {"", absl::Minutes(5)},
      {"S: 220 mx\nC: EHLO mail.example.test", absl::Minutes(5)},
      {Hello("") + mail, absl::Minutes(5)},
      {Hello("") + mail + rcpt, absl::Minutes(5)},
      {Hello("") + mail + rcpt + "S: 250 ok\nC: DATA", absl::Minutes(2)},
      {std::string(kToOneByData) + body, absl::Minutes(10)},
      {std::string(kToOneByData) + body + "S: 450 no\nC: RSET", absl::Seconds(20)},
  };
  for (const auto& row : rows) EXPECT_EQ(run(row.script), row.awaited) << row.script;
  config.timeouts.cap = absl::Seconds(30);
  for (const auto& row : rows)
    EXPECT_EQ(run(row.script), std::min(row.awaited, absl::Seconds(30))) << row.script;
  config.timeouts = Timeouts();
  config.timeouts.final_dot = absl::Seconds(7);
  EXPECT_EQ(run(rows[5].script), absl::Seconds(7));

  Dialog dialog(TestConfig());
  UpToBody(dialog);
  EXPECT_EQ(dialog.session.write_timeout(), absl::Minutes(3));
}

// A host that sends its reply a byte at a time gets no more time for each.
TEST(ClientSessionTest, AReplyIsFirstAwaitedOnce) {
  Dialog dialog(TestConfig(), Arrival::kBytes);
  EXPECT_TRUE(std::get<AwaitReplyAction>(dialog.action()).first);
  dialog.Say("22");
  EXPECT_FALSE(std::get<AwaitReplyAction>(dialog.action()).first);
  dialog.Say("0 mx\r\n");
  EXPECT_TRUE(std::get<AwaitReplyAction>(dialog.action()).first);
  dialog.Say("250-mx\r\n");
  EXPECT_FALSE(std::get<AwaitReplyAction>(dialog.action()).first);
}

TEST(ClientSessionTest, TheHostsWordsAreSafeToShow) {
  Dialog dialog(TestConfig());
  dialog.Say(absl::StrCat("554 5.7.1 caf\xc3\xa9 \x1b[31m\xff", std::string(5000, 'x'), "\r\n"));
  const std::string& text = dialog.session.connection().text;
  EXPECT_EQ(text.size(), kMaxPeerTextBytes);
  EXPECT_TRUE(absl::StartsWith(text, "caf\xc3\xa9 ?[31m?xxx"));
}

TEST(OutcomeTest, WithoutATransaction) {
  using Kind = ConnectionOutcome::Kind;
  const struct {
    Kind kind;
    Stage stage;
    int code;
    absl::string_view outcome;
  } rows[] = {
      {Kind::kRefused, Stage::kGreeting, 554, "failed 554 5.0.0 greeting"},
      {Kind::kRefused, Stage::kGreeting, 450, "deferred 450 5.0.0 greeting"},
      {Kind::kRefused, Stage::kEhlo, 550, "failed 550 5.0.0 ehlo"},
      {Kind::kRefused, Stage::kAuth, 535, "deferred 535 5.0.0 auth"},
      {Kind::kTlsBroken, Stage::kStartTls, 502, "deferred 502 5.0.0 starttls"},
      {Kind::kTlsBroken, Stage::kEhlo, 502, "deferred 502 5.0.0 ehlo"},
      {Kind::kBroken, Stage::kConnect, 0, "deferred 0 5.0.0 connect"},
      {Kind::kClosing, Stage::kGreeting, 421, "deferred 421 5.0.0 greeting"},
  };
  for (const auto& row : rows) {
    const ConnectionOutcome connection = {
        .kind = row.kind, .stage = row.stage, .code = row.code, .enhanced = "5.0.0"};
    EXPECT_EQ(Describe(OutcomeWithoutTransaction(connection)), row.outcome);
  }
}

}  // namespace
}  // namespace mailstead::smtp::outbound
