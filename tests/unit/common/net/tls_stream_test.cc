#include <openssl/pem.h>

#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/net/self_signed.h"
#include "common/net/shutdown.h"
#include "common/net/stream.h"
#include "common/net/ticket_life.h"
#include "common/net/ticket_ring.h"
#include "common/net/tls_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"
#include "tests/unit/common/net/tls_client.h"

namespace mailstead::net {
namespace {

constexpr absl::Duration kLong = absl::Seconds(10);
constexpr absl::Duration kShort = absl::Milliseconds(100);

std::unique_ptr<TlsContext> SelfSigned(const std::string& ticket_key_file = "",
                                       const Clock& clock = Clock::Steady()) {
  TlsOptions options;
  options.self_signed_name = "mx.example.test";
  options.ticket_key_file = ticket_key_file;
  absl::StatusOr<std::unique_ptr<TlsContext>> context = TlsContext::Create(options, clock);
  EXPECT_TRUE(context.ok()) << context.status();
  return std::move(context).value();
}

class TlsStreamTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  // Both sides of the handshake; whether the client liked it.
  absl::Status Handshake(TlsClient& client, bool* client_ok = nullptr) {
    bool ok = false;
    std::thread other_side([&] { ok = client.Handshake(); });
    const absl::Status status = Await(link.context, link.stream->StartTls(*context, kLong));
    if (!status.ok()) link.stream->Close();
    other_side.join();
    if (client_ok != nullptr) *client_ok = ok;
    return status;
  }
  absl::StatusOr<std::string> Read(size_t max_bytes = 4096) {
    return Await(link.context, ReadUpTo(*link.stream, max_bytes, kLong));
  }

  std::unique_ptr<TlsContext> context = SelfSigned();
  Loopback link;
};

TEST_F(TlsStreamTest, SaysWhatWasAgreedOn) {
  EXPECT_EQ(link.stream->tls(), nullptr);
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  ASSERT_NE(link.stream->tls(), nullptr);
  EXPECT_EQ(link.stream->tls()->version, "TLSv1.3");
  EXPECT_EQ(link.stream->tls()->cipher, SSL_get_cipher_name(client.ssl()));
}

TEST_F(TlsStreamTest, TheBestProtocolThatBothSpeakIsChosen) {
  static const struct {
    std::string named;
    std::string chosen;
  } kRows[] = {{"\2h2\10http/1.1", "h2"}, {"\10http/1.1\2h2", "h2"}, {"\10http/1.1", "http/1.1"}, {"", ""}};
  TlsOptions options{.self_signed_name = "mx.example.test", .alpn = {"h2", "http/1.1"}};
  context = *TlsContext::Create(options);
  for (const auto& row : kRows) {
    Loopback other;
    TlsClient client(other.client.fd(), {.alpn = row.named});
    std::thread other_side([&] { client.Handshake(); });
    ASSERT_TRUE(Await(other.context, other.stream->StartTls(*context, kLong)).ok());
    other_side.join();
    EXPECT_EQ(other.stream->tls()->alpn, row.chosen);
  }
  TlsClient client(link.client.fd(), {.alpn = "\4smtp"});
  bool client_ok = true;
  EXPECT_FALSE(Handshake(client, &client_ok).ok());
  EXPECT_FALSE(client_ok);
}

TEST_F(TlsStreamTest, WhoOffersNoProtocolPassesOverThem) {
  TlsClient client(link.client.fd(), {.alpn = "\4smtp"});
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_EQ(link.stream->tls()->alpn, "");
}

TEST_F(TlsStreamTest, ExporterIsTheClientsOverTls13) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_EQ(link.stream->tls()->tls_exporter.size(), 32u);
  EXPECT_EQ(link.stream->tls()->tls_exporter, client.Exporter());
}

