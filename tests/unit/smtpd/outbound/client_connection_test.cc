#include "smtpd/outbound/client_connection.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"
#include "tests/unit/smtpd/outbound/dialog.h"
#include "tests/unit/smtpd/outbound/scripted_host.h"

namespace mailstead::smtp::outbound {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Level = TlsPolicy::Level;

constexpr absl::string_view kMessage = "Subject: a\r\n\r\n.text\r\n";
constexpr absl::Duration kShort = absl::Milliseconds(150);

class StringSource : public BodySource {
 public:
  explicit StringSource(std::string message) : message_(std::move(message)) {}
  asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) override {
    std::string piece = message_.substr(given_bytes, max_bytes);
    given_bytes += piece.size();
    co_return piece;
  }
  // Read by the host's thread.
  std::atomic<size_t> given_bytes = 0;

 private:
  const std::string message_;
};

// To read the system's store takes a while.
net::ClientTls& SystemTls() {
  static net::ClientTls& tls = *net::ClientTls::Create()->release();
  return tls;
}

// One connection to `host`, in the test's thread.
class Connected {
 public:
  explicit Connected(uint16_t port, ClientConfig config = TestConfig(), net::ClientTls* tls = nullptr,
                     SaslClient* sasl = nullptr, std::optional<asio::ip::address> source = std::nullopt,
                     const Clock& steady = Clock::Steady()) {
    if (tls == nullptr) tls = &SystemTls();
    connection = std::make_unique<ClientConnection>(
        context.get_executor(), ClientOptions{.session = std::move(config),
                                              .host = {asio::ip::address_v4::loopback(), port},
                                              .source = source,
                                              .tls = *tls,
                                              .sasl = sasl,
                                              .steady = steady});
  }

  std::string Open() {
    net::Await(context, Open(*connection));
    return Describe(connection->outcome());
  }
  std::vector<std::string> Send(absl::string_view message = kMessage,
                                const std::vector<std::string>& to = {"a@example.test", "b@example.test"}) {
    StringSource source{std::string(message)};
    return Send(TestTransaction(message, to), source);
  }
  std::vector<std::string> Send(Transaction transaction, BodySource& source) {
    outcome = net::Await(context, connection->Send(std::move(transaction), source));
    std::vector<std::string> described;
    for (const RecipientOutcome& recipient : outcome.recipients) described.push_back(Describe(recipient));
    if (outcome.unknown) described.push_back("unknown");
    return described;
  }
  std::string Quit() {
    net::Await(context, Quit(*connection));
    return Describe(connection->outcome());
  }

  asio::io_context context{1};
  std::unique_ptr<ClientConnection> connection;
  TransactionOutcome outcome;

 private:
  static asio::awaitable<bool> Open(ClientConnection& connection) {
    co_await connection.Open();
    co_return true;
  }
  static asio::awaitable<bool> Quit(ClientConnection& connection) {
    co_await connection.Quit();
    co_return true;
  }
};

void TakeMessage(HostConnection& host) {
  host.Await("MAIL");
  host.Say("250 2.1.0 ok\r\n");
  host.Await("RCPT");
  host.Say("250 2.1.5 ok\r\n");
  host.Await("RCPT");
  host.Say("550 5.1.1 no\r\n");
  host.Await("DATA");
  host.Say("354 go\r\n");
  host.Await(".");
}

TEST(ClientConnectionTest, DeliversAgainAndAgainAndQuits) {
  std::string seen;
  {
    ScriptedHost host([&seen](HostConnection& peer) {
      peer.Greet("250-PIPELINING\r\n");
      for (int i = 0; i < 2; ++i) {
        peer.Await("MAIL");
        peer.Await("DATA");
        peer.Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
        for (std::string line = peer.Line(); line != "."; line = peer.Line())
          absl::StrAppend(&seen, line, "|");
        peer.Say("250 2.0.0 taken\r\n");
      }
      EXPECT_EQ(peer.Line(), "QUIT");
      EXPECT_EQ(peer.Line(), "<end>");
    });
    Connected client(host.port());
    EXPECT_EQ(client.Open(), "usable");
    EXPECT_TRUE(client.connection->extensions().pipelining);
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(client.Send(),
                  ElementsAre("delivered 250 2.0.0 final_dot", "delivered 250 2.0.0 final_dot"));
      EXPECT_TRUE(client.connection->usable());
    }
    EXPECT_EQ(client.Quit(), "ended 0  quit");
    EXPECT_FALSE(client.connection->usable());
  }
  EXPECT_EQ(seen, "Subject: a||..text|Subject: a||..text|");
}

// ---- Every stage, as a socket sees it

struct Row {
  absl::string_view stage;
  absl::string_view fault;
  std::string outcome;
};