TEST_F(TlsStreamTest, ExporterIsTheClientsOverTls12) {
  TlsClient client(link.client.fd(), {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_EQ(link.stream->tls()->version, "TLSv1.2");
  EXPECT_EQ(link.stream->tls()->tls_exporter, client.Exporter());
}

TEST_F(TlsStreamTest, UniqueIsTheClientsOverTls12) {
  TlsClient client(link.client.fd(), {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_EQ(link.stream->tls()->tls_unique.size(), 12u);
  EXPECT_EQ(link.stream->tls()->tls_unique, client.Unique());
  // When the session is resumed the server finishes first.
  const SessionPtr session = client.session();
  Loopback other;
  TlsClient resuming(other.client.fd(), {.max_version = TLS1_2_VERSION, .resume = session.get()});
  std::thread other_side([&] { resuming.Handshake(); });
  ASSERT_TRUE(Await(other.context, other.stream->StartTls(*context, kLong)).ok());
  other_side.join();
  ASSERT_TRUE(resuming.resumed());
  EXPECT_EQ(other.stream->tls()->tls_unique, resuming.Unique());
  EXPECT_EQ(other.stream->tls()->tls_exporter, resuming.Exporter());
}

TEST_F(TlsStreamTest, Tls13HasNoUniqueValue) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_EQ(link.stream->tls()->tls_unique, "");
}

TEST_F(TlsStreamTest, NoExporterWithoutExtendedMasterSecret) {
  TlsClient client(link.client.fd(),
                   {.max_version = TLS1_2_VERSION, .options = SSL_OP_NO_EXTENDED_MASTER_SECRET});
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_EQ(link.stream->tls()->tls_exporter, "");
  EXPECT_EQ(link.stream->tls()->tls_unique, "");
}

TEST_F(TlsStreamTest, ExporterDiffersBetweenConnections) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  Loopback other;
  TlsClient other_client(other.client.fd());
  std::thread other_side([&] { other_client.Handshake(); });
  ASSERT_TRUE(Await(other.context, other.stream->StartTls(*context, kLong)).ok());
  other_side.join();
  EXPECT_NE(link.stream->tls()->tls_exporter, other.stream->tls()->tls_exporter);
}

TEST_F(TlsStreamTest, BytesGoBothWays) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  ASSERT_TRUE(client.Send("EHLO a\r\n"));
  EXPECT_EQ(*Read(), "EHLO a\r\n");
  ASSERT_TRUE(Await(link.context, link.stream->Write("250 ok\r\n", kLong)).ok());
  EXPECT_EQ(client.Receive(), "250 ok\r\n");
}

TEST_F(TlsStreamTest, WritesAllAgainstBackPressure) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  const std::string sent = Pattern(3 << 20);
  std::string received;
  std::thread reader([&] {
    while (received.size() < sent.size()) {
      const std::string part = client.Receive(50'000);
      if (part.empty()) break;
      received += part;
    }
  });
  const absl::Status written = Await(link.context, link.stream->Write(sent, kLong));
  reader.join();
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_TRUE(received == sent);
}

TEST_F(TlsStreamTest, ReadsAllFromAFastPeer) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  const std::string sent = Pattern(3 << 20);
  std::thread writer([&] { EXPECT_TRUE(client.Send(sent)); });
  absl::StatusOr<std::string> received = Await(link.context, ReadExactly(*link.stream, sent.size(), kLong));
  writer.join();
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_TRUE(*received == sent);
}

TEST_F(TlsStreamTest, AWriterWhosePeerNeverReadsEndsAtTheDeadline) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  const std::string much = Pattern(8 << 20);
  EXPECT_EQ(Await(link.context, link.stream->Write(much, kShort)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(TlsStreamTest, WaitReadableKnowsOfBytesInsideOpenSsl) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  ASSERT_TRUE(client.Send("one record"));
  EXPECT_EQ(*Read(1), "o");
  // The rest of the record has left the socket.
  EXPECT_TRUE(Await(link.context, link.stream->WaitReadable(absl::ZeroDuration())).ok());
  EXPECT_EQ(*Read(), "ne record");
  EXPECT_EQ(Await(link.context, link.stream->WaitReadable(kShort)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(TlsStreamTest, PendingInputIsSeenAndLeft) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  EXPECT_FALSE(link.stream->HasPendingInput());
  ASSERT_TRUE(client.Send("early"));
  ASSERT_TRUE(Await(link.context, link.stream->WaitReadable(kLong)).ok());
  EXPECT_TRUE(link.stream->HasPendingInput());
  EXPECT_EQ(*Read(), "early");
  EXPECT_FALSE(link.stream->HasPendingInput());
}

TEST_F(TlsStreamTest, ASilentHandshakeEndsAtTheDeadline) {
  const absl::Time begin = absl::Now();
  EXPECT_EQ(Await(link.context, link.stream->StartTls(*context, kShort)).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(absl::Now() - begin, kLong);
  EXPECT_EQ(link.stream->tls(), nullptr);
}

TEST_F(TlsStreamTest, ATrickledHandshakeEndsAtTheDeadline) {
  // A record header that promises 512 bytes of a ClientHello, then one byte at a time.
  ASSERT_TRUE(link.client.Send(absl::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9)));
  std::atomic<bool> done{false};
  std::thread trickle([&] {
    while (!done && link.client.Send("\x03")) absl::SleepFor(absl::Milliseconds(5));
  });
  const absl::Time begin = absl::Now();
  const absl::Status status = Await(link.context, link.stream->StartTls(*context, absl::Milliseconds(300)));
  EXPECT_LT(absl::Now() - begin, kLong);
  done = true;
  trickle.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST_F(TlsStreamTest, GarbageIsRefused) {
  ASSERT_TRUE(link.client.Send("EHLO this is no ClientHello\r\n"));
  const absl::Status status = Await(link.context, link.stream->StartTls(*context, kLong));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), ::testing::StartsWith("TLS: "));
  // Nothing can be had from a stream whose handshake failed, least of all in the clear.
  EXPECT_EQ(Read().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Await(link.context, link.stream->Write("secret", kLong)).code(), absl::StatusCode::kUnavailable);
  link.stream->ShutdownSend();
}

TEST_F(TlsStreamTest, APeerThatGoesDuringTheHandshakeIsUnavailable) {
  link.client.Close();
  EXPECT_EQ(Await(link.context, link.stream->StartTls(*context, kLong)).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(TlsStreamTest, VersionsBeforeTls12AreRefused) {
  TlsClient client(link.client.fd(), {.min_version = TLS1_VERSION, .max_version = TLS1_1_VERSION});
  bool client_ok = true;
  const absl::Status status = Handshake(client, &client_ok);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(client_ok);
}

TEST_F(TlsStreamTest, RenegotiationIsRefused) {
  TlsClient client(link.client.fd(), {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(Handshake(client).ok());
  bool renegotiated = true;
  std::thread asking([&] {
    ERR_clear_error();
    renegotiated = SSL_renegotiate(client.ssl()) == 1 && SSL_do_handshake(client.ssl()) == 1;
  });
  absl::StatusOr<std::string> read =
      Await(link.context, ReadUpTo(*link.stream, 100, absl::Milliseconds(500)));
  EXPECT_FALSE(read.ok());
  link.stream->Close();
  asking.join();
  EXPECT_FALSE(renegotiated);
}

TEST_F(TlsStreamTest, CloseNotifyIsAnOrderlyEnd) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  client.CloseNotify();
  EXPECT_EQ(Read().status(), absl::UnavailableError("connection closed"));
}

TEST_F(TlsStreamTest, ACutConnectionIsNotAnOrderlyEnd) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  link.client.FinishSending();
  const absl::Status status = Read().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message(), "connection closed");
}

TEST_F(TlsStreamTest, ShutdownSendSaysCloseNotify) {
  TlsClient client(link.client.fd());
  ASSERT_TRUE(Handshake(client).ok());
  ASSERT_TRUE(Await(link.context, link.stream->Write("bye", kLong)).ok());
  link.stream->ShutdownSend();
  EXPECT_EQ(client.Receive(), "bye");
  EXPECT_EQ(client.Receive(), "");
  EXPECT_EQ(client.end(), SSL_ERROR_ZERO_RETURN);
}

TEST_F(TlsStreamTest, CloseEndsAHandshakeWithCancelled) {
  asio::post(link.context, [&] { link.stream->Close(); });
  EXPECT_EQ(Await(link.context, link.stream->StartTls(*context, kLong)).code(), absl::StatusCode::kCancelled);
}

TEST_F(TlsStreamTest, PlainBytesBeforeTheHandshakeDoNotReachTheSession) {
  // What an attacker puts between STARTTLS and the ClientHello is no part of a handshake, and breaks it.
  ASSERT_TRUE(link.client.Send("RSET\r\n"));
  TlsClient client(link.client.fd());
  bool client_ok = true;
  EXPECT_FALSE(Handshake(client, &client_ok).ok());
  EXPECT_FALSE(client_ok);
}

TEST_F(TlsStreamTest, TheSelfSignedCertificateVerifiesForItsName) {
  TlsClient first(link.client.fd());
  ASSERT_TRUE(Handshake(first).ok());
  const std::string pem = first.PeerCertificatePem();
  for (const bool right_name : {true, false}) {
    Loopback other;
    TlsClient client(other.client.fd());
    client.Verify(pem, right_name ? "mx.example.test" : "other.example.test");
    bool client_ok = false;
    std::thread other_side([&] {
      client_ok = client.Handshake();
      other.client.FinishSending();
    });
    const absl::Status status = Await(other.context, other.stream->StartTls(*context, kLong));
    other_side.join();
    EXPECT_EQ(client_ok, right_name);
    EXPECT_TRUE(status.ok() || !right_name) << status;
  }
}

// One connection to `server`; the session to resume the next with. `resumed` tells whether this one was.
SessionPtr ConnectOnce(TlsContext& server, int version, SSL_SESSION* resume, bool* resumed) {
  Loopback link;
  TlsClient client(link.client.fd(), {.max_version = version, .resume = resume});
  std::string greeting;
  std::thread other_side([&] {
    if (client.Handshake()) greeting = client.Receive();
  });
  EXPECT_TRUE(Await(link.context, link.stream->StartTls(server, kLong)).ok());
  // TLS 1.3 sends its ticket after the handshake; the client reads it on the way to the greeting.
  EXPECT_TRUE(Await(link.context, link.stream->Write("220 ready\r\n", kLong)).ok());
  other_side.join();
  EXPECT_EQ(greeting, "220 ready\r\n");
  *resumed = client.resumed();
  client.CloseNotify();
  return client.session();
}

class TlsResumptionTest : public ::testing::TestWithParam<int> {};

TEST_P(TlsResumptionTest, ATicketOfOneReplicaResumesAtAnother) {
  TempDir dir;
  const std::string key_file = dir.Write("ticket.key", RandomBytes(48));
  const std::unique_ptr<TlsContext> one = SelfSigned(key_file);
  const std::unique_ptr<TlsContext> two = SelfSigned(key_file);
  bool resumed = true;
  const SessionPtr session = ConnectOnce(*one, GetParam(), nullptr, &resumed);
  EXPECT_FALSE(resumed);
  ConnectOnce(*two, GetParam(), session.get(), &resumed);
  EXPECT_TRUE(resumed);
}

TEST_P(TlsResumptionTest, ATicketOfAStrangerMeansAFullHandshake) {
  const std::unique_ptr<TlsContext> one = SelfSigned();
  const std::unique_ptr<TlsContext> two = SelfSigned();
  bool resumed = true;
  const SessionPtr session = ConnectOnce(*one, GetParam(), nullptr, &resumed);
  ConnectOnce(*two, GetParam(), session.get(), &resumed);
  EXPECT_FALSE(resumed);
}

// A certificate that is renewed, and not a word of a ticket key: clients go on resuming.
TEST_P(TlsResumptionTest, TicketsOutliveAReloadOfTheCertificate) {
  TempDir dir;
  const auto write_pair = [&dir] {
    const PemPair pair = *MakeSelfSigned("mx.example.test", absl::Now());
    dir.Write("key.pem", pair.key);
    dir.Write("cert.pem", pair.certificate);
  };
  write_pair();
  const std::unique_ptr<TlsContext> server =
      *TlsContext::Create({.cert_file = dir.Path("cert.pem"), .key_file = dir.Path("key.pem")});
  bool resumed = true;
  const SessionPtr session = ConnectOnce(*server, GetParam(), nullptr, &resumed);
  EXPECT_FALSE(resumed);
  const std::shared_ptr<SSL_CTX> before = server->current();
  write_pair();
  ASSERT_TRUE(server->ReloadIfChanged().ok());
  ASSERT_NE(server->current(), before);
  ConnectOnce(*server, GetParam(), session.get(), &resumed);
  EXPECT_TRUE(resumed);
}

// A secret of a ticket key that leaked is out of use when it is taken out of the file.
TEST_P(TlsResumptionTest, AKeyThatIsReplacedInItsFileOpensNoMore) {
  TempDir dir;
  const std::string key_file = dir.Write("ticket.key", RandomBytes(48));
  const std::unique_ptr<TlsContext> server = SelfSigned(key_file);
  EXPECT_EQ(server->tickets(), nullptr);
  bool resumed = true;
  const SessionPtr session = ConnectOnce(*server, GetParam(), nullptr, &resumed);
  dir.Write("ticket.key", RandomBytes(64));
  ASSERT_TRUE(server->ReloadIfChanged().ok());
  ConnectOnce(*server, GetParam(), session.get(), &resumed);
  EXPECT_FALSE(resumed);
}

// Two replicas whose keys come from elsewhere, and a clock that the test moves.
class TicketRingTest : public ::testing::TestWithParam<int> {
 protected:
  // A session that begins at `server`.
  SessionPtr Begin(TlsContext& server) {
    bool resumed = true;
    SessionPtr session = ConnectOnce(server, GetParam(), nullptr, &resumed);
    EXPECT_FALSE(resumed);
    return session;
  }
  // Whether `session` is resumed at `server`; `next` is then what resumes the next time.
  bool Resumes(TlsContext& server, const SessionPtr& session, SessionPtr* next = nullptr) {
    bool resumed = false;
    // OpenSSL notes in a session that it was used.
    const SessionPtr copy(SSL_SESSION_dup(session.get()));
    SessionPtr got = ConnectOnce(server, GetParam(), copy.get(), &resumed);
    if (next != nullptr) *next = std::move(got);
    return resumed;
  }
  static TicketSecret Secret(char letter, absl::Duration open_for = absl::Hours(14)) {
    return {std::string(32, letter), open_for};
  }
  void UpdateBoth(const std::vector<TicketSecret>& secrets) {
    for (const auto& replica : {one.get(), two.get()}) ASSERT_TRUE(replica->tickets()->Update(secrets).ok());
  }

  FakeClock clock;
  const std::unique_ptr<TlsContext> one = SelfSigned("", clock);
  const std::unique_ptr<TlsContext> two = SelfSigned("", clock);
};

TEST_P(TicketRingTest, ASessionResumesAtAnotherReplica) {
  UpdateBoth({Secret('a')});
  EXPECT_TRUE(Resumes(*two, Begin(*one)));
  // One that has heard of the next key only as one that opens.
  ASSERT_TRUE(one->tickets()->Update({Secret('b'), Secret('a')}).ok());
  EXPECT_FALSE(Resumes(*two, Begin(*one)));
  ASSERT_TRUE(two->tickets()->Update({Secret('a'), Secret('b')}).ok());
  EXPECT_TRUE(Resumes(*two, Begin(*one)));
}

TEST_P(TicketRingTest, AnOldKeyOpensForAsLongAsWasSaid) {
  UpdateBoth({Secret('a')});
  const SessionPtr session = Begin(*one);
  UpdateBoth({Secret('b'), Secret('a', absl::Hours(1))});
  // What was resumed has a ticket of the new key.
  SessionPtr renewed;
  EXPECT_TRUE(Resumes(*two, session, &renewed));
  clock.Advance(absl::Hours(1) - absl::Milliseconds(1));
  EXPECT_TRUE(Resumes(*two, session));
  clock.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(Resumes(*two, session));
  EXPECT_TRUE(Resumes(*two, renewed));
}

TEST_P(TicketRingTest, WhileTheStoreIsAwayTheLastKeyGoesOn) {
  UpdateBoth({Secret('a', absl::Hours(1))});
  clock.Advance(absl::Hours(100));
  EXPECT_TRUE(Resumes(*two, Begin(*one)));
}

TEST_P(TicketRingTest, TheOwnKeyOfBeforeTheFirstOpensWhatItSealed) {
  const SessionPtr session = Begin(*one);
  EXPECT_TRUE(Resumes(*one, session));
  EXPECT_FALSE(Resumes(*two, session));
  UpdateBoth({Secret('a')});
  clock.Advance(kTicketLife - absl::Milliseconds(1));
  EXPECT_TRUE(Resumes(*one, session));
  clock.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(Resumes(*one, session));
}

// The store has started anew and has forgotten its keys.
TEST_P(TicketRingTest, KeysThatAreNotListedAnyMoreEndWithTheirTickets) {
  UpdateBoth({Secret('a', absl::Hours(14)), Secret('b', absl::Minutes(10))});
  const SessionPtr session = Begin(*one);
  UpdateBoth({Secret('c')});
  clock.Advance(kTicketLife - absl::Milliseconds(1));
  UpdateBoth({Secret('c')});
  EXPECT_TRUE(Resumes(*two, session));
  clock.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(Resumes(*two, session));
  UpdateBoth({Secret('b'), Secret('c')});
  EXPECT_FALSE(Resumes(*two, session));
}

TEST_P(TicketRingTest, KeysThatCannotBeAreRefused) {
  UpdateBoth({Secret('a')});
  const SessionPtr session = Begin(*one);
  const std::vector<TicketSecret> most(TicketRing::kMaxKeys, Secret('b'));
  std::vector<TicketSecret> too_many = most;
  too_many.push_back(Secret('b'));
  const std::vector<std::vector<TicketSecret>> bad = {
      {}, {{std::string(31, 'x'), absl::Hours(1)}}, {Secret('b'), {"", absl::Hours(1)}}, too_many};
  for (const std::vector<TicketSecret>& secrets : bad) {
    EXPECT_EQ(one->tickets()->Update(secrets).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(Resumes(*two, Begin(*one))) << "the key of before seals on";
  EXPECT_TRUE(Resumes(*one, session));
  EXPECT_TRUE(one->tickets()->Update(most).ok());
}

TEST_P(TicketRingTest, NotMoreKeysAreKeptThanThereMayBe) {
  UpdateBoth({Secret('a')});
  const SessionPtr session = Begin(*one);
  for (size_t i = 1; i < TicketRing::kMaxKeys; ++i) {
    ASSERT_TRUE(one->tickets()->Update({{RandomBytes(32), absl::Hours(14)}}).ok());
  }
  EXPECT_TRUE(Resumes(*one, session));
  ASSERT_TRUE(one->tickets()->Update({{RandomBytes(32), absl::Hours(14)}}).ok());
  EXPECT_FALSE(Resumes(*one, session));
}

INSTANTIATE_TEST_SUITE_P(Versions, TicketRingTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

INSTANTIATE_TEST_SUITE_P(Versions, TlsResumptionTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

}  // namespace
}  // namespace mailstead::net