// Leads the dialog to where `stage` is to be answered.
void LeadTo(absl::string_view stage, HostConnection& host) {
  if (stage == "greeting") return;
  host.Say("220 mx\r\n");
  host.Await("EHLO");
  if (stage == "ehlo") return;
  host.Say(stage == "starttls" || stage == "handshake" ? "250-mx\r\n250 STARTTLS\r\n"
           : stage == "chunk"                          ? "250-mx\r\n250 CHUNKING\r\n"
                                                       : "250 mx\r\n");
  if (stage == "starttls" || stage == "handshake") {
    host.Await("STARTTLS");
    if (stage == "handshake") host.Say("220 go\r\n");
    return;
  }
  host.Await("MAIL");
  if (stage == "mail") return;
  host.Say("250 ok\r\n");
  host.Await("RCPT");
  if (stage == "rcpt") return;
  host.Say("250 ok\r\n");
  host.Await("RCPT");
  host.Say("550 5.1.1 no\r\n");
  if (stage == "chunk") return host.Await("BDAT");
  host.Await("DATA");
  if (stage == "data") return;
  host.Say("354 go\r\n");
  host.Await(".");
  if (stage == "final dot") return;
  host.Say("450 4.3.0 later\r\n");
  host.Await("RSET");
}

void Fail(absl::string_view fault, HostConnection& host) {
  if (fault == "close") return host.Close();
  if (fault == "reset") return host.Reset();
  if (fault == "421") host.Say("421 4.3.2 bye\r\n");
  if (fault == "garbage") host.Say("SSH-2.0-OpenSSH\r\n\r\n\r\n");
  if (fault == "endless") {
    for (int i = 0; i < 100; ++i) host.Say(absl::StrCat("250-", std::string(996, 'x'), "\r\n"));
  }
  if (fault == "trickle") host.Say("2");
  // Silence, and a client that goes.
  host.AwaitEnd();
}

TEST(ClientConnectionTest, WhateverAHostDoes) {
  const std::string deferred_at_end = ", failed 550 5.1.1 rcpt, unknown";
  const Row rows[] = {
      {"greeting", "close", "broken 0 4.4.2 greeting"},
      {"greeting", "silence", "broken 0 4.4.2 greeting"},
      {"greeting", "trickle", "broken 0 4.4.2 greeting"},
      {"greeting", "421", "closing 421 4.3.2 greeting"},
      {"greeting", "garbage", "broken 0 4.5.0 greeting"},
      {"greeting", "endless", "broken 0 4.5.0 greeting"},
      {"ehlo", "close", "broken 0 4.4.2 ehlo"},
      {"ehlo", "reset", "broken 0 4.4.2 ehlo"},
      {"ehlo", "silence", "broken 0 4.4.2 ehlo"},
      {"ehlo", "endless", "broken 0 4.5.0 ehlo"},
      {"starttls", "close", "tls broken 0 4.4.2 starttls"},
      {"starttls", "reset", "tls broken 0 4.4.2 starttls"},
      {"starttls", "silence", "tls broken 0 4.4.2 starttls"},
      {"starttls", "421", "closing 421 4.3.2 starttls"},
      {"handshake", "close", "tls broken 0 4.7.5 handshake"},
      {"handshake", "reset", "tls broken 0 4.7.5 handshake"},
      {"handshake", "silence", "tls broken 0 4.7.5 handshake"},
      {"mail", "close", "broken 0 4.4.2 mail = deferred 0 4.4.2 mail, deferred 0 4.4.2 mail"},
      {"mail", "reset", "broken 0 4.4.2 mail = deferred 0 4.4.2 mail, deferred 0 4.4.2 mail"},
      {"mail", "silence", "broken 0 4.4.2 mail = deferred 0 4.4.2 mail, deferred 0 4.4.2 mail"},
      {"mail", "421", "closing 421 4.3.2 mail = deferred 421 4.3.2 mail, deferred 421 4.3.2 mail"},
      {"rcpt", "close", "broken 0 4.4.2 rcpt = deferred 0 4.4.2 rcpt, deferred 0 4.4.2 rcpt"},
      {"rcpt", "silence", "broken 0 4.4.2 rcpt = deferred 0 4.4.2 rcpt, deferred 0 4.4.2 rcpt"},
      {"data", "close", "broken 0 4.4.2 data = deferred 0 4.4.2 data, failed 550 5.1.1 rcpt"},
      {"data", "silence", "broken 0 4.4.2 data = deferred 0 4.4.2 data, failed 550 5.1.1 rcpt"},
      {"chunk", "close", "broken 0 4.4.2 body = deferred 0 4.4.2 body, failed 550 5.1.1 rcpt"},
      {"chunk", "silence", "broken 0 4.4.2 body = deferred 0 4.4.2 body, failed 550 5.1.1 rcpt"},
      {"chunk", "421", "closing 421 4.3.2 body = deferred 421 4.3.2 body, failed 550 5.1.1 rcpt"},
      {"final dot", "close", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot" + deferred_at_end},
      {"final dot", "reset", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot" + deferred_at_end},
      {"final dot", "silence", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot" + deferred_at_end},
      {"final dot", "trickle", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot" + deferred_at_end},
      {"final dot", "421",
       "closing 421 4.3.2 final_dot = deferred 421 4.3.2 final_dot, failed 550 5.1.1 rcpt"},
      {"final dot", "garbage", "broken 0 4.5.0 final_dot = deferred 0 4.5.0 final_dot" + deferred_at_end},
      {"rset", "close", "broken 0 4.4.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
      {"rset", "silence", "broken 0 4.4.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(row.stage, ", ", row.fault));
    ScriptedHost host([&row](HostConnection& peer) {
      LeadTo(row.stage, peer);
      Fail(row.fault, peer);
    });
    ClientConfig config = TestConfig(Level::kMay);
    config.max_chunk_bytes = 14;
    if (row.fault == "silence" || row.fault == "trickle") config.timeouts.cap = kShort;
    Connected client(host.port(), config);
    std::string seen = client.Open();
    if (seen == "usable") {
      const std::vector<std::string> recipients = client.Send();
      seen = absl::StrCat(Describe(client.connection->outcome()), " = ", absl::StrJoin(recipients, ", "));
    }
    EXPECT_EQ(seen, row.outcome);
    EXPECT_FALSE(client.connection->usable());
  }
}

TEST(ClientConnectionTest, NoConnection) {
  uint16_t port = 0;
  {
    ScriptedHost gone(std::vector<ScriptedHost::Script>{});
    port = gone.port();
  }
  Connected refused(port);
  EXPECT_EQ(refused.Open(), "broken 0 4.4.1 connect");
  EXPECT_THAT(refused.connection->outcome().text, HasSubstr("refused"));
  EXPECT_THAT(refused.Send(), ElementsAre("deferred 0 4.4.1 connect", "deferred 0 4.4.1 connect"));

  // An address that this machine does not have (RFC 5737).
  Connected elsewhere(port, TestConfig(), nullptr, nullptr, asio::ip::make_address("192.0.2.1"));
  EXPECT_EQ(elsewhere.Open(), "broken 0 4.4.1 connect");
  EXPECT_THAT(elsewhere.connection->outcome().text, HasSubstr("source address 192.0.2.1"));

  Connected cancelled(port);
  cancelled.connection->Close();
  EXPECT_EQ(cancelled.Open(), "broken 0 4.3.2 connect");
}

TEST(ClientConnectionTest, TheSourceAddressIsUsed) {
  ScriptedHost host([](HostConnection& peer) {
    peer.Greet("");
    peer.AwaitEnd();
  });
  Connected client(host.port(), TestConfig(), nullptr, nullptr, asio::ip::make_address("127.0.0.2"));
  EXPECT_EQ(client.Open(), "usable");
  EXPECT_EQ(client.connection->stream()->local().address().to_string(), "127.0.0.2");
  EXPECT_EQ(client.connection->key().source, "127.0.0.2");
  EXPECT_EQ(client.connection->key().port, host.port());
}

// ---- At rest

TEST(ClientConnectionTest, AHostMayEndAConnectionAtRest) {
  for (const absl::string_view end : {"421 4.4.2 idle for too long\r\n", "", "what?\r\n"}) {
    absl::Notification at_rest;
    absl::Notification said;
    ScriptedHost host([&](HostConnection& peer) {
      peer.Greet("");
      at_rest.WaitForNotification();
      peer.Say(end);
      if (end.empty()) peer.Close();
      said.Notify();
      if (!end.empty()) peer.AwaitEnd();
    });
    Connected client(host.port());
    ASSERT_EQ(client.Open(), "usable");
    at_rest.Notify();
    said.WaitForNotification();
    const std::vector<std::string> recipients = client.Send();
    const std::string expected = absl::StartsWith(end, "421") ? "deferred 421 4.4.2 idle"
                                 : end.empty()                ? "deferred 0 4.4.2 idle"
                                                              : "deferred 0 4.5.0 idle";
    EXPECT_THAT(recipients, ElementsAre(expected, expected));
    EXPECT_FALSE(client.connection->usable());
  }
}

// ---- The body

TEST(ClientConnectionTest, ALargeBodyToASlowReaderStaysWithinBounds) {
  const std::string message = [] {
    std::string lines = "Subject: a\r\n\r\n";
    while (lines.size() < 32'000'000) absl::StrAppend(&lines, ".", std::string(75, 'x'), "\r\n");
    return lines;
  }();
  for (const bool chunking : {false, true}) {
    StringSource source(message);
    size_t read_bytes = 0;
    size_t most_bytes = 0;
    {
      ScriptedHost host([&](HostConnection& peer) {
        peer.Greet(chunking ? "250-CHUNKING\r\n" : "");
        peer.Await("MAIL");
        peer.Say("250 ok\r\n");
        peer.Await("RCPT");
        peer.Say("250 ok\r\n");
        if (!chunking) {
          peer.Await("DATA");
          peer.Say("354 go\r\n");
        }
        // Reads a little at a time; what was taken from the source and not read by anyone is in buffers.
        std::string tail;
        while (true) {
          const std::string piece = peer.Read(100'000);
          if (piece.empty()) return;
          read_bytes += piece.size();
          most_bytes =
              std::max(most_bytes, source.given_bytes - std::min<size_t>(source.given_bytes, read_bytes));
          tail = absl::StrCat(tail.substr(tail.size() - std::min<size_t>(tail.size(), 5)), piece);
          if (!chunking && absl::EndsWith(tail, "\r\n.\r\n")) break;
          if (chunking && read_bytes > message.size()) break;
        }
        peer.Say("250 2.0.0 taken\r\n");
        peer.AwaitEnd();
      });
      ClientConfig config = TestConfig();
      config.max_chunk_bytes = message.size();
      Connected client(host.port(), config);
      ASSERT_EQ(client.Open(), "usable");
      EXPECT_THAT(client.Send(TestTransaction(message, {"a@example.test"}), source),
                  ElementsAre("delivered 250 2.0.0 final_dot"));
      client.Quit();
    }
    EXPECT_EQ(source.given_bytes, message.size());
    // The kernel's buffers on both sides, and a piece of ours.
    EXPECT_LT(most_bytes, 8'000'000u);
  }
}

TEST(ClientConnectionTest, AHostThatStopsReadingIsLeft) {
  StringSource source(std::string(64'000'000, 'x'));
  absl::Notification left;
  ScriptedHost host([&left](HostConnection& peer) {
    peer.Greet("");
    peer.Await("MAIL");
    peer.Say("250 ok\r\n");
    peer.Await("RCPT");
    peer.Say("250 ok\r\n");
    peer.Await("DATA");
    peer.Say("354 go\r\n");
    // Not a byte is read until the client has given up.
    left.WaitForNotification();
    peer.AwaitEnd();
  });
  ClientConfig config = TestConfig();
  config.timeouts.data_block = kShort;
  Connected client(host.port(), config);
  ASSERT_EQ(client.Open(), "usable");
  Transaction transaction = TestTransaction("", {"a@example.test"});
  transaction.content.size_bytes = 64'000'000;
  EXPECT_THAT(client.Send(std::move(transaction), source), ElementsAre("deferred 0 4.4.2 body"));
  left.Notify();
  EXPECT_LT(source.given_bytes, 16'000'000u);
}

TEST(ClientConnectionTest, AHostThatRefusesInTheMiddleIsHeard) {
  StringSource source(std::string(64'000'000, 'x'));
  ScriptedHost host([](HostConnection& peer) {
    peer.Greet("");
    peer.Await("MAIL");
    peer.Say("250 ok\r\n");
    peer.Await("RCPT");
    peer.Say("250 ok\r\n");
    peer.Await("DATA");
    peer.Say("354 go\r\n");
    peer.Read(1000);
    peer.Say("552 5.3.4 too large for us\r\n");
    peer.AwaitEnd();
  });
  Connected client(host.port());
  ASSERT_EQ(client.Open(), "usable");
  Transaction transaction = TestTransaction("", {"a@example.test"});
  transaction.content.size_bytes = 64'000'000;
  EXPECT_THAT(client.Send(std::move(transaction), source), ElementsAre("deferred 0 4.5.0 body"));
  EXPECT_THAT(client.outcome.recipients[0].text, HasSubstr("552 too large for us"));
  EXPECT_LT(source.given_bytes, 64'000'000u);
}

TEST(ClientConnectionTest, ABodyThatEndsTooEarlyIsNotEnded) {
  std::string seen;
  {
    ScriptedHost host([&seen](HostConnection& peer) {
      LeadTo("data", peer);
      peer.Say("354 go\r\n");
      for (std::string line = peer.Line(); line != "<end>"; line = peer.Line())
        absl::StrAppend(&seen, line, "|");
    });
    Connected client(host.port());
    ASSERT_EQ(client.Open(), "usable");
    StringSource source("Subject: a\r\n");
    EXPECT_THAT(client.Send(TestTransaction(kMessage, {"a@example.test", "b@example.test"}), source),
                ElementsAre("deferred 0 4.3.0 body", "failed 550 5.1.1 rcpt"));
  }
  EXPECT_FALSE(absl::StrContains(seen, "|.|")) << seen;
}

// Takes two hours for each piece.
class SlowSource : public StringSource {
 public:
  SlowSource(std::string message, FakeClock& clock) : StringSource(std::move(message)), clock_(clock) {}
  asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) override {
    clock_.Advance(absl::Hours(2));
    return StringSource::Next(max_bytes);
  }

 private:
  FakeClock& clock_;
};

TEST(ClientConnectionTest, ATransactionHasAnEndButTheReplyToItsMessageIsAwaited) {
  const std::string large = absl::StrCat("Subject: a\r\n\r\n", std::string(2 * kMaxPieceBytes, 'x'), "\r\n");
  for (const std::string& message : {std::string(kMessage), large}) {
    ScriptedHost host([](HostConnection& peer) {
      LeadTo("data", peer);
      peer.Say("354 go\r\n");
      for (std::string line = peer.Line(); line != "." && line != "<end>";) line = peer.Line();
      peer.Say("250 2.0.0 taken\r\n");
      peer.AwaitEnd();
    });
    FakeClock clock;
    Connected client(host.port(), TestConfig(), nullptr, nullptr, std::nullopt, clock);
    ASSERT_EQ(client.Open(), "usable");
    SlowSource source(message, clock);
    EXPECT_THAT(client.Send(TestTransaction(message, {"a@example.test", "b@example.test"}), source),
                ElementsAre(message == large ? "deferred 0 4.4.2 body" : "delivered 250 2.0.0 final_dot",
                            "failed 550 5.1.1 rcpt"));
  }
}

// ---- Shutdown

TEST(ClientConnectionTest, ShutdownEndsWhatIsUnderWay) {
  for (const absl::string_view stage : {"ehlo", "mail", "data", "final dot"}) {
    Connected* closing = nullptr;
    absl::Notification ready;
    ScriptedHost host([&](HostConnection& peer) {
      LeadTo(stage, peer);
      ready.WaitForNotification();
      asio::post(closing->context, [closing] { closing->connection->Close(); });
      peer.AwaitEnd();
    });
    Connected client(host.port());
    closing = &client;
    ready.Notify();
    std::string seen = client.Open();
    if (seen == "usable") seen = absl::StrJoin(client.Send(), ", ");
    EXPECT_EQ(seen, stage == "ehlo"   ? "broken 0 4.3.2 ehlo"
                    : stage == "mail" ? "deferred 0 4.3.2 mail, deferred 0 4.3.2 mail"
                    : stage == "data" ? "deferred 0 4.3.2 data, failed 550 5.1.1 rcpt"
                                      : "deferred 0 4.3.2 final_dot, failed 550 5.1.1 rcpt, unknown");
    EXPECT_FALSE(client.connection->usable());
  }
}

// ---- TLS

// Serves `count` connections up to rest under TLS; `tls` is what it shows.
std::vector<ScriptedHost::Script> TlsScripts(HostTls& tls, size_t count, std::string* server_name = nullptr) {
  return std::vector<ScriptedHost::Script>(count, [&tls, server_name](HostConnection& peer) {
    peer.Greet("250-STARTTLS\r\n");
    peer.Await("STARTTLS");
    peer.Say("220 go\r\n");
    if (!peer.StartTls(tls.context.get())) return;
    const char* const name = SSL_get_servername(peer.ssl(), TLSEXT_NAMETYPE_host_name);
    if (server_name != nullptr) *server_name = name == nullptr ? "" : name;
    peer.Await("EHLO");
    peer.Say("250-mx.example.test\r\n250 AUTH PLAIN\r\n");
    TakeMessage(peer);
    peer.Say("250 2.0.0 taken\r\n");
    peer.AwaitEnd();
  });
}

// Trusts the certificate of `tls`, as an operator's SSL_CERT_FILE would say.
std::unique_ptr<net::ClientTls> Trusting(const HostTls& tls) {
  ::setenv("SSL_CERT_FILE", tls.folder.Path("tls.crt").c_str(), 1);
  std::unique_ptr<net::ClientTls> trusting = *net::ClientTls::Create();
  ::unsetenv("SSL_CERT_FILE");
  return trusting;
}

ClientConfig TlsConfig(Level level, std::vector<std::string> names) {
  ClientConfig config = TestConfig(level);
  config.tls.names = std::move(names);
  config.tls.server_name = "mx.example.test";
  return config;
}

TEST(ClientConnectionTest, TlsOfEachLevel) {
  HostTls host_tls("mx.example.test");
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  const struct {
    Level level;
    bool trusted;
    std::vector<std::string> names;
    absl::string_view outcome;
    absl::string_view words;
  } rows[] = {
      {Level::kMay, false, {}, "usable", ""},
      {Level::kRequire, false, {}, "usable", ""},
      {Level::kVerify, true, {"mx.example.test"}, "usable", ""},
      {Level::kVerify, true, {"other.example.test", "mx.example.test"}, "usable", ""},
      {Level::kVerify, true, {"other.example.test"}, "tls broken 0 4.7.5 handshake", "hostname mismatch"},
      {Level::kVerify, false, {"mx.example.test"}, "tls broken 0 4.7.5 handshake", "self-signed certificate"},
      // It is in the certificate of a test, too.
      {Level::kVerify, true, {"127.0.0.1"}, "usable", ""},
      {Level::kVerify, true, {"127.0.0.2"}, "tls broken 0 4.7.5 handshake", "IP address mismatch"},
      // SECURITY: what is no name is not "no check".
      {Level::kVerify, true, {}, "tls broken 0 4.7.5 handshake", "no name"},
      {Level::kVerify, true, {""}, "tls broken 0 4.7.5 handshake", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(absl::StrCat(static_cast<int>(row.level), " ", absl::StrJoin(row.names, ",")));
    std::string server_name;
    {
      ScriptedHost host(TlsScripts(host_tls, 1, &server_name));
      Connected client(host.port(), TlsConfig(row.level, row.names), row.trusted ? trusting.get() : nullptr);
      EXPECT_EQ(client.Open(), row.outcome);
      EXPECT_THAT(client.connection->outcome().text, HasSubstr(std::string(row.words)));
      EXPECT_EQ(client.connection->tls() != nullptr, row.outcome == "usable");
      if (row.outcome == "usable") {
        EXPECT_EQ(client.connection->tls()->version, "TLSv1.3");
        EXPECT_THAT(client.Send(), ElementsAre("delivered 250 2.0.0 final_dot", "failed 550 5.1.1 rcpt"));
      }
    }
    EXPECT_EQ(server_name, row.outcome == "usable" ? "mx.example.test" : "");
  }
}

// SECURITY: a resumed session shows no certificate.
TEST(ClientConnectionTest, TicketsAreUsedOnceAndForTheSameSecurityOnly) {
  HostTls host_tls("mx.example.test");
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  ScriptedHost host(TlsScripts(host_tls, 5));
  const auto resumed = [&](Level level, std::vector<std::string> names) {
    Connected client(host.port(), TlsConfig(level, std::move(names)), trusting.get());
    EXPECT_EQ(client.Open(), "usable");
    // The ticket comes behind the handshake, with what is read next.
    client.Send();
    client.Quit();
    return client.connection->tls()->resumed;
  };
  EXPECT_FALSE(resumed(Level::kMay, {}));
  EXPECT_EQ(trusting->ticket_count(), 1u);
  EXPECT_FALSE(resumed(Level::kVerify, {"mx.example.test"}));
  EXPECT_EQ(trusting->ticket_count(), 2u);
  EXPECT_TRUE(resumed(Level::kVerify, {"mx.example.test"}));
  EXPECT_FALSE(resumed(Level::kVerify, {"mx.example.test", "example.test"}));
  EXPECT_TRUE(resumed(Level::kMay, {}));
}

// A record for the host's certificate. `selector` 0: of all of it, 1: of its key.
dns::Tlsa RecordFor(const HostTls& tls, uint8_t usage, uint8_t selector, uint8_t matching_type) {
  X509* const certificate = SSL_CTX_get0_certificate(tls.context.get());
  unsigned char* der = nullptr;
  const int size =
      selector == 0 ? i2d_X509(certificate, &der) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  dns::Tlsa record{.usage = usage, .selector = selector, .matching_type = matching_type, .data = ""};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_size = 0;
  const EVP_MD* const md = matching_type == 1 ? EVP_sha256() : EVP_sha512();
  if (matching_type == 0) {
    record.data.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  } else {
    EXPECT_EQ(EVP_Digest(der, static_cast<size_t>(size), digest, &digest_size, md, nullptr), 1);
    record.data.assign(reinterpret_cast<const char*>(digest), digest_size);
  }
  OPENSSL_free(der);
  return record;
}

dns::Tlsa Wrong(dns::Tlsa record) {
  record.data.back() = static_cast<char>(record.data.back() ^ 1);
  return record;
}

ClientConfig DaneConfig(std::vector<dns::Tlsa> records, std::vector<std::string> names = {"mx.example.test"}) {
  ClientConfig config = TlsConfig(Level::kDane, std::move(names));
  config.tls.tlsa = std::move(records);
  return config;
}

// RFC 7672 section 3.1: the records of the usage DANE-EE, for a certificate that nobody else would believe.
TEST(ClientConnectionTest, DaneByTheHostsOwnRecords) {
  using mailauth::TlsFailure;
  HostTls host_tls("mx.example.test");
  HostTls other_name("other.example.test");
  HostTls over("mx.example.test", absl::Now() - 3 * net::kSelfSignedLifetime);
  const auto matching = [](HostTls& tls) { return RecordFor(tls, 3, 1, 1); };
  const dns::Tlsa good = matching(host_tls);
  const dns::Tlsa odd_type = {.usage = 3, .selector = 1, .matching_type = 9, .data = good.data};
  const dns::Tlsa odd_selector = {.usage = 3, .selector = 7, .matching_type = 1, .data = good.data};
  const dns::Tlsa cut = {.usage = 3, .selector = 1, .matching_type = 1, .data = good.data.substr(1)};
  const dns::Tlsa pkix = {.usage = 1, .selector = 1, .matching_type = 1, .data = good.data};
  constexpr absl::string_view kRefused = "tls broken 0 4.7.5 handshake";
  const struct {
    const char* what;
    HostTls& tls;
    std::vector<dns::Tlsa> records;
    absl::string_view outcome;
    // By which it was good.
    std::string tlsa;
    std::optional<TlsFailure> failure;
  } rows[] = {
      {"3 1 1", host_tls, {good}, "usable", "3 1 1", {}},
      {"3 1 2", host_tls, {RecordFor(host_tls, 3, 1, 2)}, "usable", "3 1 2", {}},
      {"3 0 1", host_tls, {RecordFor(host_tls, 3, 0, 1)}, "usable", "3 0 1", {}},
      {"3 0 0", host_tls, {RecordFor(host_tls, 3, 0, 0)}, "usable", "3 0 0", {}},
      {"3 1 0", host_tls, {RecordFor(host_tls, 3, 1, 0)}, "usable", "3 1 0", {}},
      {"one is enough", host_tls, {Wrong(good), good}, "usable", "3 1 1", {}},
      {"with some of no use", host_tls, {odd_type, odd_selector, cut, pkix, good}, "usable", "3 1 1", {}},
      {"whatever its name", other_name, {matching(other_name)}, "usable", "3 1 1", {}},
      {"whatever its dates", over, {matching(over)}, "usable", "3 1 1", {}},
      {"another digest", host_tls, {Wrong(good)}, kRefused, "", TlsFailure::kValidationFailure},
      {"another's digest", host_tls, {matching(other_name)}, kRefused, "", TlsFailure::kValidationFailure},
      // RFC 7671 section 9: of the digests the strongest counts.
      {"the weaker digest", host_tls, {good, Wrong(RecordFor(host_tls, 3, 1, 2))}, kRefused, "",
       TlsFailure::kValidationFailure},
      {"another, and one of no use", host_tls, {Wrong(good), odd_type}, kRefused, "", TlsFailure::kValidationFailure},
      // SECURITY: the system's store does not stand in.
      {"only one of no use", host_tls, {odd_type}, kRefused, "", TlsFailure::kValidationFailure},
      {"only a PKIX-EE", host_tls, {pkix}, kRefused, "", TlsFailure::kValidationFailure},
      {"none", host_tls, {}, kRefused, "", TlsFailure::kValidationFailure},
  };
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    ScriptedHost host(TlsScripts(row.tls, 1));
    Connected client(host.port(), DaneConfig(row.records), trusting.get());
    EXPECT_EQ(client.Open(), row.outcome);
    EXPECT_EQ(client.connection->outcome().tls_failure, row.failure);
    EXPECT_EQ(client.connection->protection().verified, row.outcome == "usable");
    EXPECT_EQ(client.connection->protection().tlsa, row.tlsa);
    if (row.outcome == "usable") client.Send();
  }
}

// SECURITY: a session that one set of records has begun is not gone on with under another.
TEST(ClientConnectionTest, TicketsAreForTheSameRecordsOnly) {
  HostTls host_tls("mx.example.test");
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  ScriptedHost host(TlsScripts(host_tls, 4));
  const dns::Tlsa good = RecordFor(host_tls, 3, 1, 1);
  const auto opened = [&](std::vector<dns::Tlsa> records) {
    Connected client(host.port(), DaneConfig(std::move(records)), trusting.get());
    const std::string outcome = client.Open();
    if (outcome != "usable") return outcome;
    client.Send();
    client.Quit();
    return std::string(client.connection->tls()->resumed ? "resumed" : "anew");
  };
  EXPECT_EQ(opened({good}), "anew");
  EXPECT_EQ(opened({good}), "resumed");
  EXPECT_EQ(opened({good, RecordFor(host_tls, 3, 0, 1)}), "anew");
  // The host's owner has taken the record back.
  EXPECT_EQ(opened({Wrong(good)}), "tls broken 0 4.7.5 handshake");
}

// MTA-STS in testing: what is wrong is told, and changes nothing.
TEST(ClientConnectionTest, OnlyLooksWhereItDoesNotMatter) {
  using mailauth::TlsFailure;
  HostTls host_tls("mx.example.test");
  HostTls over("mx.example.test", absl::Now() - 3 * net::kSelfSignedLifetime);
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  const std::unique_ptr<net::ClientTls> trusting_the_old = Trusting(over);
  const struct {
    Level level;
    HostTls& tls;
    net::ClientTls* client;
    std::vector<std::string> names;
    std::optional<TlsFailure> flaw;
  } rows[] = {
      {Level::kMay, host_tls, trusting.get(), {"mx.example.test"}, {}},
      {Level::kMay, host_tls, trusting.get(), {}, {}},
      {Level::kMay, host_tls, trusting.get(), {"other.example.test"}, TlsFailure::kCertificateHostMismatch},
      {Level::kRequire, host_tls, nullptr, {"mx.example.test"}, TlsFailure::kCertificateNotTrusted},
      {Level::kMay, over, trusting_the_old.get(), {"mx.example.test"}, TlsFailure::kCertificateExpired},
      // Nobody has asked.
      {Level::kMay, over, nullptr, {}, {}},
  };
  for (const auto& row : rows) {
    ScriptedHost host(TlsScripts(row.tls, 1));
    Connected client(host.port(), TlsConfig(row.level, row.names), row.client);
    EXPECT_EQ(client.Open(), "usable");
    EXPECT_FALSE(client.connection->protection().verified);
    EXPECT_EQ(client.connection->protection().flaw, row.flaw);
    client.Send();
  }
}

TEST(ClientConnectionTest, WhatIsWrongWithACertificateHasAName) {
  using mailauth::TlsFailure;
  HostTls host_tls("mx.example.test");
  HostTls over("mx.example.test", absl::Now() - 3 * net::kSelfSignedLifetime);
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  const std::unique_ptr<net::ClientTls> trusting_the_old = Trusting(over);
  const struct {
    HostTls& tls;
    net::ClientTls* client;
    std::string name;
    TlsFailure failure;
  } rows[] = {
      {host_tls, trusting.get(), "other.example.test", TlsFailure::kCertificateHostMismatch},
      {host_tls, nullptr, "mx.example.test", TlsFailure::kCertificateNotTrusted},
      {over, trusting_the_old.get(), "mx.example.test", TlsFailure::kCertificateExpired},
  };
  for (const auto& row : rows) {
    ScriptedHost host(TlsScripts(row.tls, 1));
    Connected client(host.port(), TlsConfig(Level::kVerify, {row.name}), row.client);
    EXPECT_EQ(client.Open(), "tls broken 0 4.7.5 handshake");
    EXPECT_EQ(client.connection->outcome().tls_failure, row.failure);
  }
  ScriptedHost without([](HostConnection& peer) {
    peer.Greet("");
    peer.AwaitEnd();
  });
  Connected client(without.port(), TlsConfig(Level::kVerify, {"mx.example.test"}));
  EXPECT_EQ(client.Open(), "tls broken 0 4.7.10 starttls");
  EXPECT_EQ(client.connection->outcome().tls_failure, TlsFailure::kStartTlsNotSupported);
}

// SECURITY: CVE-2011-0411 from the client's side.
TEST(ClientConnectionTest, BytesBehindStartTlsEndTheConnection) {
  ScriptedHost host([](HostConnection& peer) {
    peer.Greet("250-STARTTLS\r\n");
    peer.Await("STARTTLS");
    peer.Say("220 go\r\n250 injected\r\n");
    EXPECT_EQ(peer.Line(), "<end>");
  });
  Connected client(host.port(), TestConfig(Level::kMay));
  EXPECT_EQ(client.Open(), "broken 0 4.5.0 handshake");
}

TEST(ClientConnectionTest, AHostThatDoesNotSpeakTls) {
  ScriptedHost host([](HostConnection& peer) {
    peer.Greet("250-STARTTLS\r\n");
    peer.Await("STARTTLS");
    peer.Say("220 go\r\n");
    peer.Read(100);
    peer.Say("500 what?\r\n");
    peer.AwaitEnd();
  });
  Connected client(host.port(), TestConfig(Level::kMay));
  EXPECT_EQ(client.Open(), "tls broken 0 4.7.5 handshake");
}

// ---- AUTH

class FakeSasl : public SaslClient {
 public:
  asio::awaitable<absl::StatusOr<std::optional<std::string>>> Begin(std::string mechanism) override {
    EXPECT_EQ(mechanism, "PLAIN");
    co_return std::string("secret");
  }
  asio::awaitable<absl::StatusOr<std::string>> Respond(std::string) override {
    co_return absl::InternalError("unasked");
  }
  bool complete() const override { return true; }
};

TEST(ClientConnectionTest, LogsInUnderVerifiedTlsOnly) {
  HostTls host_tls("mx.example.test");
  const std::unique_ptr<net::ClientTls> trusting = Trusting(host_tls);
  for (const Level level : {Level::kVerify, Level::kRequire}) {
    ScriptedHost host([&](HostConnection& peer) {
      peer.Greet("250-STARTTLS\r\n");
      peer.Await("STARTTLS");
      peer.Say("220 go\r\n");
      if (!peer.StartTls(host_tls.context.get())) return;
      peer.Await("EHLO");
      peer.Say("250-mx.example.test\r\n250 AUTH PLAIN\r\n");
      EXPECT_EQ(peer.Line(), level == Level::kVerify ? "AUTH PLAIN c2VjcmV0" : "QUIT");
      peer.Say("235 2.7.0 welcome\r\n");
      peer.AwaitEnd();
    });
    ClientConfig config = TlsConfig(level, {"mx.example.test"});
    config.auth_mechanisms = {"PLAIN"};
    FakeSasl sasl;
    Connected client(host.port(), config, trusting.get(), &sasl);
    EXPECT_EQ(client.Open(), level == Level::kVerify ? "usable" : "refused 0 4.7.0 auth");
  }
}

}  // namespace
}  // namespace mailstead::smtp::outbound
